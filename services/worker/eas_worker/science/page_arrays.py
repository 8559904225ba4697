"""Arrays made fit to be drawn: thinned series, the envelope of a periodogram, binned folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from eas_worker.science.transit_signal import FloatArray, Periodogram, TransitSignal


@dataclass(frozen=True)
class Series:
    """Points to draw: times (or phases) and fluxes, both finite."""

    times: FloatArray
    fluxes: FloatArray

    def thin(self, most: int) -> Series:
        """Keep every n-th point, so that at most `most` are left."""
        step = -(-self.times.size // most) or 1
        return Series(self.times[::step], self.fluxes[::step])


@dataclass(frozen=True)
class FoldBins:
    """Filled bins of a fold: their centres, mean fluxes, and how many samples each has."""

    centres: FloatArray
    means: FloatArray
    counts: FloatArray

    def errors(self, scatter: float) -> FloatArray:
        """Give the standard errors of the means for samples of this scatter."""
        errors: FloatArray = scatter / np.sqrt(self.counts)
        return errors

    @classmethod
    def join(cls, parts: Sequence[FoldBins]) -> FoldBins:
        """Put bins of several folds together."""
        return cls(
            np.concatenate([part.centres for part in parts]),
            np.concatenate([part.means for part in parts]),
            np.concatenate([part.counts for part in parts]),
        )


def bin_fold(positions: FloatArray, fluxes: FloatArray, low: float, high: float, count: int) -> FoldBins:
    """Average fluxes in `count` equal bins of position from `low` to `high`; empty bins are left out."""
    inside = (positions >= low) & (positions < high)
    index = ((positions[inside] - low) / (high - low) * count).astype(np.intp)
    index = np.minimum(index, count - 1)
    counts = np.bincount(index, minlength=count).astype(np.float64)
    sums = np.bincount(index, fluxes[inside], count)
    filled = counts > 0
    centres = low + (np.arange(count) + 0.5) * (high - low) / count
    return FoldBins(centres[filled], sums[filled] / counts[filled], counts[filled])


def envelope(periodogram: Periodogram, most: int) -> Periodogram:
    """Keep the highest point of each stretch of trial periods, so that peaks survive the thinning."""
    size = periodogram.periods.size
    if size <= most:
        return periodogram
    edges = np.linspace(0, size, most + 1).astype(np.intp)
    peaks = np.array([first + periodogram.power[first:last].argmax() for first, last in pairwise(edges)])
    return Periodogram(periodogram.periods[peaks], periodogram.power[peaks])


def flux_limits(fluxes: FloatArray, *, low: float, high: float, floor: float | None = None) -> tuple[float, float]:
    """Find axis limits that hold the percentiles `low` to `high` with some air, down to `floor` at least."""
    bottom, top = (float(value) for value in np.percentile(fluxes, (low, high)))
    if floor is not None:
        bottom = min(bottom, floor)
    air = max(0.12 * (top - bottom), 1e-9)
    return bottom - air, top + air


def list_transits(signal: TransitSignal, first: float, last: float) -> FloatArray:
    """List the mid-transit times from `first` to `last` [d]."""
    low, high = np.ceil((first - signal.epoch) / signal.period), np.floor((last - signal.epoch) / signal.period)
    middles: FloatArray = signal.epoch + signal.period * np.arange(low, high + 1)
    return middles
