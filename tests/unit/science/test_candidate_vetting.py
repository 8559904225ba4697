"""Vetting measures what was put in: ephemeris, depth, odd and even transits, secondary eclipses, radius."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eas.authoring.errors import InputError
from eas_worker.science.synthesis import PlanetarySystem, transit_model, white_noise
from eas_worker.science.transit_fit import trapezoid
from eas_worker.science.transit_signal import FloatArray, TransitSignal
from eas_worker.science.vetting import vet_candidate

SUN = 695_500e3 / 71_492e3  # [Jupiter radii]
SIGMA = 2e-4
TIMES = np.arange(3888) / 144  # 27 d, every 10 minutes
TRUTH = TransitSignal(period=2.7, epoch=1.3, duration=0.12, depth=2e-3)


def dips(phase: float, depths: float | FloatArray, signal: TransitSignal = TRUTH) -> FloatArray:
    """A trapezoid of the truth's duration at an orbital phase."""
    moved = TransitSignal(signal.period, signal.epoch + phase * signal.period, signal.duration, 0)
    return -depths * trapezoid(moved.offsets(TIMES), signal.duration, 0.02)


def noisy(*parts: FloatArray) -> FloatArray:
    return 1 + sum(parts) + white_noise(TIMES.size, SIGMA, seed=42)


def test_depth_and_ephemeris_are_those_injected() -> None:
    # Given what a search would find: a period on its grid, a rough epoch, duration and depth
    candidate = TransitSignal(period=2.703, epoch=1.29, duration=0.1, depth=1.7e-3)

    vetting = vet_candidate(TIMES, noisy(dips(0, 2e-3)), candidate)

    assert vetting.trapezoid is not None
    assert vetting.signal.period == pytest.approx(2.7, abs=4 * vetting.trapezoid.period_error)
    assert 0 < vetting.trapezoid.period_error < 5e-4
    assert vetting.signal.epoch == pytest.approx(1.3, abs=0.003)
    assert vetting.signal.duration == pytest.approx(0.12, abs=0.008)
    assert vetting.depth is not None
    assert vetting.depth.value == pytest.approx(2e-3, abs=4 * vetting.depth.error)
    assert vetting.depth.error == pytest.approx(SIGMA / math.sqrt(10 * 14), rel=0.3)
    assert vetting.scatter == pytest.approx(SIGMA, rel=0.05)
    assert vetting.transit_count == 10


@pytest.mark.parametrize("epoch", [2_457_001.3, -2_454_831.7, 1e300])
def test_an_epoch_in_another_time_system_is_refused(epoch: float) -> None:
    candidate = TransitSignal(period=2.7, epoch=epoch, duration=0.12, depth=2e-3)

    with pytest.raises(InputError, match=r"more than 100000 d away from the curve.*must be in the time system"):
        vet_candidate(TIMES, noisy(dips(0, 2e-3)), candidate)


def test_an_epoch_of_an_earlier_mission_is_taken() -> None:
    candidate = TransitSignal(period=2.7, epoch=1.3 - 1500 * 2.7, duration=0.12, depth=2e-3)

    assert vet_candidate(TIMES, noisy(dips(0, 2e-3)), candidate).transit_count == 10


@pytest.mark.parametrize("period", [1e-9, 0.01])
def test_a_period_of_less_than_two_samples_is_refused(period: float) -> None:
    candidate = TransitSignal(period=period, epoch=1.3, duration=period / 2, depth=2e-3)

    with pytest.raises(InputError, match="shorter than two sampling intervals"):
        vet_candidate(TIMES, noisy(dips(0, 2e-3)), candidate)


def test_equal_odd_and_even_transits_agree() -> None:
    vetting = vet_candidate(TIMES, noisy(dips(0, 2e-3)), TRUTH)

    assert vetting.odd_even_sigma is not None
    assert vetting.odd_even_sigma < 3


def test_an_eclipsing_binary_betrays_itself_by_its_odd_and_even_depths() -> None:
    depths = np.where(TRUTH.numbers(TIMES) % 2 == 0, 2.4e-3, 1.6e-3)

    vetting = vet_candidate(TIMES, noisy(dips(0, depths)), TRUTH)

    assert vetting.odd is not None
    assert vetting.even is not None
    assert vetting.odd.value == pytest.approx(2.4e-3, abs=4 * vetting.odd.error)
    assert vetting.even.value == pytest.approx(1.6e-3, abs=4 * vetting.even.error)
    assert vetting.odd_even_sigma is not None
    assert vetting.odd_even_sigma > 10


@pytest.mark.parametrize("phase", [0.5, 0.31])
def test_a_secondary_eclipse_is_found_where_it_is(phase: float) -> None:
    vetting = vet_candidate(TIMES, noisy(dips(0, 2e-3), dips(phase, 4e-4)), TRUTH)

    assert vetting.weak_secondary is not None
    assert vetting.weak_secondary_phase == pytest.approx(phase, abs=0.02)
    assert vetting.weak_secondary.significance > 8
    assert vetting.secondary is not None
    expected = 4e-4 if phase == 0.5 else 0.0
    assert vetting.secondary.value == pytest.approx(expected, abs=4 * vetting.secondary.error)


def test_without_a_secondary_none_is_significant() -> None:
    vetting = vet_candidate(TIMES, noisy(dips(0, 2e-3)), TRUTH)

    assert vetting.secondary is not None
    assert abs(vetting.secondary.significance) < 3.5
    assert vetting.weak_secondary is not None
    assert vetting.weak_secondary.significance < 4


def test_the_radius_of_a_limb_darkened_planet_is_recovered() -> None:
    model = transit_model(PlanetarySystem(SUN, 0.8, 2.7, 0.04, t0=1.3), TIMES)

    vetting = vet_candidate(TIMES, model + white_noise(TIMES.size, SIGMA, seed=1), TRUTH)

    assert vetting.planet is not None
    assert vetting.radius_ratio == pytest.approx(0.8 / SUN, rel=0.05)
    assert vetting.planet_radius(1.0, unit="jupiter") == pytest.approx(0.8, rel=0.05)
    assert vetting.planet_radius(1.0) == pytest.approx(0.8 * 71_492 / 6_371, rel=0.05)


def test_long_exposures_do_not_bias_the_fit() -> None:
    # Given exposures of 30 minutes, each the mean of 30 models within it
    fine = np.arange(27 * 48 * 30) / (48 * 30)
    model = transit_model(PlanetarySystem(SUN, 0.8, 2.7, 0.04, t0=1.3), fine).reshape(-1, 30).mean(axis=1)
    times = fine.reshape(-1, 30).mean(axis=1)

    vetting = vet_candidate(times, model + white_noise(times.size, 1e-5, seed=1), TRUTH)

    assert vetting.radius_ratio == pytest.approx(0.8 / SUN, rel=0.05)


def test_noise_gives_numbers_and_no_crash() -> None:
    vetting = vet_candidate(TIMES, noisy(), TransitSignal(3.1, 0.4, 0.1, 1e-5))

    assert vetting.depth is not None
    assert abs(vetting.depth.significance) < 6


def test_a_single_transit_has_no_even_partner() -> None:
    signal = TransitSignal(period=20.0, epoch=25.0, duration=0.3, depth=2e-3)

    vetting = vet_candidate(TIMES[TIMES > 15], noisy(dips(0, 2e-3, signal))[TIMES > 15], signal)

    assert vetting.transit_count == 1
    assert vetting.even is None
    assert vetting.odd_even_sigma is None
    assert vetting.trapezoid is not None
    assert math.isnan(vetting.trapezoid.period_error)


def test_impossible_candidates_are_refused() -> None:
    with pytest.raises(InputError, match="not below its period"):
        vet_candidate(TIMES, noisy(), TransitSignal(1.0, 0.0, 1.5, 1e-3))
    with pytest.raises(InputError, match="at least 10"):
        vet_candidate(TIMES[:5], noisy()[:5], TRUTH)
