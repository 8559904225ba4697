"""Tables of numbers in text files: loaded fast, and with the faulty line named when that fails."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eas.lightcurve.arrays import FloatArray
from eas.lightcurve.cells import is_date, parse_flag, parse_number, split_cells
from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.kernels import find_kernel

#: With more text than this the compiled parser is worth the import of numba [bytes].
_LONG_TEXT = 64 << 20


@dataclass(frozen=True)
class TableForm:
    """What to load of a text file, and how.

    Parameters
    ----------
    delimiter
        Between cells; None for blanks.
    columns
        Which to load.
    skip
        Lines to pass over before the first row.
    exact
        Whether further columns are an error.
    plain
        Whether cells are plain numbers for the most part: without quotes and decimal commas.
    decimal_comma
        Whether a comma separates decimals.
    flags
        Those of `columns` whose cells may be letters or words, such as G and B.
    """

    delimiter: str | None
    columns: tuple[int, ...]
    skip: int = 0
    exact: bool = False
    plain: bool = True
    decimal_comma: bool = False
    flags: tuple[int, ...] = ()


def load_table(name: str, path: Path, form: TableForm) -> FloatArray:
    """Load columns of numbers; lines starting with ``#`` and blank lines are passed over.

    Parameters
    ----------
    name
        Of the file, for messages.
    path
        Where the text is.
    form
        What to load.

    Returns
    -------
    FloatArray
        Shape (N, len(columns)), N >= 1. A missing value (an empty cell, NA, --) is NaN.

    Raises
    ------
    LightCurveError
        No row at all, or a row with too few columns (or, if `exact`, too many) or with something else than a number.
    """
    rows = _load_plain(path, form) if form.plain else None
    if rows is None:
        rows = _load_line_by_line(name, path, form)
    if not rows.size:
        raise LightCurveError(f"{name}: there is no sample in the file")
    if rows.shape[1] != len(form.columns):
        raise LightCurveError(f"{name}: expected {len(form.columns)} columns, found {rows.shape[1]}")
    return rows


def _load_plain(path: Path, form: TableForm) -> FloatArray | None:
    """Load by the compiled parser, where it is loaded or worth loading, or by numpy; None: not by these."""
    parser = find_kernel("eas.lightcurve.number_parser", worth_loading=path.stat().st_size > _LONG_TEXT)
    if parser is not None:
        parsed: FloatArray | None = parser.parse_table(
            path, delimiter=form.delimiter, columns=form.columns, skip=form.skip, exact=form.exact
        )
        if parsed is not None and len(parsed):
            return parsed
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "input contained no data": an error of the caller
            rows: FloatArray = np.loadtxt(
                path,
                delimiter=form.delimiter,
                ndmin=2,
                skiprows=form.skip,
                usecols=None if form.exact else form.columns,
                encoding="utf-8",
            )
    except ValueError:
        return None
    return rows


def _load_line_by_line(name: str, path: Path, form: TableForm) -> FloatArray:
    """Load what numpy will not (missing values, quotes, decimal commas), and find the line that is at fault."""
    parsers = [parse_flag if column in form.flags else parse_number for column in form.columns]
    rows: list[list[float]] = []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            text = line.strip(" \r\n\x1a")
            if number <= form.skip or not text.strip() or text.startswith("#"):
                continue
            cells = split_cells(text, form.delimiter)
            remark = next((place for place, cell in enumerate(cells) if cell.startswith("# ")), None)
            if form.delimiter is None:
                remark = next((place for place, cell in enumerate(cells) if cell == "#" or cell[:2] == "##"), remark)
            cells = cells[:remark]
            if len(cells) <= max(form.columns) or (form.exact and len(cells) != len(form.columns)):
                wanted = f"{'' if form.exact else 'at least '}{max(form.columns) + 1}"
                raise LightCurveError(f"{name}, line {number}: expected {wanted} columns, found {len(cells)}")
            values = [
                parse(cells[column], decimal_comma=form.decimal_comma)
                for parse, column in zip(parsers, form.columns, strict=True)
            ]
            if None in values:
                raise LightCurveError(f"{name}, line {number}: {_describe(cells[form.columns[values.index(None)]])}")
            rows.append([value for value in values if value is not None])
    return np.array(rows, dtype=np.float64).reshape(-1, len(form.columns))


def _describe(cell: str) -> str:
    """Say what a cell is that is no number."""
    found = f"expected a number, found {cell[:40]!r}"
    if is_date(cell):
        return f"{found}: times need to be numbers of days, not calendar dates"
    if "," in cell:
        return f"{found}: a decimal comma beside decimal points, or between thousands?"
    return found
