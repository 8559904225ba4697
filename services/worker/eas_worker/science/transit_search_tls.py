"""Transit least squares (Hippke & Heller 2019, A&A 623, A39), by the package of that name."""

from __future__ import annotations

import math
import multiprocessing
import warnings
from typing import Any

import numpy as np

from eas.authoring.errors import InputError
from eas_worker.science.compiling import compiling
from eas_worker.science.search_cost import TEMPLATE_PERIOD, TEMPLATE_SAMPLE, SearchCost
from eas_worker.science.searched_samples import SearchedSamples
from eas_worker.science.stellar_grid import StellarTemplate
from eas_worker.science.transit_signal import (
    FloatArray,
    Periodogram,
    SearchFindings,
    TransitSignal,
    bound_depth,
    describe_signal,
    first_epoch,
    keep_finite,
)

#: White noise seldom reaches this ``sde``, its authors say; for rates see docs/searches.md.
DETECTION_THRESHOLD = 9.0
#: Shallower dips are rounding, not transits.
MIN_DEPTH = 1e-9
#: Where mean and median differ by more, the curve is divided by its median: eclipses then lower the mean too much.
MAX_SKEW = 0.01
#: The package takes no flux of 0 and less: a curve that has one is compressed towards 1 until the lowest is this.
LOWEST_FLUX = 0.05
#: A transit as deep as this is an eclipse: the template, made for planets, is deeper than its samples.
DEEP = 0.5
#: Fewest samples in the longest trial transit: fewer have no shape, and the package fails below one.
MIN_TEMPLATE = 5


def search_transits(
    times: FloatArray, fluxes: FloatArray, *, template: StellarTemplate, threads: int = 1
) -> SearchFindings:
    """Find the periodic limb-darkened transit that explains the curve best.

    Parameters
    ----------
    times, fluxes
        [d] ascending, of a positive level; both finite, of one length. Fluxes are divided by their mean, or by their
        median where eclipses make the mean differ from that by more than 1 %.
    template
        The star, and the periods to try.
    threads
        How many processes to use; a daemonic process can start none and searches alone.

    Returns
    -------
    SearchFindings
        With the statistics ``depth`` (the *flux level* in transit, as the package has it), ``sde``, and where
        finite ``false_alarm_probability``, ``period_uncertainty`` [d], ``radius_ratio`` and ``odd_even_mismatch``.

    Raises
    ------
    InputError
        The curve is too short or has no level, the range of periods is empty, or the search would take too long.
    """
    samples = SearchedSamples.of(times, fluxes)
    periods = template.trial_periods(samples.span)
    level, messages = _normalise(samples)
    _require_templates(samples, periods, template)
    estimate_cost(periods.size, times.size).announce(template.run_time_max, threads)
    found: dict[str, Any] | None = None
    warned: list[str] = []
    if float(np.ptp(level)) >= MIN_DEPTH:
        found, warned = _run_package(times, level, periods, template, threads)
    messages += (
        f"{times.size} samples over {samples.span:.6g} d; "
        f"{periods.size} periods from {periods.min():.6g} to {periods.max():.6g} d",
        *warned,
    )
    if found is None or not (math.isfinite(found["period"]) and 1 - found["depth"] > MIN_DEPTH):
        power = np.zeros(periods.size) if found is None else np.nan_to_num(np.asarray(found["power"]))
        return SearchFindings(None, Periodogram(periods[::-1], power), {"sde": 0.0, "transit_count": 0}, messages)
    period = float(found["period"])
    epoch = first_epoch(times, period=period, epoch=float(found["T0"]))
    signal = TransitSignal(period, epoch, float(found["duration"]), 1 - float(found["depth"]))
    statistics = _read_statistics(found)
    observed = _limit_depth(times, level, signal)
    if observed.depth < signal.depth:
        messages += (f"the template is {signal.depth:.4g} deep, the samples are {observed.depth:.4g}, which counts",)
        statistics["radius_ratio"] *= math.sqrt(observed.depth / signal.depth)
    periodogram = Periodogram(np.asarray(found["periods"]), np.nan_to_num(np.asarray(found["power"])))
    statistics |= {"depth": 1 - observed.depth} | describe_signal(times, level, observed)
    return SearchFindings(observed, periodogram, keep_finite(statistics), messages)


def estimate_cost(periods: int, samples: int) -> SearchCost:
    """Estimate what the search costs: at each period, transits of all durations slide over the folded samples."""
    return SearchCost(
        periods * (TEMPLATE_PERIOD + TEMPLATE_SAMPLE * samples),
        f"{periods:,} periods on {samples:,} samples",
        "a larger period_min, a smaller oversampling_factor or period_max, or a binned curve",
    )


def _normalise(samples: SearchedSamples) -> tuple[FloatArray, tuple[str, ...]]:
    mean, median = float(samples.fluxes.mean()), float(np.median(samples.fluxes))
    if mean > 0 and abs(median / mean - 1) <= MAX_SKEW:
        return samples.fluxes / mean, samples.messages
    message = f"divided by the median flux, {median:.6g}, because the mean, {mean:.6g}, is not that out of transit"
    return samples.fluxes / median, (*samples.messages, message)


def _require_templates(samples: SearchedSamples, periods: FloatArray, template: StellarTemplate) -> None:
    """Refuse a curve of which the longest trial transit holds too few samples. Raises `InputError`."""
    longest = float(max(_durations(periods, template)))
    inside = int(longest * samples.times.size)
    if inside < MIN_TEMPLATE:
        raise InputError(
            f"{samples.times.size} samples over {samples.span:.6g} d are too few for TLS: the longest trial transit, "
            f"{longest * 100:.3g} % of a period, holds {inside} of them, and at least {MIN_TEMPLATE} are needed"
        )


def _durations(periods: FloatArray, template: StellarTemplate) -> list[float]:
    """List the package's trial durations, as fractions of a period."""
    from transitleastsquares.grid import duration_grid

    limits = {key: value for key, value in template.arguments().items() if key.endswith(("_min", "_max"))}
    limits.pop("n_transits_min")
    durations: list[float] = duration_grid(periods, shortest=None, **limits)
    return durations


def _run_package(
    times: FloatArray, level: FloatArray, periods: FloatArray, template: StellarTemplate, threads: int
) -> tuple[dict[str, Any], list[str]]:
    """Search, and undo the compression of fluxes that the package would otherwise drop.

    Returns
    -------
    dict
        What the package found; depths are those of `level`.
    list of str
        What it warned of.
    """
    from transitleastsquares import tls_constants, transitleastsquares
    from transitleastsquares.warmup import warmup

    class Search(transitleastsquares):  # type: ignore[misc]  # the package has no types
        """A search of the periods that were asked for."""

        def _grids(self) -> tuple[FloatArray, list[float]]:
            return periods, _durations(periods, template)

    # Idle helper processes would outlive the task: the package otherwise keeps its pool for the next search.
    tls_constants.WORKER_IDLE_TIMEOUT = 0
    with warnings.catch_warnings(), compiling():
        warnings.simplefilter("ignore")
        warmup(verbose=False)  # compiles, or loads from the cache on disk, by a small search of its own
    lowest = float(level.min())
    scale = 1.0 if lowest > 0 else (1 - LOWEST_FLUX) / (1 - lowest)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found: dict[str, Any] = Search(times, 1 - (1 - level) * scale, verbose=False).power(
            **template.arguments(), **_quiet(threads), transit_depth_min=template.transit_depth_min * scale
        )
    found["depth"] = 1 - (1 - found["depth"]) / scale
    found["rp_rs"] = found["rp_rs"] / math.sqrt(scale)
    return found, list(dict.fromkeys(str(warning.message) for warning in caught))


def _limit_depth(times: FloatArray, level: FloatArray, signal: TransitSignal) -> TransitSignal:
    """Give an eclipse the depth of its samples where the template is deeper than they are."""
    if signal.depth <= DEEP:
        return signal
    offsets = np.abs(signal.offsets(times))
    inner = level[offsets < signal.duration / 4]
    if not inner.size:
        inner = level[offsets < signal.duration / 2].min(initial=1.0)
    depth = min(signal.depth, max(1 - float(np.median(inner)), MIN_DEPTH))
    return bound_depth(times, level, TransitSignal(signal.period, signal.epoch, signal.duration, depth))


def _quiet(threads: int) -> dict[str, Any]:
    if multiprocessing.current_process().daemon:
        threads = 1
    return {"use_threads": max(1, threads), "show_progress_bar": False, "verbose": False}


def _read_statistics(found: dict[str, Any]) -> dict[str, float]:
    return {
        "sde": float(np.nan_to_num(found["SDE"])),
        "false_alarm_probability": float(found["FAP"]),
        "period_uncertainty": float(found["period_uncertainty"]),
        "radius_ratio": float(found["rp_rs"]),
        "odd_even_mismatch": float(found["odd_even_mismatch"]),
    }
