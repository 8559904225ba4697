"""The quasi-periodic automated transit search (Carter & Agol 2013, ApJ 765, 132; arXiv:1210.5136).

Written from the paper. It finds transits whose intervals vary within bounds, as those of planets that pull at each
other do, and that a search for strict periods smears out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from eas.authoring.errors import InputError
from eas.lightcurve.arrays import estimate_sampling_interval
from eas_worker.science.interval_chains import FloatArray, IntArray, best_chain, scan_intervals, trace_chain
from eas_worker.science.search_cost import CHAIN_STEP, RUN_TIME_MAX, SearchCost
from eas_worker.science.searched_samples import SearchedSamples
from eas_worker.science.transit_signal import (
    MIN_TRANSITS,
    Periodogram,
    SearchFindings,
    Table,
    TransitSignal,
    bound_depth,
    detection_efficiency,
    empty_range_error,
    keep_finite,
)

#: White noise seldom reaches this ``power``, unless max_ttv_mag is larger than by default: see docs/searches.md.
DETECTION_THRESHOLD = 7.0
#: Shallower dips, and fluxes that scatter less, are rounding.
MIN_DEPTH = 1e-9
#: Pairs of bounds per call, so that threads share the work.
CHUNK = 256
#: More samples on the raster, or pairs of bounds, or chains to keep while going back, than these are refused.
MAX_RASTER, MAX_SPANS, MAX_CHAINS = 50_000_000, 5_000_000, 200_000_000


@dataclass(frozen=True)
class IntervalGrid:
    """What to try.

    Parameters
    ----------
    period_min, period_max
        Shortest and longest interval between transits [d]; the latter is the curve's span over `min_transit_count` at
        most, and by default.
    duration_min, duration_max, duration_count
        Trial durations [d], equally spaced.
    min_transit_count
        Fewest transits of a chain, at least 2.
    max_ttv_mag
        The paper's f: the longest interval of a chain is 1 + f/2 times its shortest.
    run_time_max
        The longest processor time that is allowed [h].
    """

    period_min: float = 4.0
    period_max: float | None = None
    duration_min: float = 0.05
    duration_max: float = 0.2
    duration_count: int = 16
    min_transit_count: int = MIN_TRANSITS
    max_ttv_mag: float = 0.0005
    run_time_max: float = RUN_TIME_MAX

    def box_lengths(self, step: float) -> IntArray:
        """List the trial durations in samples.

        Raises
        ------
        InputError
            All are shorter than half a sample, so that the shortest box is longer than any of them.
        """
        if self.duration_max < step / 2:
            raise InputError(
                f"duration_max {self.duration_max:g} d is less than half the sampling interval, {step:.6g} d, but a "
                "box has at least one sample; use a duration_max of a sampling interval at least"
            )
        durations = np.linspace(self.duration_min, self.duration_max, self.duration_count)
        return np.unique(np.maximum(np.rint(durations / step), 1).astype(np.int64))

    def bounds(self, step: float, span: float) -> tuple[IntArray, IntArray]:
        """List the pairs of shortest and longest interval [samples], ascending.

        The paper's pairs follow one another without overlap, so that intervals that vary around a border between two
        lie in neither. Here each border is also the middle of a pair.

        Raises
        ------
        InputError
            There is none.
        """
        longest = span / self.min_transit_count
        upper = longest if self.period_max is None else min(self.period_max, longest)
        if not self.period_min < upper:
            raise empty_range_error(span, self.period_min, self.period_max, self.min_transit_count)
        growth = 1 + self.max_ttv_mag / 2
        spans = math.log(upper / self.period_min) / math.log1p(self.max_ttv_mag / 2)
        if 2 * spans > MAX_SPANS:
            raise InputError(
                f"max_ttv_mag {self.max_ttv_mag:g} makes {2 * spans:.3g} ranges of intervals from {self.period_min:g} "
                f"to {upper:g} d, at most {MAX_SPANS} are possible; use a larger one, or a larger period_min"
            )
        steps = np.arange(0, spans, 0.5)
        lower = self.period_min / step * growth**steps
        pairs = np.column_stack((lower, np.minimum(lower * growth, upper / step))).astype(np.int64)
        pairs = np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)
        if not pairs.size:
            raise InputError(
                f"max_ttv_mag {self.max_ttv_mag:g} is less than a sample ({step * 86400:g} s) of every interval up to "
                f"{upper:g} d; use a larger one"
            )
        return pairs[:, 0].copy(), pairs[:, 1].copy()


@dataclass(frozen=True)
class Raster:
    """A curve on a regular raster.

    Parameters
    ----------
    start, step
        [d].
    signal
        (median - flux) / standard deviation: dips are positive; 0 where no sample is.
    scatter
        That standard deviation.
    """

    start: float
    step: float
    signal: FloatArray
    scatter: float

    @classmethod
    def of(cls, times: FloatArray, fluxes: FloatArray) -> Raster:
        """Put samples on the nearest points of a raster; samples that meet there are averaged.

        Raises
        ------
        InputError
            There would be too many points.
        """
        step = estimate_sampling_interval(times)
        if not (times[-1] - times[0]) / step < MAX_RASTER:
            raise InputError(
                f"a raster of {step * 86400:g} s over {times[-1] - times[0]:g} d has too many points; bin it"
            )
        places = np.rint((times - times[0]) / step).astype(np.int64)
        counts = np.bincount(places)
        sums = np.bincount(places, weights=np.median(fluxes) - fluxes)
        scatter = float(fluxes.std())
        signal = sums / np.maximum(counts, 1) / (scatter if scatter > MIN_DEPTH else 1.0)
        return cls(float(times[0]), step, signal, scatter)

    def boxes(self, length: int) -> FloatArray:
        """Sum the signal over boxes of `length` samples that begin at each sample."""
        total = np.zeros(self.signal.size + 1)
        np.cumsum(self.signal, out=total[1:])
        boxes: FloatArray = total[length:] - total[:-length]
        return boxes

    def middles(self, positions: IntArray, length: int) -> FloatArray:
        """Say when boxes that begin at `positions` are half over [d]."""
        middles: FloatArray = self.start + (positions.astype(np.float64) + (length - 1) / 2) * self.step
        return middles


def search_chains(times: FloatArray, fluxes: FloatArray, *, grid: IntervalGrid, threads: int = 1) -> SearchFindings:
    """Find the chain of box-shaped dips, at intervals within bounds, that explains the curve best.

    The statistic is the paper's S: the sum of the normalised fluxes in the transits of a chain over the square root of
    their number, maximised over all chains. For white noise it is the chain's signal-to-noise ratio.

    Parameters
    ----------
    times, fluxes
        [d] ascending, of a positive level; both finite, of one length. Fluxes whose median is not about 1 are divided
        by it.
    grid
        The intervals and durations to try.
    threads
        How many threads to use.

    Returns
    -------
    SearchFindings
        Its signal has the mean spacing as its period and the first transit as its epoch. The periodogram is the best S
        against the middle of each range of intervals. Statistics: ``power`` (the highest S), ``sde`` ((highest - mean)
        / standard deviation of the periodogram), ``depth``, ``transit_count``, ``period_span`` (the same less 1),
        ``observed_transit_count`` (with samples), ``first_transit``, ``last_transit`` [d], ``ttv_max`` (largest
        departure from a straight ephemeris [d]; of three transits or more) and ``snr``.

    Raises
    ------
    InputError
        The curve is too short or has no level, there are no intervals to search, or the search would take too long.
    """
    samples = SearchedSamples.of(times, fluxes)
    times, fluxes = samples.times, samples.fluxes
    raster = Raster.of(times, fluxes)
    shortest, longest = grid.bounds(raster.step, float(times[-1] - times[0]))
    lengths = grid.box_lengths(raster.step)
    if shortest[0] <= lengths[-1]:
        raise InputError(f"period_min {grid.period_min:g} d must exceed the longest trial duration")
    period_range = (float(shortest[0] * raster.step), float(longest[-1] * raster.step))
    estimate_cost(raster.signal.size, lengths.size, shortest, longest).announce(grid.run_time_max, threads)
    table = _scan(raster, lengths, shortest, longest, grid.min_transit_count, threads)
    spectrum = _spectrum(raster.step, shortest, longest, table.max(axis=0))
    messages = (
        *samples.messages,
        *_describe_lengths(grid, lengths, raster.step),
        f"{times.size} samples on a raster of {raster.signal.size} points every {raster.step * 86400:.6g} s; "
        f"{shortest.size} ranges of intervals from {period_range[0]:.6g} to {period_range[1]:.6g} d; "
        f"{lengths.size} durations",
    )
    tables = {"s_table.csv": _list_sums(raster.step, lengths, shortest, longest, table)}
    row, column = (int(index) for index in np.unravel_index(table.argmax(), table.shape))
    found = None
    if raster.scatter > MIN_DEPTH and table[row, column] > 0:
        bounds = (int(shortest[column]), int(longest[column]))
        found = _follow(raster, int(lengths[row]), bounds, grid.min_transit_count)
    if found is None:
        nothing = {"power": 0.0, "sde": 0.0, "transit_count": 0}
        return SearchFindings(None, spectrum, nothing, messages, tables=tables, period_range=period_range)
    middles, duration = found
    signal, statistics = _describe(times, fluxes, middles, duration)
    if signal is not None:
        signal = bound_depth(times, fluxes, signal)
        statistics["depth"] = signal.depth
    statistics = {"power": float(table[row, column]), "sde": detection_efficiency(spectrum.power)} | statistics
    tables["transits.csv"] = Table("transit,time [d]", np.column_stack((np.arange(middles.size), middles)))
    return SearchFindings(signal, spectrum, keep_finite(statistics), messages, tables=tables, period_range=period_range)


def estimate_cost(points: int, lengths: int, shortest: IntArray, longest: IntArray) -> SearchCost:
    """Estimate what the search costs: each chain of M transits is followed over bands that grow with M."""
    counts = points / shortest
    steps = points + counts * (counts + 1) / 2 * (longest - shortest)
    return SearchCost(
        CHAIN_STEP * lengths * float(steps.sum()),
        f"{shortest.size:,} ranges of intervals and {lengths} durations on {points:,} points",
        "a larger period_min or max_ttv_mag, a smaller duration_count or period_max, or a binned curve",
    )


def _describe_lengths(grid: IntervalGrid, lengths: IntArray, step: float) -> tuple[str, ...]:
    """Say where whole samples are no good measure of the durations that were asked for."""
    if grid.duration_min >= step:
        return ()
    return (
        f"boxes are whole samples of {step * 86400:.6g} s: from {lengths[0] * step:.4g} to {lengths[-1] * step:.4g} d, "
        f"for durations from {grid.duration_min:g} to {grid.duration_max:g} d",
    )


def load_kernels() -> None:
    """Compile the kernels, or load them from the cache on disk."""
    times = np.arange(300.0) / 10
    search_chains(times, np.where(times % 3 < 0.3, 0.99, 1.0), grid=IntervalGrid(2.0, 4.0, 0.3, 0.3, 1, 2, 0.2))


def _scan(
    raster: Raster, lengths: IntArray, shortest: IntArray, longest: IntArray, fewest: int, threads: int
) -> FloatArray:
    """Compute S for each duration (row) and each pair of bounds (column)."""
    table = np.empty((lengths.size, shortest.size))

    def scan(job: tuple[int, FloatArray, slice]) -> None:
        row, boxes, part = job
        scan_intervals(boxes, shortest[part], longest[part], fewest, table[row, part])

    def jobs() -> Iterator[tuple[int, FloatArray, slice]]:
        for row, length in enumerate(lengths):
            boxes = raster.boxes(int(length)) / math.sqrt(length)
            for start in range(0, shortest.size, CHUNK):
                yield row, boxes, slice(start, min(start + CHUNK, shortest.size))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(scan, jobs()))
    return np.where(np.isfinite(table), table, 0.0)  # no chain fits: no evidence


def _spectrum(step: float, shortest: IntArray, longest: IntArray, best: FloatArray) -> Periodogram:
    middles, places = np.unique((shortest + longest) / 2 * step, return_inverse=True)
    power = np.full(middles.size, -np.inf)
    np.maximum.at(power, places, best)
    return Periodogram(middles, power)


def _list_sums(step: float, lengths: IntArray, shortest: IntArray, longest: IntArray, table: FloatArray) -> Table:
    """List S with its duration and bounds, the highest first."""
    rows = np.column_stack(
        (
            np.repeat(lengths * step, shortest.size),
            np.tile(shortest * step, lengths.size),
            np.tile(longest * step, lengths.size),
            table.ravel(),
        )
    )
    return Table("duration [d],interval_min [d],interval_max [d],S", rows[np.argsort(-rows[:, 3], kind="stable")])


def _follow(raster: Raster, length: int, bounds: tuple[int, int], fewest: int) -> tuple[FloatArray, float] | None:
    """Find the mid-transit times [d] of the best chain, and its duration [d]."""
    boxes = raster.boxes(length)
    _, count = best_chain(boxes, *bounds, fewest, np.empty_like(boxes), np.empty_like(boxes))
    if count == 0:
        return None
    numbers = np.arange(count)
    kept = int((np.minimum((numbers + 1) * bounds[1], boxes.size) - numbers * bounds[0]).sum())
    if kept > MAX_CHAINS:
        raise InputError(f"going back along {count} transits takes {kept} chains; bin the curve or lower max_ttv_mag")
    return raster.middles(trace_chain(boxes, *bounds, count), length), length * raster.step


def _describe(
    times: FloatArray, fluxes: FloatArray, middles: FloatArray, duration: float
) -> tuple[TransitSignal | None, dict[str, float]]:
    nearest = middles[np.clip(np.searchsorted((middles[1:] + middles[:-1]) / 2, times), 0, middles.size - 1)]
    offsets = np.abs(times - nearest)
    inside, outside = offsets <= duration / 2, fluxes[offsets > duration]
    if not inside.any() or not outside.size:
        return None, {"transit_count": 0}
    depth = float(np.median(outside) - fluxes[inside].mean())
    if depth <= MIN_DEPTH:
        return None, {"transit_count": 0}
    period = float(middles[-1] - middles[0]) / (middles.size - 1)
    statistics: dict[str, float] = {
        "depth": depth,
        "transit_count": int(middles.size),
        "observed_transit_count": int(np.unique(nearest[inside]).size),
        "period_span": int(middles.size - 1),
        "first_transit": float(middles[0]),
        "last_transit": float(middles[-1]),
    }
    if middles.size > MIN_TRANSITS:
        numbers = np.arange(middles.size)
        statistics["ttv_max"] = float(np.abs(middles - np.polyval(np.polyfit(numbers, middles, 1), numbers)).max())
    if (scatter := float(outside.std())) > 1e-12:
        statistics["snr"] = depth / scatter * math.sqrt(np.count_nonzero(inside))
    return TransitSignal(period, float(middles[0]), duration, depth), statistics
