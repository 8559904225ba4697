"""To and from astropy's `TimeSeries`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from eas.lightcurve.arrays import BoolArray, FloatArray
from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.light_curve import LightCurve
from eas.lightcurve.time_systems import RELATIVE, ZERO_POINTS

if TYPE_CHECKING:
    from astropy.timeseries import TimeSeries


def to_time_series(curve: LightCurve) -> TimeSeries:
    """Make an astropy `TimeSeries` with the columns flux, flux_err and flag.

    Times are Julian dates in TDB, or a `TimeDelta` where the time system is "relative" or unknown. ``meta`` holds
    the metadata and the name of the time system.
    """
    from astropy.time import Time, TimeDelta
    from astropy.timeseries import TimeSeries

    zero_point = ZERO_POINTS.get(curve.time_system)
    if zero_point is None:
        time = TimeDelta(curve.times, format="jd")
    else:
        time = Time(np.full(len(curve), zero_point), curve.times, format="jd", scale="tdb")
    series = TimeSeries(time=time, data={"flux": curve.fluxes, "flux_err": curve.uncertainties, "flag": curve.flags})
    series.meta.update(curve.metadata)
    series.meta["time_system"] = curve.time_system
    return series


def from_time_series(series: TimeSeries, *, flux_column: str = "flux") -> LightCurve:
    """Take a light curve from an astropy `TimeSeries`.

    Parameters
    ----------
    series
        Its column `flux_column` is needed; ``<flux_column>_err`` and ``flag`` (or ``quality``) are used if there.
        Masked values are flagged.
    flux_column
        Which column is the flux.

    Raises
    ------
    LightCurveError
        There is no such column.
    """
    from astropy.time import TimeDelta

    if flux_column not in series.colnames:
        raise LightCurveError(f"the time series has no column {flux_column!r}; it has {', '.join(series.colnames)}")
    time_system = str(series.meta.get("time_system", RELATIVE if isinstance(series.time, TimeDelta) else "BJD_TDB"))
    if isinstance(series.time, TimeDelta):
        times: FloatArray = np.asarray(series.time.to_value("jd"), np.float64)
    else:
        tdb = series.time.tdb
        times = (np.asarray(tdb.jd1) - ZERO_POINTS.get(time_system, 0.0)) + np.asarray(tdb.jd2)
    fluxes = _plain_column(series[flux_column])
    flags: BoolArray = ~np.isfinite(fluxes)
    if (flag_column := next((name for name in ("flag", "quality") if name in series.colnames), None)) is not None:
        flags |= _plain_column(series[flag_column]) != 0
    error_column = f"{flux_column}_err"
    return LightCurve(
        times,
        fluxes,
        uncertainties=_plain_column(series[error_column]) if error_column in series.colnames else None,
        flags=flags,
        time_system=time_system,
        metadata={str(key): value for key, value in series.meta.items() if key != "time_system"},
    )


def _plain_column(column: Any) -> FloatArray:
    """Take unit and mask off a column; masked values become NaN."""
    mask = np.asarray(getattr(column, "mask", False))
    plain = getattr(column, "unmasked", column)
    values: FloatArray = np.array(np.ma.getdata(getattr(plain, "value", plain)), np.float64)
    values[np.broadcast_to(mask, values.shape)] = np.nan
    return values
