"""Box least squares on the fold, as Kovács, Zucker & Mazeh (2002) have it, against their formula written out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from eas.lightcurve.compiled import compiled
from eas_worker.science.synthesis import PlanetarySystem, transit_model, white_noise
from eas_worker.science.transit_search_kovacs import FoldedGrid, search_folds
from eas_worker.science.transit_signal import FloatArray

TIMES = np.arange(20 * 48) / 48
NOISE = white_noise(TIMES.size, 1e-3, seed=5)


def dips(period: float, epoch: float, *, depth: float = 3e-3, duration: float = 0.1) -> FloatArray:
    return -depths_at(np.abs((TIMES - epoch + period / 2) % period - period / 2) < duration / 2, depth)


def depths_at(inside: np.typing.NDArray[np.bool_], depth: float) -> FloatArray:
    return np.where(inside, depth, 0.0)


def residue_by_hand(fluxes: FloatArray, period: float, grid: FoldedGrid) -> float:
    """Equation 4 of the paper, over dips only, with boxes that may go over the end of the fold."""
    bins = ((TIMES - TIMES[0]) / period % 1 * grid.bins).astype(int)
    weighted = (fluxes - fluxes.mean()) / fluxes.size
    best = 0.0
    for width in grid.box_widths():
        for start in range(grid.bins):
            inside = (bins - start) % grid.bins < width
            s, r = weighted[inside].sum(), inside.mean()
            if s < 0 and 5 <= inside.sum() < fluxes.size:
                best = max(best, float(np.sqrt(s**2 / (r * (1 - r)))))
    return best


def test_the_power_is_the_signal_residue_of_the_paper() -> None:
    grid = FoldedGrid(period_min=1.0, period_max=9.0, qmin=0.05, phase_bins=40, frequency_factor=40)
    fluxes = 1 + NOISE + dips(3.1, 0.7)

    periodogram = search_folds(TIMES, fluxes, grid=grid).periodogram

    for index in range(0, periodogram.periods.size, 20):
        expected = residue_by_hand(fluxes, float(periodogram.periods[index]), grid)
        assert periodogram.power[index] == pytest.approx(expected, rel=1e-9)


def test_frequencies_are_evenly_spaced_by_a_tenth_of_a_day_over_the_squared_span() -> None:
    periodogram = search_folds(TIMES, 1 + NOISE, grid=FoldedGrid()).periodogram

    steps = np.diff(1 / periodogram.periods)
    assert -steps == pytest.approx(2 * 0.05 / (TIMES[-1] - TIMES[0]) ** 2, rel=1e-6)
    assert (periodogram.periods[0], periodogram.periods[-1]) == pytest.approx((0.5, TIMES[-1] / 2), rel=1e-3)
    assert periodogram.periods[0] >= 0.5


@pytest.mark.parametrize("epoch", [0.0, 0.02, 3.08])
def test_a_transit_over_the_edge_of_the_fold_is_not_cut(epoch: float) -> None:
    # The fold begins at the first sample; the box before 2002's "edge effect" was mended lost half of such a transit.
    signal = search_folds(TIMES, 1 + NOISE + dips(3.1, epoch), grid=FoldedGrid()).signal

    assert signal is not None
    assert signal.period == pytest.approx(3.1, rel=3e-3)
    assert signal.depth == pytest.approx(3e-3, rel=0.2)
    assert signal.offsets(np.array([epoch]))[0] == pytest.approx(0, abs=0.03)


def test_what_brightens_is_no_transit() -> None:
    # The paper's power is blind to the sign.
    findings = search_folds(TIMES, 1 + 0.2 * NOISE - dips(3.1, 0.7) + 0.3 * dips(4.3, 1.1), grid=FoldedGrid())

    assert findings.signal is not None
    assert findings.signal.period == pytest.approx(4.3, rel=3e-3)


def test_the_curve_is_left_as_it_was() -> None:
    times, fluxes = TIMES.copy(), 1 + NOISE

    search_folds(times, fluxes, grid=FoldedGrid(period_min=3))

    np.testing.assert_array_equal(times, TIMES)
    np.testing.assert_array_equal(fluxes, 1 + NOISE)


@pytest.mark.slow
def test_short_boxes_tell_a_long_period_from_its_fractions() -> None:
    # Given a planet of 15 d, in transit for 1.2 % of the time
    times = np.arange(90 * 48) / 48
    model = transit_model(PlanetarySystem(9.728, 0.3, 15.0, 0.12, t0=1.0), times)
    fluxes = model + white_noise(times.size, 2e-4, seed=3)

    # When boxes of at least 5 % are tried, in 10 bins, then all fractions of the period look alike
    original = search_folds(times, fluxes, grid=FoldedGrid(qmin=0.05, phase_bins=10, frequency_factor=8))
    ours = search_folds(times, fluxes, grid=FoldedGrid(frequency_factor=8))

    assert ours.signal is not None
    assert ours.signal.period == pytest.approx(15, rel=3e-3)
    assert ours.statistics["sde"] > 1.2 * original.statistics["sde"]


def test_a_kernel_without_a_place_for_its_cache_is_compiled_all_the_same() -> None:
    room: dict[str, Callable[[int], int]] = {}
    exec("def double(x):\n    return 2 * x\n", room)  # made of no file, as if the folder could not be written

    double = compiled(room["double"])

    assert double(21) == 42
