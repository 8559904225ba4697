"""The layout of a text file, and which of its lines names the columns: a line of words, or a comment."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace

from eas.contracts.metadata import Metadata
from eas.lightcurve.cells import parse_number, split_cells
from eas.lightcurve.columns import names_columns
from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.labels import Label, is_unit_of_time, parse_label

_DELIMITERS = ";\t|,"
#: A word with the unit in brackets after it, or a Julian date with its offset.
_WORD = re.compile(r"[^\s\[(]+(?:\s*-\s*24\d{5}(?:\.\d+)?)?(?:\s*[\[(][^\])]*[\])])?")
_NUMBERED = re.compile(r"(?:col(?:umn)?\.?\s*)?(\d{1,2})\s*[:.)=-]?\s+(\S.*)", re.IGNORECASE)
_STATED = re.compile(r"\btime[ _]?(unit|system|sys)s?\s*[:=]\s*([^,;#]+)", re.IGNORECASE)
_ECSV_NAME = re.compile(r"\bname:\s*([^,}]+)")
_ECSV_UNIT = re.compile(r"\bunit:\s*([^,}]+)")


@dataclass(frozen=True)
class TextLayout:
    """Where the numbers of a text file stand.

    Parameters
    ----------
    delimiter
        Between cells; None for blanks.
    decimal_comma
        Whether a comma separates decimals.
    quoted
        Whether cells are in quotes.
    skip
        Lines before the first row of numbers.
    labels
        Of the columns in a row; None where no line names them.
    sample
        The cells of the first rows.
    remarks
        The comment lines before the first row, without their marks.
    metadata
        Their ``# #key=value`` entries.
    first_column
        1 where the first column of a file without a header counts rows, else 0.
    may_count_rows
        Whether the first column of a file without a header may count rows, or be the time.
    """

    delimiter: str | None
    decimal_comma: bool = False
    quoted: bool = False
    skip: int = 0
    labels: list[Label] | None = None
    sample: list[list[str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    metadata: Metadata = field(default_factory=dict)
    first_column: int = 0
    may_count_rows: bool = False

    @property
    def width(self) -> int:
        """The number of columns of the first row."""
        return len(self.sample[0]) if self.sample else 0

    def stated(self, what: str) -> str | None:
        """Find what the comments say about the "unit" or "system" of the times."""
        if (value := self.metadata.get(f"time_{what}")) is not None:
            return str(value)
        for remark in self.remarks:
            if (match := _STATED.search(remark)) and match[1].lower()[:3] == what[:3]:
                return match[2].strip()
        return None


@dataclass
class Preamble:
    """The lines before the first row: which are comments, which are words, and at which numbers."""

    comments: list[str] = field(default_factory=list)
    words: list[tuple[int, str]] = field(default_factory=list)
    after_words: list[str] = field(default_factory=list)


def bare_remark(comment: str) -> str:
    """Take the marks of a comment off."""
    return comment.strip().strip('"').lstrip("#%/!\\;* \t").rstrip()


def name_columns(layout: TextLayout, preamble: Preamble, filename: str) -> TextLayout:
    """Find the line that names the columns: of words before the first row, else of comments."""
    if preamble.words:
        return _take_header(layout, preamble, filename)
    if numbered := _read_numbered(layout):
        return replace(layout, labels=numbered)
    for place in range(len(layout.remarks) - 1, -1, -1):
        labels = _labels_of_remark(layout.remarks[place], layout)
        if labels is not None:
            units = next((units for remark in layout.remarks if (units := _units_of(remark, layout))), None)
            return replace(layout, labels=_with_units(labels, units))
    return layout


def _take_header(layout: TextLayout, preamble: Preamble, filename: str) -> TextLayout:
    """Take the first line of words that names columns; lines before it are titles, one after it may state units."""
    candidates = [(number, text, _split_header(text, layout)) for number, text in preamble.words]
    named = [
        place
        for place, (_, _, cells) in enumerate(candidates)
        if len(cells) > 1 and names_columns([parse_label(cell) for cell in cells], strict=False)
    ]
    chosen = named[0] if named else 0
    header = candidates[chosen][2]
    if header == ["", *(str(place) for place in range(len(header) - 1))]:
        return replace(layout, first_column=1)  # pandas: columns without names, after the numbers of the rows
    units: list[str] | None = None
    for number, text, cells in candidates[chosen + 1 :]:
        if is_unit_of_time(cells[0]) or all(re.fullmatch(r"[\[({].*[\])}]|-|", cell) for cell in cells):
            units = [cell.strip("[](){} ") for cell in cells]
        elif not _are_types(cells):
            raise LightCurveError(f"{filename}, line {number}: expected numbers, found {text[:60]!r}")
    if units is None:
        units = next(
            (found for comment in preamble.after_words if (found := _units_of(bare_remark(comment), layout))), None
        )
    units = units or _read_ecsv_units(layout.remarks, header)
    return replace(layout, labels=_with_units(_fit(header, layout, filename), units))


def _split_header(text: str, layout: TextLayout) -> list[str]:
    """Split a header as its rows are split, or as it fits their width."""
    if text.startswith("|"):
        return split_cells(text, "|")
    first = split_cells(text, layout.delimiter) if layout.delimiter else _WORD.findall(text.replace('"', " "))
    if len(first) > 1 and abs(len(first) - layout.width) <= 1:
        return first
    for mark in _DELIMITERS:
        cells = split_cells(text, mark)
        if mark in text and len(cells) > 1 and abs(len(cells) - layout.width) <= 1:
            return cells
    words = _WORD.findall(text)
    return words if len(words) == layout.width else first


def _fit(header: list[str], layout: TextLayout, filename: str) -> list[Label]:
    """Match the names of a header with the columns of the rows.

    One name too few is that of the row numbers, which have none; one too many that is empty follows a delimiter.
    """
    names = header[:-1] if len(header) == layout.width + 1 and not header[-1].strip() else header
    if len(names) == layout.width - 1 and _counts_rows(layout):
        names = ["", *names]
    if 1 < len(names) < layout.width:
        raise LightCurveError(
            f"{filename}: the header names {len(names)} columns ({', '.join(names)[:80]}), but the rows have"
            f" {layout.width} (a decimal comma, or row numbers without a name?); the header needs a name for each"
        )
    return [parse_label(name) for name in names]


def _labels_of_remark(remark: str, layout: TextLayout) -> list[Label] | None:
    """Take a comment for the header if it has a name for each column, and they are those of a light curve."""
    if not remark or "=" in remark.partition(" ")[0]:
        return None
    splits: list[tuple[list[str], bool]] = [
        (split_cells(remark, mark), False) for mark in _DELIMITERS if mark in remark
    ]
    splits.append((re.split(r"\s{2,}", remark), False))
    splits.append((_WORD.findall(remark), True))
    for cells, strict in splits:
        labels = [parse_label(cell) for cell in cells]
        if len(cells) == layout.width - 1 and len(cells) > 1 and _counts_rows(layout):
            labels = [parse_label(""), *labels]
        if len(labels) == layout.width > 1 and names_columns(labels, strict=strict):
            return labels
    return None


def _read_numbered(layout: TextLayout) -> list[Label] | None:
    """Read comments that describe one column each: ``Column 1: time [d]``; None unless all columns are described."""
    found: dict[int, str] = {}
    for remark in layout.remarks:
        if match := _NUMBERED.fullmatch(remark):
            found.setdefault(int(match[1]), match[2])
    first = min(found, default=-1)
    if first not in (0, 1) or sorted(found) != list(range(first, first + layout.width)):
        return None
    labels = [parse_label(re.split(r"\s{2,}|:|,", found[place + first])[0]) for place in range(layout.width)]
    if not names_columns(labels, strict=False):
        labels = [parse_label(found[place + first].split()[0]) for place in range(layout.width)]
    return labels if names_columns(labels, strict=False) else None


def _units_of(remark: str, layout: TextLayout) -> list[str] | None:
    """Take a comment for the units of the columns if it has one for each, and the first is one of time."""
    for cells in (split_cells(remark, ","), split_cells(remark, layout.delimiter), remark.split()):
        if len(cells) == layout.width > 1 and is_unit_of_time(cells[0]):
            return [cell.strip("[](){} ") for cell in cells]
    return None


def _read_ecsv_units(remarks: list[str], header: list[str]) -> list[str] | None:
    """Read the units that the comments of an ECSV file (astropy's) state for the columns of the header."""
    units: dict[str, str] = {}
    for remark in remarks:
        name, unit = _ECSV_NAME.search(remark), _ECSV_UNIT.search(remark)
        if name and unit:
            units[name[1].strip(" '\"")] = unit[1].strip(" '\"")
    return [units.get(name.strip(" '\""), "") for name in header] if units else None


def _with_units(labels: list[Label], units: list[str] | None) -> list[Label]:
    if units is None or len(units) != len(labels):
        return labels
    return [
        label if label.unit or unit in ("", "-", "--") else replace(label, unit=unit)
        for label, unit in zip(labels, units, strict=True)
    ]


def _are_types(cells: list[str]) -> bool:
    """Tell whether the cells are names of data types, as in IPAC tables and in some databases' exports."""
    types = {
        "double",
        "float",
        "int",
        "real",
        "char",
        "long",
        "integer",
        "date",
        "string",
        "r",
        "i",
        "d",
        "c",
        "null",
        "",
    }
    return all(re.sub(r"\d+$", "", cell.lower()) in types for cell in cells)


# --- Row numbers


def pass_over_row_numbers(layout: TextLayout) -> TextLayout:
    """Leave out the numbers of columns in place of a header, and a first column that counts rows.

    pandas writes both where nobody named the columns. Times then are in the second column: they increase.
    """
    sample = layout.sample
    numbers = [str(place) for place in range(layout.width)]
    if len(sample) > 1 and sample[0] == numbers and not any(re.fullmatch(r"\d+", row[0]) for row in sample[1:]):
        layout = replace(layout, skip=layout.skip + 1, sample=sample[1:])
    if layout.width < 3 or not _counts_rows(layout):
        return layout
    seconds = [parse_number(row[1], decimal_comma=layout.decimal_comma) for row in layout.sample if len(row) > 1]
    fractional = all("." in row[1] or "," in row[1] for row in layout.sample if len(row) > 1)
    times = [second for second in seconds if second is not None]
    if len(times) < 3 or not fractional or any(b <= a for a, b in itertools.pairwise(times)):
        return layout
    if len(times) < 10:
        return replace(layout, may_count_rows=True)
    return replace(layout, first_column=1)


def _counts_rows(layout: TextLayout) -> bool:
    """Tell whether the first column counts from 0 or 1 in whole numbers."""
    firsts = [row[0] for row in layout.sample]
    if not all(re.fullmatch(r"\d+", first) for first in firsts):
        return False
    start = int(firsts[0])
    return start in (0, 1) and [int(first) for first in firsts] == list(range(start, start + len(firsts)))
