"""Light curves as text: the original's four columns, LCSG, and tables of any layout.

==========  ==================================================================================
text        time [s], flux, flag, uncertainty; blanks between; ``#`` starts a comment
lcsg        time [d], flux, flag; commas between; ``# #key=value`` is a metadata entry
csv         any delimiter; a line of words, or a comment, names the columns, else they are
            time [d], flux and perhaps uncertainty (or a flag, where all are 0 or 1)
==========  ==================================================================================

A line that names the columns decides in each of them.
"""

from __future__ import annotations

import gzip
import logging
from pathlib import Path
from typing import Literal

import numpy as np
import orjson

from eas.contracts.metadata import Metadata
from eas.lightcurve.arrays import BoolArray, FloatArray
from eas.lightcurve.cells import parse_number
from eas.lightcurve.columns import Roles, assign_roles
from eas.lightcurve.curve_building import ColumnTable, build_curve
from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.labels import DAYS_PER_UNIT, Label, find_days_per_unit
from eas.lightcurve.light_curve import LightCurve
from eas.lightcurve.quality import QualityColumn
from eas.lightcurve.reading_options import ReadingOptions
from eas.lightcurve.tables import TableForm, load_table
from eas.lightcurve.text_files import plain_copy
from eas.lightcurve.text_headers import TextLayout
from eas.lightcurve.text_layout import read_layout
from eas.lightcurve.time_systems import RELATIVE, standard_name, system_of_label, typical_spacing

logger = logging.getLogger(__name__)

SECONDS_PER_DAY = 86400.0
TableFormat = Literal["text", "lcsg", "csv"]

_ROWS_PER_BLOCK = 100_000

#: Times of four columns without a header that are closer than this are more likely days than seconds.
_SHORTEST_SPACING = 2.0


def read_table(path: Path, table_format: TableFormat | None, options: ReadingOptions) -> LightCurve:
    """Read a light curve in one of the text formats.

    Parameters
    ----------
    path
        The file; it may be packed, and in any of the usual encodings.
    table_format
        What it must be; recognised by its first lines if left out.
    options
        What the user says about it.

    Raises
    ------
    LightCurveError
        Names the line that has too few columns or something else than a number, or the setting that decides where
        the file can be read in several ways.
    """
    with plain_copy(path) as plain:
        with plain.open(encoding="utf-8", errors="replace") as lines:
            layout = read_layout(lines, path.name)
        if layout.labels is not None or options.time_column is not None or options.flux_column is not None:
            return _read_named(path, plain, layout, options)
        match table_format or recognise_table(layout):
            case "text":
                return _read_four_columns(path, plain, layout, options)
            case "lcsg":
                return _read_lcsg(path, plain, layout, options)
            case "csv":
                return _read_by_position(path, plain, layout, options)


def recognise_table(layout: TextLayout) -> TableFormat:
    """Tell the text formats without a header apart.

    Rows of commas are LCSG where a comment holds ``key=value``, or where the third of three columns is all 0 and 1.
    Four columns between blanks are the original's.
    """
    if layout.first_column or layout.may_count_rows:
        return "csv"
    if layout.delimiter == ",":
        if layout.metadata:
            return "lcsg"
        third = [row[2] for row in layout.sample if len(row) == 3]
        return "lcsg" if third and all(parse_number(cell) in (0, 1) for cell in third) else "csv"
    return "text" if layout.delimiter is None and layout.width == 4 else "csv"


def write_text(curve: LightCurve, path: Path, *, gzipped: bool) -> None:
    """Write the original's four columns: time [s], flux, flag, uncertainty.

    Every number is the shortest one that reads back to the same bits; what is not finite becomes nan. A time system
    other than "relative" is named in a comment line, and so is the unit of time where samples are so close that the
    numbers could be days.
    """
    # The empty name and time 0 keep the bytes, and so their digest, the same on every attempt.
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=3, fileobj=raw, mtime=0) if gzipped else raw as file,
    ):
        if curve.time_system != RELATIVE:
            file.write(f"# #time_system={curve.time_system}\n".encode())
        if typical_spacing(curve.times[:10_000] * SECONDS_PER_DAY) < _SHORTEST_SPACING:
            file.write(b"# #time_unit=s\n")
        for start in range(0, len(curve), _ROWS_PER_BLOCK):
            part = slice(start, start + _ROWS_PER_BLOCK)
            rows = np.column_stack(
                (curve.times[part] * SECONDS_PER_DAY, curve.fluxes[part], curve.flags[part], curve.uncertainties[part])
            )
            text = orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)
            file.write(text[2:-2].replace(b"],[", b"\n").replace(b",", b" ").replace(b"null", b"nan") + b"\n")


def _read_four_columns(path: Path, plain: Path, layout: TextLayout, options: ReadingOptions) -> LightCurve:
    """Read the original's text."""
    form = TableForm(layout.delimiter, (0, 1, 2, 3), layout.skip, exact=True, plain=_is_plain(layout))
    rows = load_table(path.name, plain, form)
    fluxes, errors = rows[:, 1], rows[:, 3]
    unit = options.time_unit or layout.stated("unit")
    if unit is None and (spacing := typical_spacing(rows[:, 0])) < _SHORTEST_SPACING:
        raise LightCurveError(
            f"{path.name}: four columns without a header are time [s], flux, flag and uncertainty, but these times are"
            f" {spacing:.6g} apart, so that they could be days; the setting time_unit (s or d) decides, or a header"
        )
    flags = _take_flags(path.name, fluxes, rows[:, 2], options)
    return LightCurve(
        rows[:, 0] / SECONDS_PER_DAY if unit in (None, "s") else rows[:, 0] * _days_per(unit, path.name),
        fluxes,
        flags=flags | ~np.isfinite(fluxes),
        uncertainties=np.where(np.isfinite(errors), errors, 0.0),
        time_system=_stated_system(layout, options) or RELATIVE,
    )


def _take_flags(name: str, fluxes: FloatArray, column: FloatArray, options: ReadingOptions) -> BoolArray:
    """Take the flags of the original's text: 0 is good.

    The original wrote the flux into this column by mistake: such a column flags nothing. Other fractions are no flags.
    """
    flags: BoolArray = column != 0
    if (column[flags] != 1).any() and np.allclose(column, fluxes, rtol=1e-6, atol=0.0, equal_nan=True):
        logger.warning(
            "%s: column 3 (flags) equals column 2 (fluxes), a mistake of the original: no sample is flagged by it",
            name,
        )
        return np.zeros(len(fluxes), np.bool_)
    finite = column[np.isfinite(column)]
    if (finite != np.rint(finite)).any():
        example = float(finite[finite != np.rint(finite)][0])
        raise LightCurveError(
            f"{name}: four columns without a header are time [s], flux, flag and uncertainty, but the third one has"
            f" {example:.6g}, which is no flag. A header line, or the settings time_column, flux_column, error_column"
            " and quality_column (numbers of columns, from 1) say what is what"
        )
    if isinstance(options.quality_bitmask, int):
        flags = (np.where(np.isfinite(column), column, -1).astype(np.int64) & options.quality_bitmask) != 0
    return np.zeros(len(fluxes), np.bool_) if options.quality_bitmask == "none" else flags


def _read_lcsg(path: Path, plain: Path, layout: TextLayout, options: ReadingOptions) -> LightCurve:
    form = TableForm(layout.delimiter or ",", (0, 1, 2), layout.skip, plain=_is_plain(layout))
    rows = load_table(path.name, plain, form)
    metadata: Metadata = {**layout.metadata, "filename": path.name}
    flags: BoolArray = rows[:, 2] != 0
    if options.quality_bitmask == "none":
        flags = np.zeros(len(rows), np.bool_)
    stated = metadata.pop("time_system", None)
    unit = options.time_unit or metadata.get("time_unit")
    return LightCurve(
        rows[:, 0] if unit is None else rows[:, 0] * _days_per(str(unit), path.name),
        rows[:, 1],
        flags=flags | ~np.isfinite(rows[:, 1]),
        time_system=standard_name(options.time_system or str(stated or RELATIVE)),
        metadata=metadata,
    )


def _read_by_position(path: Path, plain: Path, layout: TextLayout, options: ReadingOptions) -> LightCurve:
    """Read two or three columns that nothing names: time, flux[, uncertainty or flag]."""
    first, count = layout.first_column, layout.width - layout.first_column
    if first:
        logger.warning("%s: the first column counts rows and is left out", path.name)
    if layout.may_count_rows:
        raise LightCurveError(
            f"{path.name}: the first column may count rows and the second be the time, or the first be the time;"
            " the settings time_column and flux_column (numbers of columns, from 1) decide, or a header line"
        )
    if count not in (2, 3):
        raise LightCurveError(
            f"{path.name}: {count} columns without a header; expected time, flux[, uncertainty]. A header line, or the"
            " settings time_column and flux_column (numbers of columns, from 1), say what is what"
        )
    labels = [Label(str(place + 1), str(place + 1)) for place in range(layout.width)]
    roles = Roles(first, first + 1)
    if count == 3:
        third = [parse_number(row[first + 2]) for row in layout.sample if len(row) > first + 2]
        flags = {0.0, 1.0} >= set(third) and 0.0 in third
        roles = Roles(first, first + 1, quality=(first + 2,)) if flags else Roles(first, first + 1, first + 2)
    return _read_columns(path, plain, layout, labels, roles, options)


def _read_named(path: Path, plain: Path, layout: TextLayout, options: ReadingOptions) -> LightCurve:
    """Read columns that a line of the file names, or the user by their numbers."""
    labels = layout.labels or [Label(str(place + 1), str(place + 1)) for place in range(layout.width)]
    where = f"{path.name}: the header" if layout.labels else f"{path.name}: the file without a header"
    return _read_columns(path, plain, layout, labels, assign_roles(labels, options, where), options)


def _read_columns(
    path: Path, plain: Path, layout: TextLayout, labels: list[Label], roles: Roles, options: ReadingOptions
) -> LightCurve:
    form = TableForm(
        layout.delimiter,
        roles.used(),
        layout.skip,
        plain=_is_plain(layout),
        decimal_comma=layout.decimal_comma,
        flags=roles.quality,
    )
    rows = load_table(path.name, plain, form)
    found = dict(zip(roles.used(), rows.T, strict=True))
    error = roles.uncertainty
    table = ColumnTable(
        filename=path.name,
        time_label=labels[roles.time],
        flux_label=labels[roles.flux],
        error_label=None if error is None else labels[error],
        times=found[roles.time],
        fluxes=found[roles.flux],
        errors=None if error is None else found[error],
        quality=[QualityColumn(labels[place].key, found[place]) for place in roles.quality],
        quality_names=[labels[place].name for place in roles.quality],
        time_system=_stated_system(layout, options),
        time_unit=layout.stated("unit"),
        metadata={
            **{key: value for key, value in layout.metadata.items() if not key.startswith("time_")},
            "filename": path.name,
        },
    )
    return build_curve(table, options)


def _is_plain(layout: TextLayout) -> bool:
    return not (layout.quoted or layout.decimal_comma or layout.delimiter == "|")


def _stated_system(layout: TextLayout, options: ReadingOptions) -> str | None:
    """Find the time system that the user or a comment states."""
    if options.time_system is not None:
        return standard_name(options.time_system)
    stated = layout.stated("system")
    if stated is None:
        return None
    return str(layout.metadata["time_system"]) if "time_system" in layout.metadata else system_of_label(stated)


def _days_per(unit: str, name: str) -> float:
    length = DAYS_PER_UNIT.get(unit) or find_days_per_unit(unit)
    if length is None:
        raise LightCurveError(f"{name}: the unit of time {unit!r} is not known; the setting time_unit decides")
    return length
