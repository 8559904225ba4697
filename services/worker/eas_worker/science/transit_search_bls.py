"""Box least squares (Kovács, Zucker & Mazeh 2002, A&A 391, 369), as astropy has it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from eas.authoring.errors import InputError
from eas_worker.science.search_cost import BOX_BIN, BOX_BINS_PER_DURATION, BOX_SAMPLE, RUN_TIME_MAX, SearchCost
from eas_worker.science.searched_samples import SearchedSamples
from eas_worker.science.transit_signal import (
    MIN_TRANSITS,
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

#: White noise seldom reaches this ``sde``: see docs/searches.md.
DETECTION_THRESHOLD = 6.5
#: Shallower dips are rounding, not transits.
MIN_DEPTH = 1e-9
#: Trial periods per call, so that threads share the work and memory stays flat.
CHUNK = 4096
#: More trial periods than this are refused; a long curve needs a larger frequency_factor or period_min.
MAX_PERIODS = 50_000_000


@dataclass(frozen=True)
class BoxGrid:
    """What to try.

    Parameters
    ----------
    period_min, period_max
        [d]; the maximum is half the curve's span at most, and by default.
    duration_min, duration_max, duration_count
        Trial durations [d], equally spaced.
    frequency_factor
        Frequency step in units of shortest duration / span^2.
    run_time_max
        The longest processor time that is allowed [h].
    """

    period_min: float = 0.5
    period_max: float | None = None
    duration_min: float = 0.05
    duration_max: float = 0.2
    duration_count: int = 10
    frequency_factor: float = 2.0
    run_time_max: float = RUN_TIME_MAX

    def durations(self) -> FloatArray:
        """List the trial durations [d]."""
        return np.linspace(self.duration_min, self.duration_max, self.duration_count)


def search_boxes(times: FloatArray, fluxes: FloatArray, *, grid: BoxGrid, threads: int = 1) -> SearchFindings:
    """Find the box-shaped periodic dip that explains the curve best.

    Parameters
    ----------
    times, fluxes
        [d] ascending, of a positive level; both finite, of one length. Fluxes whose median is not about 1 are divided
        by it.
    grid
        The periods and durations to try.
    threads
        How many threads to use.

    Returns
    -------
    SearchFindings
        With the statistics ``power`` (gain in log likelihood for unit uncertainties, the best of the periodogram)
        and ``sde``, the signal detection efficiency: (best - mean) / standard deviation of the square root of power.

    Raises
    ------
    InputError
        The curve is too short or has no level, the range of periods is empty, or the search would take too long.
    """
    from astropy.timeseries import BoxLeastSquares

    samples = SearchedSamples.of(times, fluxes)
    times, fluxes = samples.times, samples.fluxes
    lower, upper = period_range(times, grid.period_min, grid.period_max)
    if lower <= grid.duration_max:
        raise InputError(f"period_min {lower:g} d must exceed the longest trial duration, {grid.duration_max:g} d")
    model = BoxLeastSquares(times, fluxes)
    periods = _trial_periods(model, times, grid, lower, upper)
    estimate_cost(periods, times.size, grid).announce(grid.run_time_max, threads)
    chunks = np.array_split(periods, -(-periods.size // CHUNK))
    with ThreadPoolExecutor(threads) as pool:  # astropy's kernel releases the interpreter lock
        results = list(pool.map(lambda chunk: _search_chunk(model, chunk, grid.durations()), chunks))
    power = np.concatenate([result.power for result in results])
    best = max(results, key=lambda result: result.best_power)
    periodogram = Periodogram(periods, power)
    messages = (
        *samples.messages,
        f"{times.size} samples over {times[-1] - times[0]:.6g} d; "
        f"{periods.size} periods from {periods.min():.6g} to {periods.max():.6g} d",
    )
    if not (best.best_power > 0 and best.signal.depth > MIN_DEPTH):
        return SearchFindings(None, periodogram, {"power": 0.0, "sde": 0.0, "transit_count": 0}, messages)
    epoch = first_epoch(times, period=best.signal.period, epoch=best.signal.epoch)
    signal = TransitSignal(best.signal.period, epoch, best.signal.duration, best.signal.depth)
    signal = bound_depth(times, fluxes, signal)
    statistics = {"power": best.best_power, "sde": detection_efficiency(np.sqrt(np.maximum(power, 0)))}
    return SearchFindings(
        signal, periodogram, keep_finite(statistics | describe_signal(times, fluxes, signal)), messages
    )


def _trial_periods(model: Any, times: FloatArray, grid: BoxGrid, lower: float, upper: float) -> FloatArray:
    span = float(times[-1] - times[0])
    count = (1 / lower - 1 / upper) * span**2 / (grid.frequency_factor * grid.duration_min)
    if count > MAX_PERIODS:
        raise InputError(
            f"{count:.3g} trial periods for a curve of {span:.6g} d, at most {MAX_PERIODS:g} are possible; "
            "use a larger frequency_factor, duration_min or period_min"
        )
    periods = np.asarray(
        model.autoperiod(
            grid.durations(),
            minimum_period=lower,
            maximum_period=upper,
            minimum_n_transit=MIN_TRANSITS,
            frequency_factor=grid.frequency_factor,
        ),
        dtype=np.float64,
    )
    # astropy rounds the number of frequencies, so that its last period may lie beyond the range (or be negative).
    periods = periods[(periods >= lower * (1 - 1e-12)) & (periods <= upper * (1 + 1e-12))]
    if not periods.size:
        raise empty_range_error(span, grid.period_min, grid.period_max)
    return periods


def estimate_cost(periods: FloatArray, samples: int, grid: BoxGrid) -> SearchCost:
    """Estimate what the search of these periods [d] costs: each folds all samples and slides boxes over its bins."""
    bins = float(periods.sum()) / grid.duration_min * BOX_BINS_PER_DURATION
    seconds = BOX_SAMPLE * periods.size * samples + BOX_BIN * bins * grid.duration_count
    return SearchCost(
        seconds,
        f"{periods.size:,} periods and {grid.duration_count} durations on {samples:,} samples",
        "a larger period_min, duration_min or frequency_factor, a smaller period_max, or a binned curve",
    )


@dataclass(frozen=True)
class _ChunkResult:
    power: FloatArray
    best_power: float
    signal: TransitSignal


def _search_chunk(model: Any, periods: FloatArray, durations: FloatArray) -> _ChunkResult:
    result = model.power(periods, durations)
    power = np.asarray(result.power, dtype=np.float64)
    power = np.where(np.isfinite(power), power, 0.0)  # a period without any dip has no power
    best = int(power.argmax())
    signal = TransitSignal(
        period=float(periods[best]),
        epoch=float(result.transit_time[best]),
        duration=float(result.duration[best]),
        depth=float(result.depth[best]),
    )
    return _ChunkResult(power, float(power[best]), signal)
