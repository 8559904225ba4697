"""Array types, and arithmetic on rasters: sampling intervals, grids, flux-conserving rebinning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.kernels import find_kernel

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.intp]

#: A fixed raster of more points than this is taken for a mistake (a 4-year curve at 2 s has 6e7).
MAX_GRID_POINTS = 200_000_000

#: The typical spacing is found from about so many; every further one changes nothing.
_MOST_SPACINGS = 200_000

#: Sums over samples are so many running ones at first, sample i going to that of i modulo this. It decides last bits.
_LANES = 4000

#: With more pixels or samples than this the compiled kernels are worth the import of numba.
_MANY_PIXELS = 10_000_000
_MANY_SAMPLES = 30_000_000


def require_increasing(times: FloatArray, what: str = "the times") -> None:
    """Refuse times that do not strictly increase.

    Raises
    ------
    LightCurveError
        Names the first sample that is not later than the one before it.
    """
    backward = np.flatnonzero(np.diff(times) <= 0)
    if len(backward):
        index = int(backward[0]) + 1
        raise LightCurveError(
            f"{what} must strictly increase: sample {index} is at {times[index]} d, after {times[index - 1]} d"
        )


def estimate_sampling_interval(times: FloatArray) -> float:
    """Estimate the step of a nearly regular raster, with gaps and jitter allowed.

    The mean of the middle half of the spacings gives every sample a place on a grid; a straight line through time
    against place then gives the step, which so gains from the whole length of the series. Where that line says
    something else than the spacings (an irregular raster), the mean of the middle half stands.

    Parameters
    ----------
    times
        Times [d], shape (N,), N >= 2, increasing for the most part.

    Returns
    -------
    float
        The interval [d]; nothing is rounded.

    Raises
    ------
    LightCurveError
        Fewer than two samples, or times that do not increase.
    """
    if len(times) < 2:
        raise LightCurveError(f"a sampling interval needs at least 2 samples, not {len(times)}")
    count = len(times) - 1
    stride = max(count // _MOST_SPACINGS, 1) | 1
    spacings = times[1::stride] - times[:-1:stride]
    low, high = len(spacings) // 4, max(len(spacings) // 4 + 1, int(0.75 * len(spacings)))
    coarse = float(np.mean(np.partition(spacings, [low, high - 1])[low:high]))
    if not coarse > 0:
        raise LightCurveError("the times do not increase, so there is no sampling interval")
    fine = _fit_step(times, coarse)
    return fine if abs(fine / coarse - 1) < 0.01 else coarse


def _fit_step(times: FloatArray, coarse: float) -> float:
    """Fit a straight line to time against place on a grid, where `coarse` gives the places; NaN where none fits.

    Times and places count from the sample in the middle, which is no further from their mean than one standard
    deviation as long as they increase: so nothing cancels in the differences of sums below.
    """
    count, middle = len(times), float(times[len(times) // 2])
    place = float(np.rint((middle - times[0]) / coarse))
    lanes = np.zeros((4, min(count, _LANES)))
    if (kernel := _find_raster_kernel(times)) is not None:
        kernel.add_lanes(times, coarse, place, middle, lanes)
    else:
        add_lanes(times, coarse, place, middle, lanes)
    x, y, xx, xy = lanes.sum(axis=1).tolist()
    scatter = xx - x * x / count
    return (xy - x * y / count) / scatter if scatter > 0 else np.nan


def add_lanes(times: FloatArray, coarse: float, place: float, middle: float, lanes: FloatArray) -> None:
    """Add up places x, times y, x^2 and x y of the samples, x from `place` and y from `middle` [d].

    Each row of `lanes`, shape (4, L), has L sums, and sample i goes to that of i modulo L, one after the other: so
    the order of additions, and with it every bit, is the same wherever and by whatever they are carried out.
    """
    size, here = lanes.shape[1], 0.0
    for start in range(0, len(times), size):
        row = times[start : start + size]
        before = times[start - 1 : start - 1 + len(row)] if start else np.concatenate((row[:1], row[:-1]))
        x = np.rint((row - before) / coarse)
        x[0] += here
        np.cumsum(x, out=x)
        here = float(x[-1])
        x -= place
        y = row - middle
        lanes[0, : len(row)] += x
        lanes[1, : len(row)] += y
        lanes[2, : len(row)] += x * x
        lanes[3, : len(row)] += x * y


def _find_raster_kernel(times: FloatArray) -> ModuleType | None:
    return find_kernel("eas.lightcurve.raster_kernel", worth_loading=len(times) > _MANY_SAMPLES)


def place_on_grid(times: FloatArray, step: float, tolerance: float) -> tuple[int, IndexArray, IndexArray]:
    """Match samples with the points of the grid that starts at the first sample.

    Parameters
    ----------
    times
        Times [d], shape (N,).
    step
        Grid step [d].
    tolerance
        How far a sample may lie from its grid point [d]; at most half a step counts.

    Returns
    -------
    count
        Number of grid points up to the last sample.
    points
        Grid points that have a sample, shape (M,).
    samples
        The nearest sample of each of them, shape (M,).
    """
    count = _count_grid_points(times, step)
    usable, places, distances = _find_nearest_points(times, step, tolerance, count)
    if (np.diff(places) > 0).all():  # one sample a point, in order
        return count, places, usable
    order = np.lexsort((distances, places))
    points, first = np.unique(places[order], return_index=True)
    return count, points, usable[order[first]]


def find_present_points(times: FloatArray, step: float, tolerance: float) -> BoolArray:
    """Tell for each point of the grid of `place_on_grid` whether it has a sample, shape (count,)."""
    count = _count_grid_points(times, step)
    present = np.zeros(count, np.bool_)
    if (kernel := _find_raster_kernel(times)) is not None:
        kernel.mark_points(times, step, _allow(tolerance, step), present)
    else:
        _, places, _ = _find_nearest_points(times, step, tolerance, count)
        present[places] = True
    return present


def _find_nearest_points(
    times: FloatArray, step: float, tolerance: float, count: int
) -> tuple[IndexArray, IndexArray, FloatArray]:
    """Find the samples that are near a grid point, which point that is, and how far they are from it [d]."""
    nearest = np.rint((times - times[0]) / step)
    distances = np.abs(times - (times[0] + nearest * step))
    usable = np.flatnonzero((distances <= _allow(tolerance, step)) & (nearest >= 0) & (nearest < count))
    return usable, nearest[usable].astype(np.intp), distances[usable]


def _allow(tolerance: float, step: float) -> float:
    return min(tolerance, 0.5 * step) + 1e-9 * step


def _count_grid_points(times: FloatArray, step: float) -> int:
    return grid_length(float(times[-1] - times[0]) + 0.5 * step, step)


def grid_length(span: float, step: float) -> int:
    """Count the points of a grid at 0, step, 2 step, ... below `span` [d].

    Raises
    ------
    LightCurveError
        The grid would be absurdly long.
    """
    ratio = span / step
    if not ratio < MAX_GRID_POINTS:
        raise LightCurveError(f"a grid of step {step:.6g} d over {span:.6g} d has too many points ({ratio:.3g})")
    count = round(ratio)
    return max(count if abs(ratio - count) < 1e-9 * max(count, 1) else int(np.ceil(ratio)), 1)


@dataclass(frozen=True)
class Pixels:
    """Samples seen as pixels: `left` and `right` edges [d], shape (N,) each; neighbours may leave a gap."""

    left: FloatArray
    right: FloatArray

    @classmethod
    def around(cls, times: FloatArray, gap_tolerance: float, interval: float) -> Pixels:
        """Put edges at the midpoints between samples; the outer ones extend by half the adjacent spacing.

        A spacing above `gap_tolerance` times the sampling `interval` [d] is a gap: its two neighbours reach only half
        an interval into it.
        """
        half = 0.5 * np.diff(times)
        if np.isfinite(gap_tolerance):
            half[half > 0.5 * gap_tolerance * interval] = 0.5 * interval
        left = times - np.concatenate((half[:1], half))
        right = times + np.concatenate((half, half[-1:]))
        # Rounding must not let neighbours overlap.
        left[1:] = np.maximum(left[1:], right[:-1])
        return cls(left, right)


@dataclass(frozen=True)
class Rebinned:
    """The outcome of `rebin`: arrays of the output raster's length."""

    fluxes: FloatArray
    uncertainties: FloatArray
    flags: BoolArray


def rebin(fluxes: FloatArray, uncertainties: FloatArray, good: BoolArray, source: Pixels, target: Pixels) -> Rebinned:
    """Average pixels onto other pixels, so that the integral of the flux over time is conserved.

    An output pixel is the mean of the good input that it overlaps, weighted by the length of the overlap. It is
    flagged where good input covers less than half of it; without any, it shows the flagged input, and NaN where
    there is nothing at all.

    Uncertainties are those of a weighted mean of independent samples, ``sqrt(sum (w_i s_i)^2) / sum w_i``. Output
    pixels that share an input pixel are correlated; that is not tracked. Where one of the samples has none (0), the
    mean has none.

    Parameters
    ----------
    fluxes, uncertainties, good
        The input samples, shape (N,); a sample that is not finite must not be good.
    source, target
        The pixels of the input, (N,), and of the output, (M,).
    """
    average = _averaging(fluxes, uncertainties, source, target)
    mean, error, covered = average(good)
    unknown = good & (uncertainties <= 0)
    if unknown.any() and uncertainties.any():
        error[average(unknown)[2] > 0] = 0.0
    flags = covered < 0.5 * (1 - 1e-6) * (target.right - target.left)
    empty = covered == 0
    if empty.any():
        bad_mean, bad_error, _ = average(~good & np.isfinite(fluxes))
        mean[empty], error[empty] = bad_mean[empty], bad_error[empty]
    return Rebinned(mean, np.where(np.isfinite(error), error, 0.0), flags)


def _averaging(
    fluxes: FloatArray, uncertainties: FloatArray, source: Pixels, target: Pixels
) -> Callable[[BoolArray], tuple[FloatArray, FloatArray, FloatArray]]:
    """Prepare the averaging of pixels: given which of them to use, it returns means, uncertainties and weights.

    By the compiled kernel, where that is loaded or worth loading; else by numpy alone.
    """
    size = len(fluxes) + len(target.left)
    if (kernel := find_kernel("eas.lightcurve.rebin_kernel", worth_loading=size > _MANY_PIXELS)) is not None:
        return lambda use: kernel.walk(fluxes, uncertainties, use, source.left, source.right, target.left, target.right)
    inputs, outputs, widths = _overlaps(source, target)

    def average(use: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        used = use[inputs]
        return _weighted_mean(fluxes, uncertainties, inputs[used], outputs[used], widths[used], len(target.left))

    return average


def _overlaps(source: Pixels, target: Pixels) -> tuple[IndexArray, IndexArray, FloatArray]:
    """Find which pixels overlap, and by how much."""
    edges = np.sort(np.concatenate((source.left, source.right, target.left, target.right)), kind="stable")
    starts, widths = edges[:-1], np.diff(edges)
    inputs = np.searchsorted(source.left, starts, side="right") - 1
    outputs = np.searchsorted(target.left, starts, side="right") - 1
    shared = (widths > 0) & (inputs >= 0) & (outputs >= 0)
    shared[shared] = (starts[shared] < source.right[inputs[shared]]) & (starts[shared] < target.right[outputs[shared]])
    return inputs[shared], outputs[shared], widths[shared]


def _weighted_mean(
    fluxes: FloatArray,
    uncertainties: FloatArray,
    inputs: IndexArray,
    outputs: IndexArray,
    weights: FloatArray,
    size: int,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean, its uncertainty and the sum of the weights of each output pixel; NaN where the sum is 0."""

    def total_per_output(values: FloatArray) -> FloatArray:
        return np.bincount(outputs, values, size).astype(np.float64, copy=False)

    total = total_per_output(weights)
    flux = total_per_output(weights * fluxes[inputs])
    known = uncertainties.any()
    variance = total_per_output((weights * uncertainties[inputs]) ** 2) if known else np.zeros(size)
    with np.errstate(invalid="ignore", divide="ignore"):
        return flux / total, np.sqrt(variance) / total, total
