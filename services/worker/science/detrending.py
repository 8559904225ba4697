"""Detrending: take slow stellar and instrumental variation out of a light curve and leave transits in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.worker.science.binning import make_raster
from shared.lightcurve import LightCurve, LightCurveError, resample
from shared.lightcurve.arrays import BoolArray, FloatArray

#: Standard deviation of a normal distribution in units of its median absolute deviation.
_SIGMA_OF_MAD = 1.482602218505602


@dataclass(frozen=True)
class Flattening:
    """How to take out the trend, see `wotan.flatten`.

    Parameters
    ----------
    method
        A filter of wotan that slides a window in time.
    window_length
        Of the filter [d].
    break_tolerance
        A gap longer than this [d] splits the curve into pieces; None: half the window.
    edge_cutoff
        Length to give up at each edge of a piece [d].
    upper_sigma
        Samples this many standard deviations above the trend are flagged (flares, cosmics); None: none are.
    """

    method: str = "biweight"
    window_length: float = 0.8
    break_tolerance: float | None = None
    edge_cutoff: float = 0.0
    upper_sigma: float | None = 4.0


@dataclass(frozen=True)
class Detrended:
    """What detrending gave.

    Parameters
    ----------
    flat
        The input divided by the trend, so normalised to 1; on the input's raster, or binned.
    trend
        The trend in the input's unit, on the same raster as `flat`.
    scatter
        Robust standard deviation of the flattened samples, before binning.
    clipped
        Number of samples flagged for being too bright.
    """

    flat: LightCurve
    trend: LightCurve
    scatter: float
    clipped: int


def detrend(
    curve: LightCurve, flattening: Flattening, *, bin_cadence: float | None = None, threads: int = 1
) -> Detrended:
    """Divide a light curve by its trend, flag what is too bright, and bin.

    Samples without a trend (flagged, not finite, or cut off at an edge) are NaN and flagged in the result.

    Parameters
    ----------
    curve
        At strictly increasing times.
    flattening
        How to take out the trend.
    bin_cadence
        Bin width [s]; not binned if None, or if the input is not sampled more finely than that.
    threads
        How many threads the filter may use.

    Raises
    ------
    LightCurveError
        No good sample, a median that is not positive, or times that do not increase.
    """
    good = curve.good_samples()
    normalised = curve.normalised()
    scale = float(np.median(curve.fluxes[good]))
    trend = np.full(len(curve), np.nan)
    trend[good] = _find_trend(curve.times[good], normalised.fluxes[good], flattening, threads)
    if not np.isfinite(trend).any():
        raise LightCurveError(
            f"no trend could be found with a window of {flattening.window_length:g} d in {int(good.sum())} samples"
        )
    fluxes = normalised.fluxes / trend
    uncertainties = np.where(np.isfinite(trend), normalised.uncertainties / trend, 0.0)
    bad: BoolArray = ~np.isfinite(trend)
    scatter, bright = _find_bright(fluxes, flattening.upper_sigma)
    flat = curve.with_samples(fluxes, uncertainties, bad | bright, curve.metadata)
    trend_curve = curve.with_samples(trend * scale, np.zeros(len(curve)), bad, curve.metadata)
    if bin_cadence is not None and bin_cadence > curve.sampling_interval() * 86400:
        raster = make_raster(curve, bin_cadence)
        flat, trend_curve = resample(flat, raster), resample(trend_curve, raster)
    return Detrended(flat, trend_curve, scatter, int(bright.sum()))


def _find_trend(times: FloatArray, fluxes: FloatArray, flattening: Flattening, threads: int) -> FloatArray:
    import numba
    import wotan

    most = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]  # made when numba reads its settings
    numba.set_num_threads(max(1, min(threads, most)))
    _, trend = wotan.flatten(
        times,
        fluxes,
        method=flattening.method,
        window_length=flattening.window_length,
        break_tolerance=flattening.break_tolerance,
        edge_cutoff=flattening.edge_cutoff,
        return_trend=True,
    )
    result = np.asarray(trend, np.float64)
    result[~(result > 0)] = np.nan
    return result


def _find_bright(fluxes: FloatArray, upper_sigma: float | None) -> tuple[float, BoolArray]:
    """Return the robust standard deviation and which samples lie too far above the median."""
    finite = fluxes[np.isfinite(fluxes)]
    median = float(np.median(finite))
    scatter = _SIGMA_OF_MAD * float(np.median(np.abs(finite - median)))
    if upper_sigma is None or scatter == 0:
        return scatter, np.zeros(len(fluxes), np.bool_)
    with np.errstate(invalid="ignore"):
        return scatter, fluxes > median + upper_sigma * scatter
