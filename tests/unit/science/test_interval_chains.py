"""QATS: its dynamic programme against all chains there are, and planets whose transits do not keep time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from eas.authoring.errors import InputError
from eas_worker.science.interval_chains import best_chain, trace_chain
from eas_worker.science.synthesis import white_noise
from eas_worker.science.transit_search_bls import BoxGrid, search_boxes
from eas_worker.science.transit_search_qats import IntervalGrid, Raster, search_chains
from eas_worker.science.transit_signal import FloatArray


def all_chains(size: int, shortest: int, longest: int) -> Iterator[list[int]]:
    """Every chain in which no transit is missing: not before its first, in between, or after its last."""

    def extend(chain: list[int]) -> Iterator[list[int]]:
        if chain[-1] + longest >= size:
            yield chain
        for position in range(chain[-1] + shortest, min(chain[-1] + longest, size - 1) + 1):
            yield from extend([*chain, position])

    for first in range(min(longest, size)):
        yield from extend([first])


@pytest.mark.parametrize(("shortest", "longest"), [(5, 6), (5, 8), (4, 14), (7, 7), (15, 20), (24, 40)])
@pytest.mark.parametrize("seed", range(3))
def test_the_best_chain_is_the_best_of_all(shortest: int, longest: int, seed: int) -> None:
    boxes = np.random.default_rng(seed).normal(size=31)
    chains = [chain for chain in all_chains(boxes.size, shortest, longest) if len(chain) >= 2]
    expected = max(chains, key=lambda chain: boxes[chain].sum() / math.sqrt(len(chain)), default=None)

    best, count = best_chain(boxes, shortest, longest, 2, np.empty(31), np.empty(31))

    if expected is None:
        assert count == 0
    else:
        assert best == pytest.approx(boxes[expected].sum() / math.sqrt(len(expected)))
        assert trace_chain(boxes, shortest, longest, count).tolist() == expected


def test_the_fewest_transits_are_kept() -> None:
    boxes = np.zeros(30)
    boxes[[4, 24]] = 10.0

    assert best_chain(boxes, 10, 20, 2, np.empty(30), np.empty(30))[1] == 2
    assert best_chain(boxes, 10, 20, 3, np.empty(30), np.empty(30))[1] == 3


def wandering_planet(seed: int, *, amplitude: float = 0.3) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A planet of 6 d whose transits of 0.2 d come up to `amplitude` [d] early and late, in 90 d of noise."""
    times = np.arange(90 * 48) / 48
    numbers = np.arange(15)
    middles = 2 + 6 * numbers + amplitude * np.sin(2 * np.pi * 6 * numbers / 50)
    inside = (np.abs(times[:, None] - middles) < 0.1).any(axis=1)
    return times, 1 + white_noise(times.size, 2e-4, seed=seed) - 3e-4 * inside, middles


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_planet_that_does_not_keep_time_is_found_where_bls_misses_it(seed: int) -> None:
    times, fluxes, middles = wandering_planet(seed)

    findings = search_chains(times, fluxes, grid=IntervalGrid(max_ttv_mag=0.2))
    strict = search_boxes(
        times, fluxes, grid=BoxGrid(period_min=2.0, duration_min=0.1, duration_count=3, frequency_factor=4)
    )

    assert findings.signal is not None
    assert findings.signal.period == pytest.approx(6, rel=0.01)
    assert findings.statistics["transit_count"] == 15
    assert findings.statistics["power"] > 11
    assert findings.statistics["ttv_max"] > 0.2
    found = findings.tables["transits.csv"].rows[:, 1]
    assert np.median(np.abs(found - middles)) < 0.03
    assert strict.signal is not None
    assert abs(strict.signal.period / 6 - 1) > 0.03
    # The same planet on time is found by both.
    times, fluxes, _ = wandering_planet(seed, amplitude=0.0)
    strict = search_boxes(
        times, fluxes, grid=BoxGrid(period_min=2.0, duration_min=0.1, duration_count=3, frequency_factor=4)
    )
    assert strict.signal is not None
    assert strict.signal.period == pytest.approx(6, rel=0.01)


def test_intervals_that_vary_around_any_border_have_a_range() -> None:
    # Ranges that only follow one another have borders, around which no interval may vary.
    grid = IntervalGrid(max_ttv_mag=0.04)
    shortest, longest = grid.bounds(1 / 48, 90.0)

    for period in np.linspace(4.2, 40, 200) * 48:
        low, high = period * (1 - 0.0045), period * (1 + 0.0045)
        assert ((shortest <= np.ceil(low)) & (longest >= np.floor(high))).any()
    assert (longest <= shortest * 1.02 + 1).all()
    assert (shortest < longest).all()
    assert longest[-1] <= 45 * 48


def test_gaps_are_no_evidence() -> None:
    times, fluxes, _ = wandering_planet(4, amplitude=0.0)
    there = (times < 18) | (times > 25)

    raster = Raster.of(times[there], fluxes[there])
    findings = search_chains(times[there], fluxes[there], grid=IntervalGrid())

    assert raster.signal.size == times.size
    assert (raster.signal[~there] == 0).all()
    assert np.count_nonzero(raster.signal) >= there.sum() - 1  # one sample is the median itself
    assert findings.signal is not None
    assert findings.signal.period == pytest.approx(6, rel=3e-3)
    assert (findings.statistics["transit_count"], findings.statistics["observed_transit_count"]) == (15, 14)


def test_what_cannot_be_searched_is_refused_with_the_numbers() -> None:
    times = np.arange(0, 84, 0.1)
    fluxes = np.ones(times.size)

    with pytest.raises(InputError, match=r"at most 27\.96\d* d show 3 transits, but period_min is 30 d"):
        search_chains(times, fluxes, grid=IntervalGrid(period_min=30, min_transit_count=3))
    with pytest.raises(InputError, match="less than a sample"):
        search_chains(times, fluxes, grid=IntervalGrid(period_min=4.01, period_max=4.05, max_ttv_mag=0.0001))
    with pytest.raises(InputError, match="longest trial duration"):
        search_chains(times, fluxes, grid=IntervalGrid(period_min=1, duration_max=2))
