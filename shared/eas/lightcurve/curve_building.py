"""From the columns of a table to a light curve: units, time system, flags. Every format that has columns ends here."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import numpy as np

from eas.contracts.metadata import Metadata
from eas.lightcurve.arrays import BoolArray, FloatArray
from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.labels import DAYS_PER_UNIT, MAGNITUDE_UNITS, Label, find_days_per_unit
from eas.lightcurve.light_curve import LightCurve
from eas.lightcurve.placeholders import find_placeholders
from eas.lightcurve.quality import QualityColumn, find_bad_samples, find_bits
from eas.lightcurve.reading_options import FluxUnit, ReadingOptions
from eas.lightcurve.time_systems import (
    RELATIVE,
    UNKNOWN,
    guess_time_system,
    reconcile,
    standard_name,
    typical_spacing,
    zero_point_of,
)

logger = logging.getLogger(__name__)

#: A typical spacing of more days than this, where no unit is stated, is not likely one of days [d].
_LONGEST_SPACING = 10.0

#: From this typical spacing on, times without a unit that are taken for days are worth a warning [d].
_SPARSE = 0.2

#: Fluxes in parts of 1: how many of them make 1.
_PARTS = {"fraction": 1.0, "percent": 1e2, "ppt": 1e3, "ppm": 1e6}


@dataclass(frozen=True)
class ColumnTable:
    """A table whose columns have roles.

    Parameters
    ----------
    filename
        For messages and metadata.
    time_label, flux_label, error_label
        Of the columns in these roles; None for an uncertainty that is not there.
    times, fluxes, errors
        Their values, shape (N,), in the units of the file; NaN where a value is missing.
    quality
        Columns of quality, of N values each.
    mission
        "kepler", "tess" or another; None where the file does not say.
    time_system
        As the file states it outside of the label.
    time_unit
        As the file states it outside of the label.
    metadata
        That the file holds.
    """

    filename: str
    time_label: Label
    flux_label: Label
    times: FloatArray
    fluxes: FloatArray
    error_label: Label | None = None
    errors: FloatArray | None = None
    quality: list[QualityColumn] = field(default_factory=list)
    quality_names: list[str] = field(default_factory=list)
    mission: str | None = None
    time_system: str | None = None
    time_unit: str | None = None
    metadata: Metadata = field(default_factory=dict)


def build_curve(table: ColumnTable, options: ReadingOptions) -> LightCurve:
    """Make a light curve: times in days, fluxes that are differences moved to 1, bad samples flagged.

    Samples without a time are dropped. The metadata say which columns were used, which bits flagged samples, and the
    unit of the flux where the file states it and it was kept.

    Raises
    ------
    LightCurveError
        A unit is not known, or the numbers do not fit it: the message names the setting that decides.
    """
    timed = np.isfinite(table.times)
    if not timed.all():
        table = _select(table, timed)
    days = table.times * _find_unit_of_time(table, options)
    system = _find_time_system(table, days, options)
    table = _without_placeholders(table)
    unit = _find_unit_of_flux(table, options)
    fluxes, errors = _convert_fluxes(table, unit)
    bad = find_bad_samples(table.quality, table.mission, options.quality_bitmask, len(days))
    flags = bad | ~np.isfinite(fluxes)
    if errors is not None:
        flags |= ~np.isfinite(errors)
        errors = np.where(np.isfinite(errors), errors, 0.0)
    metadata = {**table.metadata, **_describe_columns(table, options, unit)}
    if len(days) and bad.sum() > 0.2 * len(days):
        logger.warning(
            "%s: %d of %d samples are flagged by %s; the setting quality_bitmask decides which bits count",
            *(table.filename, int(bad.sum()), len(days), " and ".join(table.quality_names)),
        )
    return LightCurve(days, fluxes, uncertainties=errors, flags=flags, time_system=system, metadata=metadata)


def explain_no_good_sample(curve: LightCurve) -> str:
    """Say why a curve that was read has no good sample, and which setting decides."""
    finite = int(np.isfinite(curve.fluxes).sum())
    column = curve.metadata.get("flux_column")
    if not len(curve):
        return "no sample has a time"
    if finite:
        names = curve.metadata.get("quality_columns")
        by = f" by {' and '.join(names)}" if isinstance(names, list) and names else ""
        return (
            f"all {finite} samples with a finite flux are flagged{by};"
            " the setting quality_bitmask decides which bits count"
        )
    named = f" (column {column}; the setting flux_column names another)" if column else ""
    return f"none of the {len(curve)} samples has a finite flux{named}"


def _select(table: ColumnTable, kept: BoolArray) -> ColumnTable:
    return replace(
        table,
        times=table.times[kept],
        fluxes=table.fluxes[kept],
        errors=None if table.errors is None else table.errors[kept],
        quality=[QualityColumn(column.key, column.values[kept]) for column in table.quality],
    )


def _without_placeholders(table: ColumnTable) -> ColumnTable:
    """Make fluxes NaN that stand for missing values, and say so."""
    missing = find_placeholders(table.fluxes)
    if missing is None:
        return table
    logger.warning(
        "%s: %d fluxes stand for missing values and are flagged: %s",
        *(table.filename, int(missing.sum()), ", ".join(f"{value:g}" for value in np.unique(table.fluxes[missing]))),
    )
    return replace(table, fluxes=np.where(missing, np.nan, table.fluxes))


def _find_unit_of_time(table: ColumnTable, options: ReadingOptions) -> float:
    """Find the length of the unit of time [d]: as the user says, else the column's label, else the file, else a day."""
    label = table.time_label
    if options.time_unit is not None:
        return DAYS_PER_UNIT[options.time_unit]
    if label.days_per_unit is not None:
        return label.days_per_unit
    if label.unit is not None and label.time_system is None:
        raise LightCurveError(
            f"{table.filename}: the column {label.name} has the unit {label.unit!r}, which is not known as one of time;"
            " expected d, h, min or s. The setting time_unit decides"
        )
    if table.time_unit is not None:
        length = find_days_per_unit(table.time_unit)
        if length is None:
            raise LightCurveError(
                f"{table.filename}: the unit of time {table.time_unit!r} is not known; the setting time_unit decides"
            )
        return length
    spacing = typical_spacing(table.times)
    if spacing >= _LONGEST_SPACING and label.time_system is None and guess_time_system(table.times) == UNKNOWN:
        raise LightCurveError(
            f"{table.filename}: the times are typically {spacing:.6g} apart and no unit is stated, so that they could"
            " be days or seconds; the setting time_unit (d, h, min, s) decides"
        )
    if spacing >= _SPARSE and label.time_system is None:
        logger.warning(
            "%s: no unit of time is stated, so the times are taken for days, which makes the samples typically %.6g d"
            " apart; the setting time_unit (d, h, min, s) decides",
            *(table.filename, spacing),
        )
    return 1.0


def _find_time_system(table: ColumnTable, days: FloatArray, options: ReadingOptions) -> str:
    """Find the time system: as the user says, else label and file if they agree and the times fit, else a guess."""
    if options.time_system is not None:
        return standard_name(options.time_system)
    by_label, by_file = table.time_label.time_system, table.time_system
    zero_points = {zero_point_of(system) for system in (by_label, by_file) if system is not None} - {0.0, None}
    if len(zero_points) > 1:
        raise LightCurveError(
            f"{table.filename}: the column {table.time_label.name} says {by_label}, but the file says {by_file};"
            " the setting time_system decides"
        )
    stated = by_file if by_label is None or (by_file is not None and zero_point_of(by_file)) else by_label
    if stated is None:
        return guess_time_system(days)
    if stated in (RELATIVE, UNKNOWN):
        return stated
    found = reconcile(stated, days)
    if found != stated:
        logger.warning(
            "%s: times from %.10g to %.10g are not %s, which the file states, but %s; the setting time_system decides",
            *(table.filename, float(days.min()), float(days.max()), stated, found),
        )
    return found


def _find_unit_of_flux(table: ColumnTable, options: ReadingOptions) -> FluxUnit:
    if options.flux_unit is not None:
        return options.flux_unit
    unit = table.flux_label.flux_unit or "flux"
    if unit == "mag" or table.flux_label.key.startswith(("irm", "tfa", "pca")):
        raise LightCurveError(
            f"{table.filename}: the column {table.flux_label.name} holds magnitudes, not fluxes;"
            " the setting flux_unit 'mag' converts them, and flux_column names another column"
        )
    return unit


def _convert_fluxes(table: ColumnTable, unit: FluxUnit) -> tuple[FloatArray, FloatArray | None]:
    """Convert fluxes and errors: parts of 1 that centre on 0 become 1 + x, magnitudes become fluxes around 1."""
    fluxes, errors = table.fluxes, table.errors
    finite = fluxes[np.isfinite(fluxes)]
    if unit == "flux":
        if len(finite) > 2 and abs(float(np.median(finite))) < float(np.std(finite)):
            logger.warning(
                "%s: the fluxes centre on 0, so they are differences: searches need fluxes around 1;"
                " the setting flux_unit (fraction, percent, ppt, ppm) moves them there",
                table.filename,
            )
        return fluxes, errors
    median = float(np.median(finite)) if len(finite) else 0.0
    if unit == "mag":
        size = MAGNITUDE_UNITS.get((table.flux_label.unit or "mag").lower(), 1.0)
        with np.errstate(over="ignore"):
            converted = 10 ** (-0.4 * size * (fluxes - median))
        return converted, None if errors is None else errors * size * converted * (0.4 * np.log(10))
    parts = _PARTS[unit]
    offset = 1.0 if abs(median) < 0.5 * parts else 0.0
    own = None if table.error_label is None else table.error_label.flux_unit
    error_parts = parts if own is None or own not in _PARTS else _PARTS[own]
    return offset + fluxes / parts, None if errors is None else errors / error_parts


def _describe_columns(table: ColumnTable, options: ReadingOptions, unit: FluxUnit) -> Metadata:
    """Make the metadata that say how the file was read."""
    described: Metadata = {"time_column": table.time_label.name, "flux_column": table.flux_label.name}
    if table.error_label is not None:
        described["error_column"] = table.error_label.name
    described["quality_columns"] = list(table.quality_names)
    if table.quality:
        bits = {find_bits(column.key, table.mission, options.quality_bitmask) for column in table.quality}
        described["quality_mask"] = options.quality_bitmask
        if len(known := bits - {None}) == 1:
            described["quality_bitmask"] = known.pop()
    if unit == "flux" and options.flux_unit is None and table.flux_label.unit:
        described["flux_unit"] = table.flux_label.unit
    return described
