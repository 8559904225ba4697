"""Array types, and arithmetic on rasters: sampling intervals, grids, flux-conserving rebinning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.lightcurve.errors import LightCurveError
from shared.lightcurve.kernels import find_kernel

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.intp]

#: A fixed raster of more points than this is taken for a mistake (a 4-year curve at 2 s has 6e7).
MAX_GRID_POINTS = 200_000_000

#: The typical spacing is found from about so many; every further one changes nothing.
_MOST_SPACINGS = 200_000

#: With more pixels than this the compiled kernel is worth the import of numba.
_MANY_PIXELS = 10_000_000


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
    places = np.zeros(len(times))  # and no other array of this length but one: fresh memory costs more than arithmetic
    steps = np.subtract(times[1:], times[:-1], out=places[1:])
    np.cumsum(np.rint(np.divide(steps, coarse, out=steps), out=steps), out=steps)
    places -= places.mean()
    scatter = float(places @ places)
    if scatter == 0:
        return coarse
    fine = float(places @ (times - times.mean()) / scatter)
    return fine if abs(fine / coarse - 1) < 0.01 else coarse


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
    count = grid_length(float(times[-1] - times[0]) + 0.5 * step, step)
    nearest = np.rint((times - times[0]) / step)
    distances = np.abs(times - (times[0] + nearest * step))
    allowed = min(tolerance, 0.5 * step) + 1e-9 * step
    usable = np.flatnonzero((distances <= allowed) & (nearest >= 0) & (nearest < count))
    places = nearest.astype(np.intp)
    if (np.diff(places[usable]) > 0).all():  # one sample a point, in order
        return count, places[usable], usable
    order = usable[np.lexsort((distances[usable], places[usable]))]
    points, first = np.unique(places[order], return_index=True)
    return count, points, order[first]


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
    pixels that share an input pixel are correlated; that is not tracked.

    Parameters
    ----------
    fluxes, uncertainties, good
        The input samples, shape (N,); a sample that is not finite must not be good.
    source, target
        The pixels of the input, (N,), and of the output, (M,).
    """
    average = _averaging(fluxes, uncertainties, source, target)
    mean, error, covered = average(good)
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
    if (kernel := find_kernel("shared.lightcurve.rebin_kernel", worth_loading=size > _MANY_PIXELS)) is not None:
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
