"""All transit searches recover injected truth, find nothing in noise, and refuse what they cannot search."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from eas.authoring.errors import InputError
from eas_worker.science.stellar_grid import StellarTemplate
from eas_worker.science.synthesis import PlanetarySystem, transit_model, white_noise
from eas_worker.science.transit_search_bls import BoxGrid, search_boxes
from eas_worker.science.transit_search_kovacs import FoldedGrid, search_folds
from eas_worker.science.transit_search_qats import IntervalGrid, search_chains
from eas_worker.science.transit_search_tls import search_transits
from eas_worker.science.transit_signal import FloatArray, SearchFindings

Search = Callable[..., SearchFindings]
SUN = 695_500e3 / 71_492e3  # [Jupiter radii]


def bls(times: FloatArray, fluxes: FloatArray, *, threads: int = 1, **grid: float) -> SearchFindings:
    return search_boxes(times, fluxes, grid=BoxGrid(**grid), threads=threads)  # type: ignore[arg-type]


def tls(times: FloatArray, fluxes: FloatArray, *, threads: int = 1, **template: float) -> SearchFindings:
    return search_transits(times, fluxes, template=StellarTemplate(**template), threads=threads)  # type: ignore[arg-type]


def kovacs(times: FloatArray, fluxes: FloatArray, *, threads: int = 1, **grid: float) -> SearchFindings:
    return search_folds(times, fluxes, grid=FoldedGrid(**grid), threads=threads)  # type: ignore[arg-type]


def qats(times: FloatArray, fluxes: FloatArray, *, threads: int = 1, **grid: float) -> SearchFindings:
    wide = {"period_min": 2.0, **grid}
    return search_chains(times, fluxes, grid=IntervalGrid(**wide), threads=threads)  # type: ignore[arg-type]


ALL = pytest.mark.parametrize("search", [bls, kovacs, tls, qats])


def transits(
    *, period: float = 4.0, t0: float = 1.0, radius: float = 0.5, duration: float = 20, cadence: float = 900
) -> tuple[FloatArray, FloatArray]:
    times = np.arange(round(duration * 86400 / cadence), dtype=np.float64) * (cadence / 86400)
    return times, transit_model(PlanetarySystem(SUN, radius, period, 0.05, t0=t0), times)


def test_bls_finds_what_the_original_found() -> None:
    findings = bls(*transits())

    assert findings.signal is not None
    assert findings.signal.period == pytest.approx(4.0012, abs=1e-4)
    assert findings.statistics["power"] == pytest.approx(2.1e-4, rel=0.01)


def test_tls_finds_what_the_original_found() -> None:
    findings = tls(*transits())

    assert findings.signal is not None
    assert findings.signal.period == pytest.approx(4.0023, abs=1e-4)
    assert findings.signal.duration == pytest.approx(0.1228, abs=1e-4)
    assert findings.statistics["depth"] == pytest.approx(0.99696, abs=1e-5)
    assert findings.signal.depth == pytest.approx(1 - 0.99696, abs=1e-5)
    assert findings.statistics["sde"] == pytest.approx(36.8, abs=0.1)
    assert findings.statistics["transit_count"] == 5


@ALL
@pytest.mark.parametrize("start", [0.0, 1325.3, 2_458_411.0])
def test_an_injected_planet_is_recovered_at_any_time(search: Search, start: float) -> None:
    # Given a planet in noise, in a relative, a BTJD and a Julian-date time system
    times, model = transits(period=3.3, t0=2.2, radius=0.35, duration=27, cadence=1200)
    fluxes = model + white_noise(times.size, 2e-4, seed=11)

    # When it is searched
    signal = search(times + start, fluxes).signal

    # Then period, epoch, depth and duration are those injected
    assert signal is not None
    assert signal.period == pytest.approx(3.3, rel=3e-3)
    assert signal.epoch == pytest.approx(start + 2.2, abs=0.02)
    assert signal.depth == pytest.approx(1 - model.min(), rel=0.15)
    assert signal.duration == pytest.approx(0.105, abs=0.03)


@pytest.mark.slow
@ALL
def test_the_planet_stands_out_and_noise_does_not(search: Search) -> None:
    times, model = transits(radius=0.35, duration=27, cadence=1800)
    noise = [white_noise(times.size, 2e-4, seed=seed) for seed in range(4)]

    loud = search(times, model + noise[0])
    quiet = [search(times, 1 + sample) for sample in noise]

    assert loud.statistics["snr"] > 40
    assert max(found.statistics["snr"] for found in quiet) < 10
    assert loud.statistics["sde"] > (1.0 if search is qats else 1.3) * max(found.statistics["sde"] for found in quiet)
    if search is tls:
        assert max(found.statistics["sde"] for found in quiet) < 9 < loud.statistics["sde"]


@ALL
def test_the_peak_of_the_periodogram_is_the_period(search: Search) -> None:
    findings = search(*transits())
    periodogram = findings.periodogram

    assert findings.signal is not None
    peak = periodogram.periods[periodogram.power.argmax()]
    # The intervals of a chain are whole samples, and its period is their mean.
    assert abs(peak - findings.signal.period) <= (1 / 96 if search is qats else 0)
    assert (np.diff(periodogram.periods) > 0).all()
    assert np.isfinite(periodogram.power).all()
    assert periodogram.periods[-1] <= 10


@pytest.mark.slow
@ALL
def test_threads_change_nothing(search: Search) -> None:
    times, model = transits(radius=0.3, duration=27, cadence=1800)
    fluxes = model + white_noise(times.size, 2e-4, seed=2)

    one, two = (search(times, fluxes, threads=threads) for threads in (1, 2))

    assert one.signal == two.signal
    np.testing.assert_array_equal(one.periodogram.power, two.periodogram.power)


@ALL
def test_a_flat_curve_has_no_transit(search: Search) -> None:
    times = np.arange(1000) / 48

    findings = search(times, np.ones(times.size))

    assert findings.signal is None
    assert findings.statistics["sde"] == 0
    assert findings.statistics["transit_count"] == 0


@ALL
def test_a_minimum_beyond_the_span_is_refused_with_the_numbers(search: Search) -> None:
    # The original searched the reversed range, 42 to 90 d, or crashed.
    times = np.arange(0, 84, 0.1)

    with pytest.raises(InputError, match=r"spans 83\.9 d.*at most 41\.95 d.*period_min is 90 d"):
        search(times, np.ones(times.size), period_min=90.0)
    with pytest.raises(InputError, match=r"period_min is 45 d and period_max is 60 d"):
        search(times, np.ones(times.size), period_min=45.0, period_max=60.0)


@ALL
def test_the_range_of_periods_is_kept(search: Search) -> None:
    findings = search(*transits(), period_min=5.0, period_max=9.0)

    assert findings.signal is not None
    assert 5 <= findings.periodogram.periods[0] < findings.periodogram.periods[-1] <= 9
    assert 5 <= findings.signal.period <= 9


@ALL
def test_too_few_samples_are_refused(search: Search) -> None:
    with pytest.raises(InputError, match="9 good samples"):
        search(np.arange(9.0), np.ones(9))


@ALL
def test_gaps_do_not_hide_the_planet(search: Search) -> None:
    times, model = transits(period=3.3, radius=0.35, duration=40, cadence=1200)
    fluxes = model + white_noise(times.size, 2e-4, seed=3)
    there = (times < 12) | (times > 19)

    signal = search(times[there], fluxes[there]).signal

    assert signal is not None
    assert signal.period == pytest.approx(3.3, rel=3e-3)


@pytest.mark.slow
def test_a_small_star_opens_short_periods() -> None:
    times, fluxes = transits(period=0.4, radius=0.5, duration=20, cadence=900)
    # The model's orbit is that of a hot Jupiter, so its transits last a third of the period; only the grid counts.
    wide, small = (
        tls(times, fluxes, star_radius=radius, star_mass=mass).periodogram.periods[0]
        for radius, mass in ((1.0, 1.0), (0.12, 0.09))
    )

    assert small < 0.2 < 0.6 < wide
