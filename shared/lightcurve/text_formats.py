"""Light curves as text: the original's four columns, LCSG, and CSV. Any of them may be gzipped.

==========  ==================================================================================
text        time [s], flux, flag, uncertainty; blanks between; ``#`` starts a comment
lcsg        time [d], flux, flag; commas between; ``# #key=value`` is a metadata entry
csv         time [d], flux and perhaps uncertainty and flag; a header line names the columns
==========  ==================================================================================
"""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Literal

import numpy as np
import orjson

from shared.contracts.metadata import Metadata, MetadataValue
from shared.lightcurve.arrays import FloatArray
from shared.lightcurve.csv_header import has_words, parse_number, read_columns
from shared.lightcurve.light_curve import LightCurve
from shared.lightcurve.tables import load_table, plain_copy
from shared.lightcurve.time_systems import RELATIVE, guess_time_system

SECONDS_PER_DAY = 86400.0
TableFormat = Literal["text", "lcsg", "csv"]

_ROWS_PER_BLOCK = 100_000


def recognise_table(head: str) -> TableFormat:
    """Tell the text formats apart by the first part of a file.

    Rows of commas are LCSG where a comment holds ``key=value``, or where nothing names the three columns and the
    third one is all 0 and 1.
    """
    lines = [line.strip() for line in head.splitlines()[:200]]
    rows = [line for line in lines if line and not line.startswith("#")]
    comments = [line for line in lines if line.startswith("#")]
    if not rows or has_words(rows[0]):
        return "csv" if rows else "text"
    if not any(mark in rows[0] for mark in ",;\t"):
        return "text"
    if any(line.startswith("# #") and "=" in line for line in comments):
        return "lcsg"
    third = [cells[2] for line in rows[:50] if len(cells := line.split(",")) == 3]
    all_flags = bool(third) and all(parse_number(cell) in (0, 1) for cell in third)
    named = any("," in line for line in comments)
    return "lcsg" if all_flags and not named else "csv"


def read_table(path: Path, table_format: TableFormat) -> LightCurve:
    """Read a light curve in one of the text formats.

    Raises
    ------
    LightCurveError
        Names the line that has too few columns or something else than a number.
    """
    with plain_copy(path) as plain:
        match table_format:
            case "text":
                return _read_text(path, plain)
            case "lcsg":
                return _read_lcsg(path, plain)
            case "csv":
                return _read_csv(path, plain)


def write_text(curve: LightCurve, path: Path, *, gzipped: bool) -> None:
    """Write the original's four columns: time [s], flux, flag, uncertainty.

    Every number is the shortest one that reads back to the same bits; what is not finite becomes nan. A time system
    other than "relative" is named in a comment line.
    """
    # The empty name and time 0 keep the bytes, and so their digest, the same on every attempt.
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=3, fileobj=raw, mtime=0) if gzipped else raw as file,
    ):
        if curve.time_system != RELATIVE:
            file.write(f"# #time_system={curve.time_system}\n".encode())
        for start in range(0, len(curve), _ROWS_PER_BLOCK):
            part = slice(start, start + _ROWS_PER_BLOCK)
            rows = np.column_stack(
                (curve.times[part] * SECONDS_PER_DAY, curve.fluxes[part], curve.flags[part], curve.uncertainties[part])
            )
            text = orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)
            file.write(text[2:-2].replace(b"],[", b"\n").replace(b",", b" ").replace(b"null", b"nan") + b"\n")


def _read_text(path: Path, plain: Path) -> LightCurve:
    rows = load_table(path.name, plain, delimiter=None, columns=(0, 1, 2, 3), exact=True)
    fluxes, errors = rows[:, 1], rows[:, 3]
    return LightCurve(
        rows[:, 0] / SECONDS_PER_DAY,
        fluxes,
        flags=(rows[:, 2] != 0) | ~np.isfinite(fluxes),
        uncertainties=np.where(np.isfinite(errors), errors, 0.0),
        time_system=str(_read_comments(plain).get("time_system", RELATIVE)),
    )


def _read_lcsg(path: Path, plain: Path) -> LightCurve:
    rows = load_table(path.name, plain, delimiter=",", columns=(0, 1, 2))
    metadata = {**_read_comments(plain), "filename": path.name}
    return LightCurve(
        rows[:, 0],
        rows[:, 1],
        flags=(rows[:, 2] != 0) | ~np.isfinite(rows[:, 1]),
        time_system=str(metadata.pop("time_system", RELATIVE)),
        metadata=metadata,
    )


def _read_csv(path: Path, plain: Path) -> LightCurve:
    with plain.open(encoding="utf-8", errors="replace") as lines:
        columns = read_columns(lines, path.name)
    used = columns.used()
    rows = load_table(path.name, plain, delimiter=columns.delimiter, columns=tuple(used.values()), skip=columns.skip)
    rows = rows[np.isfinite(rows[:, 0])]
    found: dict[str, FloatArray] = {name: rows[:, place] for place, name in enumerate(used)}
    flags = ~np.isfinite(found["flux"])
    errors = found.get("uncertainty")
    if errors is not None:
        flags |= ~np.isfinite(errors)
        errors = np.where(np.isfinite(errors), errors, 0.0)
    if "flag" in found:
        flags |= found["flag"] != 0
    return LightCurve(
        found["time"],
        found["flux"],
        uncertainties=errors,
        flags=flags,
        time_system=columns.time_system or guess_time_system(found["time"]),
        metadata={"filename": path.name},
    )


def _read_comments(plain: Path) -> Metadata:
    """Collect the ``# #key=value`` lines; the first ``=`` separates, so values may hold more of them."""
    metadata: Metadata = {}
    with plain.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.startswith("#"):
                if line.strip():
                    break
                continue
            key, equals, value = line.lstrip("#").strip().lstrip("#").partition("=")
            if equals and key.strip() and line.lstrip("#").strip().startswith("#"):
                metadata[key.strip()] = _parse_value(value.strip())
    return metadata


def _parse_value(text: str) -> MetadataValue:
    """Turn a number into int or float; everything else, NaN and infinity too, stays a string."""
    try:
        return int(text)
    except ValueError:
        number = parse_number(text)
        return text if number is None or not math.isfinite(number) else number
