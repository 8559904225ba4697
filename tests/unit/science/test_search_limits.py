"""Transit searches do what they are asked, or say why not: few samples, odd stars, deep eclipses, long grids."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest

from eas.authoring.errors import InputError
from eas.contracts.metadata import Metadata
from eas_worker.science.search_cost import SearchCost
from eas_worker.science.stellar_grid import StellarTemplate
from eas_worker.science.synthesis import white_noise
from eas_worker.science.transit_search_bls import BoxGrid, search_boxes
from eas_worker.science.transit_search_kovacs import FoldedGrid, search_folds
from eas_worker.science.transit_search_qats import IntervalGrid, search_chains
from eas_worker.science.transit_search_tls import search_transits
from eas_worker.science.transit_signal import FloatArray, SearchFindings, TransitSignal, describe_signal
from eas_worker.tasks.transit_searches import find_fault

Search = Callable[..., SearchFindings]


def bls(times: FloatArray, fluxes: FloatArray, **grid: float) -> SearchFindings:
    return search_boxes(times, fluxes, grid=BoxGrid(**grid))  # type: ignore[arg-type]


def kovacs(times: FloatArray, fluxes: FloatArray, **grid: float) -> SearchFindings:
    return search_folds(times, fluxes, grid=FoldedGrid(**grid))  # type: ignore[arg-type]


def tls(times: FloatArray, fluxes: FloatArray, **template: float) -> SearchFindings:
    return search_transits(times, fluxes, template=StellarTemplate(**template))  # type: ignore[arg-type]


def qats(times: FloatArray, fluxes: FloatArray, **grid: float) -> SearchFindings:
    wide = {"period_min": 2.0, **grid}
    return search_chains(times, fluxes, grid=IntervalGrid(**wide))  # type: ignore[arg-type]


ALL = pytest.mark.parametrize("search", [bls, kovacs, tls, qats])
BOXES = pytest.mark.parametrize("search", [bls, kovacs, qats])


def dips(
    *, period: float = 3.3, epoch: float = 1.0, depth: float = 0.01, duration: float = 0.2, days: float = 20.0
) -> tuple[FloatArray, FloatArray]:
    """An hourly curve with boxes and noise of 500 ppm."""
    times = np.arange(0, days, 1 / 24)
    inside = np.abs((times - epoch + period / 2) % period - period / 2) < duration / 2
    return times, 1 - depth * inside + white_noise(times.size, 5e-4, seed=3)


def is_possible(findings: SearchFindings) -> str:
    """What quality control says of the findings."""
    metadata: Metadata = {"outcome": "UNDEFINED", **findings.statistics}
    if findings.signal is not None:
        signal = findings.signal
        metadata |= {"period": signal.period, "duration": signal.duration, "transit_depth": signal.depth}
    shortest, longest = findings.searched_periods()
    return find_fault({**metadata, "search_period_min": shortest, "search_period_max": longest})


#: Grids that take little time.
COARSE: dict[Search, dict[str, float]] = {
    bls: {"frequency_factor": 20.0},
    kovacs: {"frequency_factor": 20.0},
    tls: {"oversampling_factor": 1},
}


def search_or_words(search: Search, times: FloatArray, fluxes: FloatArray) -> tuple[SearchFindings | None, str]:
    """The findings, or what an input error says instead."""
    try:
        return search(times, fluxes, **COARSE.get(search, {})), ""
    except InputError as error:
        return None, str(error)


# --- Few samples


@ALL
@pytest.mark.parametrize("count", [0, 1, 2, 5, 9, 10, 12, 20, 40])
@pytest.mark.parametrize("regular", [True, False])
def test_few_samples_end_in_findings_or_in_words(search: Search, count: int, regular: bool) -> None:
    rng = np.random.default_rng(count)
    times = np.linspace(0, 30, count) if regular else np.sort(rng.uniform(0, 30, count))
    fluxes = 1 + 1e-3 * rng.standard_normal(count)

    for shape in (fluxes, np.ones(count), np.where(np.arange(count) == count // 2, 0.9, fluxes)):
        found, words = search_or_words(search, times, shape)
        if found is None:
            assert "sampl" in words
        else:
            assert count >= 10
            assert is_possible(found) == ""
            assert found.signal is not None or found.statistics["transit_count"] == 0


@ALL
def test_one_transit_alone_is_no_error(search: Search) -> None:
    times, fluxes = dips(period=100.0, epoch=8.0)

    findings = search(times, fluxes)

    assert is_possible(findings) == ""
    assert findings.statistics.get("observed_transit_count", 0) <= findings.statistics["transit_count"]


def test_tls_says_how_many_samples_a_transit_needs() -> None:
    with pytest.raises(
        InputError, match=r"20 samples over 30 d are too few for TLS.*12 % of a period, holds 2 of them"
    ):
        tls(np.linspace(0, 30, 20), np.where(np.arange(20) == 7, 0.99, 1.0))


def test_boxes_of_less_than_a_sample_are_refused_by_qats() -> None:
    times = np.arange(0, 60.0)

    with pytest.raises(InputError, match=r"duration_max 0\.2 d is less than half the sampling interval, 1 d"):
        qats(times, 1 + white_noise(times.size, 1e-3, seed=1), period_min=4.0)


# --- The order of times, and the level of fluxes


@ALL
@pytest.mark.parametrize("place", [50, 200])
def test_times_that_do_not_increase_are_refused(search: Search, place: int) -> None:
    times, fluxes = dips()
    again, earlier = times.copy(), times.copy()
    again[place] = again[place - 1]
    earlier[place : place + 2] = times[[place + 1, place]]

    for wrong in (again, earlier, times[::-1]):
        with pytest.raises(InputError, match="must strictly increase: sample"):
            search(wrong, fluxes)


@ALL
@pytest.mark.parametrize("offset", ["median", "mean", "all", "more"])
def test_a_curve_without_a_level_is_refused(search: Search, offset: str) -> None:
    times, fluxes = dips()
    subtracted = {"median": np.median(fluxes) - 1e-5, "mean": fluxes.mean(), "all": 1.0, "more": 2.0}[offset]

    with pytest.raises(InputError, match="is not positive beyond the scatter"):
        search(times, fluxes - subtracted)


@ALL
def test_fluxes_in_electrons_are_divided_by_their_median_and_the_log_says_so(search: Search) -> None:
    times, fluxes = dips()

    relative, electrons = search(times, fluxes), search(times, 20_000 * fluxes)

    assert relative.signal is not None
    assert electrons.signal is not None
    assert electrons.signal.period == pytest.approx(relative.signal.period)
    assert electrons.signal.depth == pytest.approx(relative.signal.depth, rel=1e-3)
    assert not any("divided" in message for message in relative.messages)
    assert any("divided by their median, 199" in message for message in electrons.messages)


# --- Deep eclipses


@ALL
@pytest.mark.parametrize("depth", [0.6, 0.8, 0.94, 0.97, 0.999, 1.0])
def test_an_eclipse_is_as_deep_as_it_is_seen(search: Search, depth: float) -> None:
    times, fluxes = dips(depth=depth)

    findings = search(times, fluxes)

    assert is_possible(findings) == ""
    assert findings.signal is not None
    assert findings.signal.depth <= 1
    # Boxes as short or long as the search has them: a sample too many costs a fifth of the depth
    assert findings.signal.depth == pytest.approx(depth, rel=0.25 if search is qats else 0.02)
    assert findings.signal.period == pytest.approx(3.3, rel=5e-3)
    if "depth" in findings.statistics:
        level = 1 - findings.statistics["depth"] if search is tls else findings.statistics["depth"]
        assert level == pytest.approx(findings.signal.depth)


def test_tls_drops_no_sample_of_a_total_eclipse() -> None:
    times, fluxes = dips(depth=1.0, days=15.0)
    assert (fluxes <= 0).any()

    findings = tls(times, fluxes)

    assert findings.signal is not None
    assert findings.signal.duration == pytest.approx(0.2, abs=0.05)
    assert findings.statistics["observed_transit_count"] == findings.statistics["transit_count"] == 5
    assert findings.statistics["radius_ratio"] == pytest.approx(0.9, abs=0.02)  # of a star with limb darkening


@BOXES
def test_a_zero_point_that_is_far_off_is_left_to_quality_control(search: Search) -> None:
    times, fluxes = dips(depth=1.5, duration=0.3)

    assert "is not between 0 and 1" in is_possible(search(times, fluxes))


# --- Counts of transits


@ALL
@pytest.mark.parametrize("epoch", [-0.02, -0.08, 0.0, 0.02, 0.97, 1.02])
def test_no_more_transits_are_observed_than_exist(search: Search, epoch: float) -> None:
    times = np.arange(0, 10, 1 / 24)
    inside = np.abs((times - epoch + 1.5) % 3 - 1.5) < 0.1
    fluxes = 1 - 0.01 * inside + white_noise(times.size, 1e-4, seed=2)

    statistics = search(times, fluxes).statistics

    assert 3 <= statistics["observed_transit_count"] <= statistics["transit_count"] <= 4


def test_a_transit_counts_where_its_middle_is_within_the_curve() -> None:
    times = np.arange(0, 9.06, 1 / 24)  # mid-transits at -0.02, 2.98, 5.98, 8.98
    gap = (times < 5.5) | (times > 6.5)
    signal = TransitSignal(period=3.0, epoch=2.98, duration=0.2, depth=0.01)

    numbers = describe_signal(times[gap], np.ones(gap.sum()), signal)

    assert (numbers["transit_count"], numbers["observed_transit_count"]) == (3, 2)


# --- Stars, and the grid of TLS


@pytest.mark.parametrize("radius", [20.0, 100.0, 1000.0])
def test_a_giant_star_leaves_no_period_to_search(radius: float) -> None:
    times, fluxes = dips(days=27.0)

    with pytest.raises(
        InputError, match=r"no period to search: the light curve spans 26\.9.*three|3 radii of a star of"
    ):
        tls(times, fluxes, star_radius=radius, star_mass=1.2)


def test_a_period_that_is_asked_for_is_searched_around_a_giant_too() -> None:
    times, fluxes = dips(days=27.0)

    findings = tls(times, fluxes, star_radius=20.0, star_mass=1.2, period_min=2.0)

    assert findings.signal is not None
    assert findings.periodogram.periods[0] >= 2
    assert findings.periodogram.periods[-1] == pytest.approx(27 / 2, rel=0.01)
    # The steps are those of the giant, far wider than those of the Sun's grid.
    assert findings.periodogram.periods.size < 300


@pytest.mark.parametrize(("star_radius", "star_mass"), [(0.5, 0.5), (1.0, 1.0), (3.0, 1.5)])
def test_a_narrow_range_keeps_the_grid_of_the_star(star_radius: float, star_mass: float) -> None:
    # Of fewer than 100 periods the package would take those of the Sun.
    template = StellarTemplate(star_radius=star_radius, star_mass=star_mass)
    narrow = StellarTemplate(3.2, 3.4, star_radius=star_radius, star_mass=star_mass)

    whole, part = template.trial_periods(27.0), narrow.trial_periods(27.0)

    assert 0 < part.size < 100
    assert part == pytest.approx(whole[(whole > 3.2) & (whole <= 3.4)], rel=1e-12)


def test_the_default_grid_is_that_of_the_package() -> None:
    from transitleastsquares.grid import period_grid

    ours = StellarTemplate(star_radius=0.9, star_mass=0.8).trial_periods(40.0)

    assert ours == pytest.approx(period_grid(R_star=0.9, M_star=0.8, time_span=40.0), rel=1e-12)


def test_a_short_curve_is_not_searched_beyond_half_its_span() -> None:
    # Of a curve of less than 5 d, the package may search periods up to 2.5 d.
    assert StellarTemplate().trial_periods(2.0).max() == pytest.approx(1.0)


def test_a_period_below_three_stellar_radii_is_searched_where_it_is_asked_for() -> None:
    times, fluxes = dips(period=0.35, duration=0.08, days=8.0, epoch=0.1)

    findings = tls(times, fluxes, period_min=0.2)

    assert findings.periodogram.periods[0] == pytest.approx(0.2, rel=0.01)
    assert findings.signal is not None
    assert findings.signal.period == pytest.approx(0.35, rel=5e-3)


@pytest.mark.parametrize(
    ("star_radius", "star_mass"), [(0.01, 0.6), (0.12, 0.09), (0.2, 0.9), (1, 1), (3, 0.3), (20, 1.2), (20, 0.8)]
)
def test_durations_of_the_star_are_among_those_tried(star_radius: float, star_mass: float) -> None:
    from transitleastsquares.grid import T14, duration_limit_masses

    limits = StellarTemplate(star_radius=star_radius, star_mass=star_mass).arguments()

    light, heavy = duration_limit_masses(
        limits["R_star_min"], limits["R_star_max"], limits["M_star_min"], limits["M_star_max"]
    )
    own = {small: T14(star_radius, star_mass, 100.0, upper_limit=9.0, small=small) for small in (True, False)}
    assert T14(limits["R_star_min"], light, 100.0, upper_limit=9.0, small=True) <= own[True] * (1 + 1e-9)
    assert T14(limits["R_star_max"], heavy, 100.0, upper_limit=9.0, small=False) >= own[False] * 0.97


def test_dips_that_are_passed_over_are_those_of_the_setting() -> None:
    times = np.arange(0, 27, 1 / 48)
    fluxes = np.where(np.abs((times - 1 + 1.65) % 3.3 - 1.65) < 0.1, 1 - 5e-6, 1.0)

    assert tls(times, fluxes).signal is None
    assert tls(times, fluxes, transit_depth_min=1e-7).signal is not None


# --- What a fold is too coarse for


def test_boxes_that_the_phase_bins_cannot_hold_are_named() -> None:
    times, fluxes = dips(days=10.0)

    findings = kovacs(times, fluxes, phase_bins=10, qmin=0.005)

    assert any("10 phase_bins are too coarse for qmin 0.005: the shortest box is 0.1" in m for m in findings.messages)


# --- Long grids


@ALL
def test_a_search_of_days_is_refused_before_it_begins(search: Search) -> None:
    times = np.arange(0, 400, 1 / 24)
    fluxes = 1 + white_noise(times.size, 5e-4, seed=3)

    with pytest.raises(InputError, match=r"would take about .* of processor time .*run_time_max, 1e-06 h.*period_min"):
        search(times, fluxes, run_time_max=1e-6)


@ALL
def test_the_estimate_is_logged_when_a_search_begins(search: Search, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        search(*dips(days=10.0))

    assert any("the search will take about" in record.message for record in caplog.records)


@ALL
def test_a_grid_that_no_memory_holds_is_refused(search: Search) -> None:
    times = np.arange(0, 1000, 0.25)
    finest = {"period_min": 1e-9} if search is tls else {"frequency_factor": 1e-9}
    if search is qats:
        finest = {"max_ttv_mag": 1e-9}

    with pytest.raises(InputError, match=r"at most 5(0*|e\+07) are possible"):
        search(times, 1 + white_noise(times.size, 5e-4, seed=3), **finest)


def test_an_hour_of_processor_time_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        SearchCost(3500.0, "so much", "less").announce(100.0)
        SearchCost(3700.0, "so much", "less").announce(100.0)

    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]
