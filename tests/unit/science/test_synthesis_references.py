"""Synthetic light curves against the reference values of the original, and their noise."""

from __future__ import annotations

import numpy as np
import pytest

from eas.authoring.errors import InputError
from eas_worker.science.synthesis import (
    InjectedSignal,
    PlanetarySystem,
    angle_of_impact_parameter,
    measure_signal,
    noise_per_sample,
    sample_count,
    transit_model,
    white_noise,
)

PLATO_NOISE = 0.000315
SUN = 695_500e3 / 71_492e3  # [Jupiter radii]
EARTH = 0.08911486  # [Jupiter radii]


def synthesise(system: PlanetarySystem, *, duration: float, cadence: float) -> InjectedSignal:
    times = np.arange(sample_count(duration, cadence), dtype=np.float64) * (cadence / 86400)
    return measure_signal(transit_model(system, times), noise_per_sample(PLATO_NOISE, cadence))


def hot_jupiter(radius: float) -> PlanetarySystem:
    return PlanetarySystem(SUN, radius, orbital_period=4, semi_major_axis=0.05, t0=1)


# fmt: off
HOT_JUPITER_MES = [
    0.335032, 0.411958, 0.506542, 0.622836, 0.765824, 0.941632, 1.157792, 1.423566, 1.750338, 2.15211, 2.646093,
    3.253448, 4.000195, 4.918321, 6.047157, 7.435057, 9.141475, 11.239502, 13.819008, 16.990482, 20.889766,
    25.683875, 31.578146, 38.825031, 47.734906, 58.689359, 72.157521, 88.716147, 109.074288, 134.103627,
]
EARTH_MES = [1.213, 2.244, 4.140, 7.640, 14.109, 26.072, 48.205, 89.169, 164.994, 305.358]
EARTH_FAST_MES = [1.207, 2.235, 4.135, 7.651, 14.157, 26.173, 48.387, 89.384, 164.852, 303.795]
# fmt: on


def agree(observed: list[float], published: list[float], *, decimals: int) -> None:
    """Compare to one in a million, and to half of the last digit that was published."""
    np.testing.assert_allclose(observed, published, rtol=1e-6, atol=0.5 * 10.0**-decimals)


def test_mes_of_hot_jupiters_matches_the_original() -> None:
    signals = [synthesise(hot_jupiter(radius), duration=90, cadence=900) for radius in np.geomspace(0.01, 0.2, 30)]

    agree([signal.mes for signal in signals], HOT_JUPITER_MES, decimals=6)
    assert signals[0].pixels_in == 253


@pytest.mark.parametrize(("index", "mes"), [(0, 0.336328), (14, 6.076046), (29, 133.439046)])
def test_mes_at_the_fast_cadence_matches_the_original(index: int, mes: float) -> None:
    radius = float(np.geomspace(0.01, 0.2, 30)[index])

    signal = synthesise(hot_jupiter(radius), duration=90, cadence=25)

    agree([signal.mes], [mes], decimals=6)
    if index == 0:
        assert signal.pixels_in == 9453


@pytest.mark.parametrize(("cadence", "published"), [(900, EARTH_MES), (25, EARTH_FAST_MES)])
def test_mes_of_earths_matches_the_original(cadence: float, published: list[float]) -> None:
    radii = np.geomspace(EARTH / 4, EARTH * 4, 10)
    systems = [PlanetarySystem(SUN, radius, orbital_period=240, semi_major_axis=1, t0=1) for radius in radii]

    mes = [synthesise(system, duration=730, cadence=cadence).mes for system in systems]

    agree(mes, published, decimals=3)
    assert sample_count(730, 900) == 70_080
    assert sample_count(730, 25) == 2_522_880


def test_the_twenty_day_case_matches_the_original_to_the_last_digits() -> None:
    signal = synthesise(hot_jupiter(0.5), duration=20, cadence=900)

    assert signal.mes == pytest.approx(390.57969959962395, rel=1e-12)
    assert signal.power == pytest.approx(0.15207237030620302, rel=1e-12)
    assert (signal.pixels_in, signal.pixels_out) == (55, 1865)


def test_the_shipped_demo_curve_has_its_mes() -> None:
    system = PlanetarySystem(SUN, 0.35645944, orbital_period=50, semi_major_axis=0.4, t0=1)

    signal = synthesise(system, duration=240, cadence=900)

    assert signal.mes == pytest.approx(238.8847941922455, rel=1e-12)
    assert (signal.pixels_in, signal.pixels_out) == (95, 22_945)


def test_mes_without_transits_is_zero_and_without_noise_the_ceiling() -> None:
    flat = measure_signal(np.ones(100), 1e-4)
    noiseless = measure_signal(np.array([1.0, 0.9, 1.0]), 0.0)

    assert (flat.mes, flat.power, flat.pixels_in, flat.pixels_out) == (0, 0, 0, 100)
    assert noiseless.mes == 1e8


def test_a_face_on_orbit_has_no_transits() -> None:
    system = PlanetarySystem(SUN, 1, orbital_period=4, semi_major_axis=0.05, t0=1, orbital_angle=90)

    assert synthesise(system, duration=20, cadence=900).pixels_in == 0


def test_an_impact_parameter_sets_the_depth_of_the_chord() -> None:
    angle = angle_of_impact_parameter(0.5, star_radius=SUN, semi_major_axis=0.05)
    system = PlanetarySystem(SUN, 0.1, orbital_period=4, semi_major_axis=0.05, t0=1, orbital_angle=angle)

    ratio = (
        synthesise(system, duration=20, cadence=25).pixels_in
        / synthesise(hot_jupiter(0.1), duration=20, cadence=25).pixels_in
    )

    assert ratio == pytest.approx(np.sqrt(1 - 0.5**2), rel=0.01)


def test_impossible_systems_are_refused() -> None:
    with pytest.raises(InputError, match="outside the orbit"):
        angle_of_impact_parameter(20, star_radius=SUN, semi_major_axis=0.05)
    with pytest.raises(InputError, match="touches the star"):
        synthesise(PlanetarySystem(SUN, 1, orbital_period=4, semi_major_axis=0.005), duration=20, cadence=900)
    with pytest.raises(InputError, match="samples"):
        sample_count(1e9, 1)


def test_the_same_seed_gives_the_same_noise_to_the_bit() -> None:
    first, again, other = (white_noise(10_000, 1e-4, seed=seed) for seed in (5, 5, 6))

    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()
    assert first.std() == pytest.approx(1e-4, rel=0.03)
