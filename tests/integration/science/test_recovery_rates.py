"""Each search finds the planets that it should and takes no noise for one: the small brother of the benchmark."""

from __future__ import annotations

import pytest

from tests.benchmarks.recovery import (
    SEARCHES,
    Trial,
    false_alarm_rate,
    plain_stars,
    planet_grid,
    recovery_rate,
    try_search,
)

SURE_MES = 9.0
NOISES = (1e-4, 4e-4)


def try_all(name: str) -> list[Trial]:
    stars = plain_stars(27, 10, first_seed=500) + planet_grid(27, (4.3, 6.9, 11.8), (0.4, 2.4), NOISES, range(1))
    return [try_search(name, star) for star in stars]


@pytest.mark.parametrize("name", SEARCHES)
def test_planets_are_recovered_and_noise_is_not(name: str) -> None:
    # Given ten stars without and six with a clear planet, of several periods, depths and noises, and six hopeless ones
    trials = try_all(name)

    # Then no noise reaches the threshold of the search
    assert false_alarm_rate(trials) == (0.0, 10)
    # and every planet of a MES of 9 and more does, with the right period
    assert recovery_rate(trials, SURE_MES, 1e9) == (1.0, 6)
    # while none is claimed that cannot be seen
    assert recovery_rate(trials, 0.0, 4.0) == (0.0, 6)
