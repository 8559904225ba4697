"""Tables of numbers in text files: loaded fast, and with the faulty line named when that fails."""

from __future__ import annotations

import gzip
import shutil
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from shared.lightcurve.arrays import FloatArray
from shared.lightcurve.csv_header import parse_number, split_cells
from shared.lightcurve.errors import LightCurveError
from shared.lightcurve.kernels import find_kernel
from shared.temporary_folders import temporary_folder

#: With more text than this the compiled parser is worth the import of numba [bytes].
_LONG_TEXT = 64 << 20


@contextmanager
def plain_copy(path: Path) -> Iterator[Path]:
    """Yield a file that numpy can load by name: three times faster than from an open file.

    Content decides whether it is gzipped; numpy would go by the suffix.

    Raises
    ------
    LightCurveError
        The gzip file is cut off or damaged.
    """
    with path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    if not gzipped and path.suffix not in (".gz", ".bz2", ".xz"):
        yield path
        return
    with temporary_folder("light-curve") as folder:
        plain = folder.path / "plain.txt"
        try:
            with gzip.open(path) if gzipped else path.open("rb") as source, plain.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise LightCurveError(f"{path.name}: broken gzip file: {error}") from error
        yield plain


def load_table(
    name: str, plain: Path, *, delimiter: str | None, columns: tuple[int, ...], skip: int = 0, exact: bool = False
) -> FloatArray:
    """Load columns of numbers; lines starting with ``#`` and blank lines are passed over.

    Parameters
    ----------
    name
        Of the file, for messages.
    plain
        Where the text is.
    delimiter
        Between cells; None for blanks.
    columns
        Which to load.
    skip
        Header lines to pass over.
    exact
        Whether further columns are an error.

    Returns
    -------
    FloatArray
        Shape (N, len(columns)), N >= 1. An empty cell is NaN.

    Raises
    ------
    LightCurveError
        No row at all, or a row with too few columns (or, if `exact`, too many) or with something else than a number.
    """
    if (parsed := _parse_fast(plain, delimiter, columns, skip=skip, exact=exact)) is not None and len(parsed):
        return parsed
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "input contained no data": an error below
            rows: FloatArray = np.loadtxt(
                plain, delimiter=delimiter, ndmin=2, skiprows=skip, usecols=None if exact else columns, encoding="utf-8"
            )
    except ValueError:
        rows = _load_line_by_line(name, plain, delimiter, columns, skip=skip, exact=exact)
    if not rows.size:
        raise LightCurveError(f"{name}: there is no sample in the file")
    if rows.shape[1] != len(columns):
        raise LightCurveError(f"{name}: expected {len(columns)} columns, found {rows.shape[1]}")
    return rows


def _parse_fast(
    plain: Path, delimiter: str | None, columns: tuple[int, ...], *, skip: int, exact: bool
) -> FloatArray | None:
    """Parse by the compiled kernel, where it is loaded or worth loading; None: not by this."""
    parser = find_kernel("shared.lightcurve.number_parser", worth_loading=plain.stat().st_size > _LONG_TEXT)
    if parser is None:
        return None
    found: FloatArray | None = parser.parse_table(plain, delimiter=delimiter, columns=columns, skip=skip, exact=exact)
    return found


def _load_line_by_line(
    name: str, plain: Path, delimiter: str | None, columns: tuple[int, ...], *, skip: int, exact: bool
) -> FloatArray:
    """Load what numpy will not (empty cells), and find the line that is at fault."""
    rows: list[list[float]] = []
    with plain.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            text = line.partition("#")[0].strip(" \r\n")
            if number <= skip or not text.strip():
                continue
            cells = split_cells(text, delimiter)
            if len(cells) <= max(columns) or (exact and len(cells) != len(columns)):
                wanted = f"{'' if exact else 'at least '}{max(columns) + 1}"
                raise LightCurveError(f"{name}, line {number}: expected {wanted} columns, found {len(cells)}")
            values = [parse_number(cells[column] or "nan") for column in columns]
            if None in values:
                bad = cells[columns[values.index(None)]]
                raise LightCurveError(f"{name}, line {number}: expected a number, found {bad[:40]!r}")
            rows.append([value for value in values if value is not None])
    return np.array(rows, dtype=np.float64).reshape(-1, len(columns))
