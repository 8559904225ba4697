"""Box least squares as its authors wrote it down (Kovács, Zucker & Mazeh 2002, A&A 391, 369), with the edge effect.

Written from the paper. The curve is folded with each trial frequency into phase bins; runs of bins are tried as the
box, also those that go over the end of the fold. Their widths grow by a tenth instead of by one bin, which costs less
than 2 % of a signal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eas.authoring.errors import InputError
from eas.lightcurve.compiled import compiled
from eas_worker.science.search_cost import FOLD_BIN, FOLD_SAMPLE, RUN_TIME_MAX, SearchCost
from eas_worker.science.searched_samples import SearchedSamples
from eas_worker.science.transit_signal import (
    FloatArray,
    Periodogram,
    SearchFindings,
    TransitSignal,
    bound_depth,
    describe_signal,
    detection_efficiency,
    empty_range_error,
    first_epoch,
    keep_finite,
    period_range,
)

IntArray = NDArray[np.int64]

#: White noise seldom reaches this ``sde``: see docs/searches.md.
DETECTION_THRESHOLD = 6.5
#: Shallower dips are rounding, not transits.
MIN_DEPTH = 1e-9
#: Trial frequencies per call, so that threads share the work.
CHUNK = 4096
#: More trial frequencies than this are refused; a long curve needs a larger frequency_factor or period_min.
MAX_PERIODS = 50_000_000
#: The transit [d] whose drift in the fold sets the frequency step.
REFERENCE_DURATION = 0.05
#: Unless it is set, the number of phase bins gives the shortest box so many.
BINS_OF_SHORTEST_BOX = 3
#: A box shorter than so many samples is left out.
BRIEFEST = 2.0
#: A box has at least so many samples.
MIN_BOX_SAMPLES = 5.0
#: The box is measured with bins as fine as the samples, but with no more than this.
MAX_MEASURING_BINS = 5000


@dataclass(frozen=True)
class FoldedGrid:
    """What to try.

    Parameters
    ----------
    period_min, period_max
        [d]; the maximum is half the curve's span at most, and by default.
    qmin, qmax
        Shortest and longest box, as a fraction of the period.
    phase_bins
        Into how many bins the curve is folded; by default three for the shortest box.
    frequency_factor
        Frequency step in units of 0.05 d / span^2.
    run_time_max
        The longest processor time that is allowed [h].
    """

    period_min: float = 0.5
    period_max: float | None = None
    qmin: float = 0.005
    qmax: float = 0.2
    phase_bins: int | None = None
    frequency_factor: float = 2.0
    run_time_max: float = RUN_TIME_MAX

    @property
    def bins(self) -> int:
        """Into how many bins the curve is folded."""
        return self.phase_bins or math.ceil(BINS_OF_SHORTEST_BOX / self.qmin - 1e-9)

    def box_widths(self) -> IntArray:
        """List how many bins the boxes span: from qmin to qmax, in steps of a tenth."""
        shortest = max(int(self.qmin * self.bins + 1e-9), 1)
        longest = max(shortest, min(math.ceil(self.qmax * self.bins - 1e-9), self.bins - 1))
        widths = [shortest]
        while widths[-1] < longest:
            widths.append(min(max(widths[-1] + 1, int(widths[-1] * 1.1)), longest))
        return np.array(widths, np.int64)

    def describe_limits(self, cadence: float) -> tuple[str, ...]:
        """Say which of the boxes that were asked for cannot be tried, for a curve with this spacing of samples [d]."""
        shortest = self.box_widths()[0] / self.bins
        limits = []
        if shortest > self.qmin * (1 + 1e-9):
            limits.append(
                f"{self.bins} phase_bins are too coarse for qmin {self.qmin:g}: the shortest box is {shortest:g}"
            )
        if self.qmin * self.period_min < BRIEFEST * cadence:
            limits.append(
                f"boxes shorter than {BRIEFEST:g} samples ({BRIEFEST * cadence * 86400:.4g} s) are not tried, which "
                f"concerns qmin {self.qmin:g} at periods below {BRIEFEST * cadence / self.qmin:.4g} d"
            )
        return tuple(limits)


def search_folds(times: FloatArray, fluxes: FloatArray, *, grid: FoldedGrid, threads: int = 1) -> SearchFindings:
    """Find the box-shaped periodic dip that explains the curve best.

    The periodogram is the paper's signal residue, SR = max sqrt(s^2 / (r (1 - r))), where r is the fraction of the
    samples in the box and s the sum of their fluxes, of mean zero, over the number of all samples. Only dips count. At
    the best period the box is measured once more, with bins as fine as the samples are and down to a tenth of qmin.

    Parameters
    ----------
    times, fluxes
        [d] ascending, of a positive level; both finite, of one length. Fluxes whose median is not about 1 are divided
        by it.
    grid
        The frequencies and boxes to try.
    threads
        How many threads to use.

    Returns
    -------
    SearchFindings
        With the statistics ``power`` (the highest SR, relative flux), ``depth`` and ``sde``, the paper's signal
        detection efficiency: (highest - mean) / standard deviation of SR.

    Raises
    ------
    InputError
        The curve is too short or has no level, the range of periods is empty, or the search would take too long.
    """
    samples = SearchedSamples.of(times, fluxes)
    times, fluxes = samples.times, samples.fluxes
    frequencies = _trial_frequencies(times, grid)
    since = times - times[0]
    residuals = fluxes - fluxes.mean()
    widths = grid.box_widths()
    briefest = BRIEFEST * samples.cadence
    estimate_cost(frequencies.size, times.size, grid, widths.size).announce(grid.run_time_max, threads)
    power = np.empty(frequencies.size)

    def scan(part: slice) -> None:
        scan_frequencies(since, residuals, frequencies[part], power[part], grid.bins, widths, briefest)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(scan, _chunks(frequencies.size)))
    best = int(power.argmax())
    periods = 1 / frequencies
    periodogram = Periodogram(periods[::-1], power[::-1])
    messages = (
        *samples.messages,
        *grid.describe_limits(samples.cadence),
        f"{times.size} samples over {since[-1]:.6g} d; {periods.size} periods from {periods[-1]:.6g} to "
        f"{periods[0]:.6g} d; boxes of {widths[0]} to {widths[-1]} of {grid.bins} bins",
    )
    signal = _measure_box(times, residuals, float(periods[best]), grid) if power[best] > MIN_DEPTH else None
    if signal is None:
        return SearchFindings(None, periodogram, {"power": 0.0, "sde": 0.0, "transit_count": 0}, messages)
    signal = bound_depth(times, fluxes, signal)
    statistics = {"power": float(power[best]), "depth": signal.depth, "sde": detection_efficiency(power)}
    return SearchFindings(
        signal, periodogram, keep_finite(statistics | describe_signal(times, fluxes, signal)), messages
    )


def load_kernels() -> None:
    """Compile the kernels, or load them from the cache on disk."""
    times = np.arange(100.0) / 10
    search_folds(times, np.where(times % 2 < 0.3, 0.99, 1.0), grid=FoldedGrid(period_min=1.0))


def _chunks(size: int) -> Iterator[slice]:
    return (slice(start, min(start + CHUNK, size)) for start in range(0, size, CHUNK))


def _trial_frequencies(times: FloatArray, grid: FoldedGrid) -> FloatArray:
    """Space the frequencies [1/d] evenly from the longest period's on; none lies beyond the shortest one's."""
    shortest, longest = period_range(times, grid.period_min, grid.period_max)
    span = float(times[-1] - times[0])
    step = grid.frequency_factor * REFERENCE_DURATION / span**2
    count = int((1 / shortest - 1 / longest) / step) + 1
    if count > MAX_PERIODS:
        raise InputError(
            f"{count:.3g} trial periods for a curve of {span:.6g} d, at most {MAX_PERIODS:g} are possible; "
            "use a larger frequency_factor or period_min"
        )
    frequencies = 1 / longest + step * np.arange(count, dtype=np.float64)
    frequencies = frequencies[frequencies <= (1 + 1e-12) / shortest]
    if not frequencies.size:
        raise empty_range_error(span, grid.period_min, grid.period_max)
    return frequencies


def estimate_cost(frequencies: int, samples: int, grid: FoldedGrid, widths: int) -> SearchCost:
    """Estimate what the search costs: each frequency folds all samples and slides boxes over the phase bins."""
    seconds = frequencies * (FOLD_SAMPLE * samples + FOLD_BIN * grid.bins * widths)
    return SearchCost(
        seconds,
        f"{frequencies:,} periods and {widths} boxes over {grid.bins} phase bins on {samples:,} samples",
        "a larger period_min, qmin or frequency_factor, fewer phase_bins, a smaller period_max, or a binned curve",
    )


def _measure_box(times: FloatArray, residuals: FloatArray, period: float, grid: FoldedGrid) -> TransitSignal | None:
    cadence = float(np.median(np.diff(times)))
    bins = max(grid.bins, min(math.ceil(period / cadence), MAX_MEASURING_BINS))
    briefest = max(grid.qmin / 10, BRIEFEST * cadence / period)
    widest = max(math.ceil(grid.qmax * bins) - 1, 1)  # tried even where it is briefer than two samples
    widths = np.arange(min(max(math.ceil(briefest * bins), 1), widest), widest + 1, dtype=np.int64)
    sums, counts = np.empty(bins + widths[-1] + 1), np.empty(bins + widths[-1] + 1)
    fold(times - times[0], residuals, 1 / period, bins, sums, counts)
    start, width, _ = find_box(sums, counts, bins, widths, 0.0)
    inside, number = sums[start + width] - sums[start], counts[start + width] - counts[start]
    depth = -float(inside / number + inside / (times.size - number)) if width else 0.0
    if depth <= MIN_DEPTH:
        return None
    middle = float(times[0]) + (start + width / 2) / bins * period
    return TransitSignal(period, first_epoch(times, period=period, epoch=middle), width / bins * period, depth)


@compiled
def fold(
    times: FloatArray, residuals: FloatArray, frequency: float, bins: int, sums: FloatArray, counts: FloatArray
) -> None:
    """Sum residuals, and count samples, of all phase bins below each; beyond the last bin the first ones come again."""
    sums[:] = 0.0
    counts[:] = 0.0
    for i in range(times.size):
        phase = times[i] * frequency
        place = int((phase - int(phase)) * bins) + 1
        sums[place] += residuals[i]
        counts[place] += 1.0
    for i in range(bins + 1, sums.size):
        sums[i] = sums[i - bins]
        counts[i] = counts[i - bins]
    for i in range(1, sums.size):
        sums[i] += sums[i - 1]
        counts[i] += counts[i - 1]


@compiled
def scan_frequencies(
    times: FloatArray,
    residuals: FloatArray,
    frequencies: FloatArray,
    power: FloatArray,
    bins: int,
    widths: IntArray,
    briefest: float,
) -> None:
    """Write the signal residue of the best box at each frequency into `power`.

    Parameters
    ----------
    times, residuals
        From 0 on [d]; of mean zero.
    frequencies, power
        [1/d]; of one shape.
    bins, widths
        Phase bins, and how many of them the boxes span, ascending.
    briefest
        Shorter boxes [d] are left out.
    """
    sums, counts = np.empty(bins + widths[-1] + 1), np.empty(bins + widths[-1] + 1)
    for f in range(frequencies.size):
        fold(times, residuals, frequencies[f], bins, sums, counts)
        _, _, best = find_box(sums, counts, bins, widths, briefest * frequencies[f] * bins)
        power[f] = np.sqrt(best)


@compiled
def find_box(
    sums: FloatArray, counts: FloatArray, bins: int, widths: IntArray, narrowest: float
) -> tuple[int, int, float]:
    """Find the best box of a fold: its first bin, its width (0 if nothing dips), and s^2 / (r (1 - r))."""
    total = counts[bins] - counts[0]
    first, best_width = 0, 0
    above, below = 0.0, 1.0  # of the best power, compared by products: divisions would take half the time
    for width in widths:
        if width < narrowest and width != widths[-1]:
            continue
        for start in range(bins):
            s = sums[start + width] - sums[start]
            n = counts[start + width] - counts[start]
            weight = n * (total - n)
            if s < 0.0 and s * s * below > above * weight and n >= MIN_BOX_SAMPLES and weight > 0.0:
                first, best_width, above, below = start, width, s * s, weight
    return first, best_width, above / below
