"""Detrending: take slow stellar and instrumental variation out of a light curve and leave transits in it."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass

import numpy as np

from eas.lightcurve import LightCurve, LightCurveError, resample
from eas.lightcurve.arrays import BoolArray, FloatArray, IndexArray, require_increasing
from eas_worker.science.binning import make_raster

LOGGER = logging.getLogger(__name__)

#: Standard deviation of a normal distribution in units of its median absolute deviation.
_SIGMA_OF_MAD = 1.482602218505602
#: A trend is told from so many samples in the window at least. One or two would be their own trend, and vanish.
MIN_WINDOW_SAMPLES = 5


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
        Length to give up at each edge of a piece [d], however long the window is.
    upper_sigma
        Samples this many standard deviations above the trend are flagged (flares, cosmics); None: none are.
    """

    method: str = "biweight"
    window_length: float = 0.8
    break_tolerance: float | None = None
    edge_cutoff: float = 0.0
    upper_sigma: float | None = 4.0

    @property
    def longest_gap(self) -> float:
        """The longest gap [d] that does not split the curve."""
        if self.break_tolerance is None:
            return self.window_length / 2
        return self.break_tolerance or np.inf


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
    without_trend
        Number of good samples that have no trend: at edges that were given up, or with too few others in the window.
    """

    flat: LightCurve
    trend: LightCurve
    scatter: float
    clipped: int
    without_trend: int


def detrend(
    curve: LightCurve, flattening: Flattening, *, bin_cadence: float | None = None, threads: int = 1
) -> Detrended:
    """Divide a light curve by its trend, flag what is too bright, and bin.

    Samples without a trend are NaN and flagged in the result: those flagged, not finite, cut off at an edge, or with
    fewer than 5 samples in the window.

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
        No good sample, a median that is not positive beyond the scatter, times that do not increase, or a window or
        edges that leave no sample with a trend.
    """
    require_increasing(curve.times)
    good = curve.good_samples()
    normalised = curve.normalised()
    scale = float(np.median(curve.fluxes[good]))
    trend = np.full(len(curve), np.nan)
    trend[good] = _find_trend(curve.times[good], normalised.fluxes[good], flattening, threads)
    without_trend = int(np.count_nonzero(good & ~np.isfinite(trend)))
    if without_trend:
        LOGGER.warning("%d of %d good samples have no trend and are flagged", without_trend, np.count_nonzero(good))
    fluxes = normalised.fluxes / trend
    uncertainties = np.where(np.isfinite(trend), normalised.uncertainties / trend, 0.0)
    bad: BoolArray = ~np.isfinite(trend)
    scatter, bright = _find_bright(fluxes, flattening.upper_sigma)
    flat = curve.with_samples(fluxes, uncertainties, bad | bright, curve.metadata)
    trend_curve = curve.with_samples(trend * scale, np.zeros(len(curve)), bad, curve.metadata)
    if bin_cadence is not None and bin_cadence > curve.sampling_interval() * 86400:
        raster = make_raster(curve, bin_cadence)
        flat, trend_curve = resample(flat, raster), resample(trend_curve, raster)
    return Detrended(flat, trend_curve, scatter, int(bright.sum()), without_trend)


def _find_trend(times: FloatArray, fluxes: FloatArray, flattening: Flattening, threads: int) -> FloatArray:
    """Find the trend of good samples; NaN where there is none. Raises `LightCurveError` where there is none at all."""
    inner, crowded = _find_inner(times, flattening), _find_crowded(times, flattening)
    if not (inner & crowded).any():
        raise LightCurveError(_explain_nothing(times, inner, flattening))
    trend = _filter(times, fluxes, flattening, threads)
    trend[~(inner & crowded & (trend > 0))] = np.nan
    if not np.isfinite(trend).any():
        raise LightCurveError(
            f"{flattening.method} found no positive trend with a window_length of {flattening.window_length:g} d in "
            f"{len(times)} good samples"
        )
    return trend


def _filter(times: FloatArray, fluxes: FloatArray, flattening: Flattening, threads: int) -> FloatArray:
    import numba
    import wotan

    most = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]  # made when numba reads its settings
    numba.set_num_threads(max(1, min(threads, most)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # wotan cuts off no more than half a window at an edge, without a word: edges are cut off here.
        _, trend = wotan.flatten(
            times,
            fluxes,
            method=flattening.method,
            window_length=flattening.window_length,
            break_tolerance=flattening.break_tolerance,
            edge_cutoff=0,
            return_trend=True,
        )
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        LOGGER.warning("wotan: %s", message)
    return np.array(trend, np.float64)


def _find_pieces(times: FloatArray, flattening: Flattening) -> tuple[IndexArray, IndexArray]:
    """Find the first and the last sample of the piece that each sample belongs to."""
    ends = np.flatnonzero(np.diff(times) > flattening.longest_gap)
    firsts = np.concatenate(([0], ends + 1))
    lengths = np.diff(np.concatenate((firsts, [len(times)])))
    return np.repeat(firsts, lengths), np.repeat(firsts + lengths - 1, lengths)


def _find_inner(times: FloatArray, flattening: Flattening) -> BoolArray:
    """Tell which samples lie farther than the edge_cutoff from both edges of their piece."""
    first, last = _find_pieces(times, flattening)
    low, high = times[first] + flattening.edge_cutoff, times[last] - flattening.edge_cutoff
    inner: BoolArray = (times >= low) & (times <= high)
    return inner


def _find_crowded(times: FloatArray, flattening: Flattening) -> BoolArray:
    """Tell which samples have enough others of their piece in the window."""
    first, last = _find_pieces(times, flattening)
    half = flattening.window_length / 2
    low = np.maximum(np.searchsorted(times, times - half, "left"), first)
    high = np.minimum(np.searchsorted(times, times + half, "left"), last + 1)
    crowded: BoolArray = high - low >= MIN_WINDOW_SAMPLES
    return crowded


def _explain_nothing(times: FloatArray, inner: BoolArray, flattening: Flattening) -> str:
    if not inner.any():
        first, last = _find_pieces(times, flattening)
        return (
            f"an edge_cutoff of {flattening.edge_cutoff:g} d leaves none of the {len(times)} good samples: the longest "
            f"piece without a gap lasts {float((times[last] - times[first]).max()):.6g} d"
        )
    return (
        f"a window_length of {flattening.window_length:g} d is too short for the {len(times)} good samples over "
        f"{times[-1] - times[0]:.6g} d: no window with a trend holds the {MIN_WINDOW_SAMPLES} samples that it needs"
    )


def _find_bright(fluxes: FloatArray, upper_sigma: float | None) -> tuple[float, BoolArray]:
    """Return the robust standard deviation and which samples lie too far above the median."""
    finite = fluxes[np.isfinite(fluxes)]
    median = float(np.median(finite))
    scatter = _SIGMA_OF_MAD * float(np.median(np.abs(finite - median)))
    if upper_sigma is None or scatter == 0:
        return scatter, np.zeros(len(fluxes), np.bool_)
    with np.errstate(invalid="ignore"):
        return scatter, fluxes > median + upper_sigma * scatter
