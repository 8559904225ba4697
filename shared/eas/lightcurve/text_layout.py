"""How a text file is laid out: where its rows begin, what separates cells, and which line names the columns."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from eas.contracts.metadata import Metadata, MetadataValue
from eas.lightcurve.cells import has_decimal_comma, is_date, parse_number, split_cells
from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.text_headers import Preamble, TextLayout, bare_remark, name_columns, pass_over_row_numbers

#: So many rows of numbers are looked at.
_SAMPLE = 50
#: A file whose first row comes later than this is no table.
_MOST_LINES_BEFORE = 100_000
_COMMENT = re.compile(r'\s*(?:"?#|%|//|!|\\|\*{2,}|;(?![^;]*;))')
#: A number, or one that is spelt in a way that is refused later, where its line can be named.
_DIGITS = re.compile(r"[+-]?\d[\d.,']*")
_RULER = re.compile(r"[-=+|:\s]*(?:-{3}|={3})[-=+|:\s]*")
_REMARK_AT_END = re.compile(r"\s#(?:\s.*)?$")


def read_layout(lines: Iterable[str], filename: str) -> TextLayout:
    """Find the layout by the first lines of a file.

    Raises
    ------
    LightCurveError
        There is no row of numbers, or lines of words that are no header.
    """
    preamble, skip, rows = _split(lines, filename)
    delimiter, decimal_comma = _find_delimiter(rows[0])
    sample = [_cells(row, delimiter) for row in rows]
    layout = TextLayout(
        delimiter,
        decimal_comma=decimal_comma,
        quoted='"' in rows[0],
        skip=skip,
        sample=sample,
        remarks=[bare_remark(comment) for comment in preamble.comments],
        metadata=_read_entries(preamble.comments),
    )
    layout = name_columns(layout, preamble, filename)
    return layout if layout.labels else pass_over_row_numbers(layout)


def _split(lines: Iterable[str], filename: str) -> tuple[Preamble, int, list[str]]:
    """Divide lines into what stands before the first row of numbers, and the first rows."""
    preamble, skip = Preamble(), 0
    rows: list[str] = []
    for number, line in enumerate(lines):
        text = line.strip(" \r\n\x1a\ufeff")
        if not _COMMENT.match(text):
            text = _REMARK_AT_END.sub("", text)
        if not text.strip() or _RULER.fullmatch(text):
            continue
        if _COMMENT.match(text) and not (rows and not text.startswith("#")):
            if not rows:
                preamble.comments.append(text)
                if preamble.words:
                    preamble.after_words.append(text)
        elif rows:
            rows.append(text)
            if len(rows) == _SAMPLE:
                break
        elif is_row(text, named=bool(preamble.words)):
            rows.append(text)
            skip = number
        else:
            preamble.words.append((number + 1, text))
        if not rows and number > _MOST_LINES_BEFORE:
            break
    if not rows:
        words = preamble.words
        if any(is_date(cell) for _, text in words[:5] for cell in re.split(r"[,;\t|]", text)):
            raise LightCurveError(
                f"{filename}, line {words[-1][0]}: the times are calendar dates; expected numbers of days"
            )
        begins = f"; it begins with {words[0][1][:60]!r}" if len(words) > 1 else ""
        raise LightCurveError(f"{filename}: there is no sample in the file{begins}")
    return preamble, skip, rows


def is_row(text: str, *, named: bool = False) -> bool:
    """Tell whether a line is a row of a table: two numbers at least, or nothing but numbers and missing values.

    Its first cell is a number, unless a line before has names for the columns (`named`).
    """
    delimiter, decimal_comma = _find_delimiter(text)
    cells = _cells(text, delimiter)
    numbers = [parse_number(cell, decimal_comma=decimal_comma) for cell in cells]
    if cells[0] == "" and cells[1:] == [str(place) for place in range(len(cells) - 1)]:
        return False  # the header of a table whose columns have numbers for names, and row numbers before them
    numbers = [
        0.0 if number is None and _DIGITS.fullmatch(cell) else number
        for number, cell in zip(numbers, cells, strict=True)
    ]
    finite = sum(number is not None and math.isfinite(number) for number in numbers)
    first = named or numbers[0] is not None
    return first and (finite >= 2 or (finite >= 1 and None not in numbers))


def _find_delimiter(row: str) -> tuple[str | None, bool]:
    """Find what separates the cells of a row, and whether a comma separates decimals."""
    for mark in ";\t|":
        if mark in row:
            cells = split_cells(row, mark)
            if mark == "\t" and any(re.search(r"\d\s+[\d.+-]", cell) for cell in cells):
                return None, False
            return mark, any(has_decimal_comma(cell) for cell in cells)
    if "," not in row:
        return None, False
    words = row.split()
    if len(words) > 1 and all(has_decimal_comma(word) or word.lstrip("+-").isdigit() for word in words):
        return None, True
    return ",", '"' in row and any(has_decimal_comma(cell) for cell in split_cells(row, ","))


def _cells(text: str, delimiter: str | None) -> list[str]:
    """Split a row; one empty cell at the end, after a delimiter too many, is none."""
    cells = split_cells(text, delimiter)
    return cells[:-1] if delimiter and len(cells) > 2 and not cells[-1] else cells


def _read_entries(comments: list[str]) -> Metadata:
    """Collect the ``# #key=value`` comments; the first ``=`` separates, so values may hold more of them."""
    metadata: Metadata = {}
    for comment in comments:
        content = comment.lstrip("#").strip()
        key, equals, value = content.lstrip("#").partition("=")
        if content.startswith("#") and equals and key.strip():
            metadata[key.strip()] = _parse_value(value.strip())
    return metadata


def _parse_value(text: str) -> MetadataValue:
    """Turn a number into int or float; everything else, NaN and infinity too, stays a string."""
    try:
        number = int(text)
    except ValueError:
        pass
    else:
        return number if -(2**63) <= number < 2**63 else text
    try:
        real = float(text)
    except ValueError:
        return text
    return real if math.isfinite(real) else text
