"""The verdict on a search: period ratio, aliases, epoch and depth."""

from __future__ import annotations

import math

import pytest

from eas.authoring.errors import InputError
from eas_worker.science.quality import InjectedTruth, Outcome, judge_period, judge_signal, name_alias
from eas_worker.science.transit_signal import TransitSignal


@pytest.mark.parametrize(
    ("observed", "outcome"),
    [
        (10.0, Outcome.PASS),
        (10.299, Outcome.PASS),
        (9.709, Outcome.PASS),
        (10.31, Outcome.FAIL),
        (9.7, Outcome.FAIL),
        (math.nan, Outcome.FAIL),
        (5.0, Outcome.FAIL),
        (20.0, Outcome.FAIL),
        (0.0, Outcome.FAIL),
        (-10.0, Outcome.FAIL),
        (math.inf, Outcome.FAIL),
        (None, Outcome.FAIL),
    ],
)
def test_a_period_passes_strictly_within_three_percent(observed: float | None, outcome: Outcome) -> None:
    assert judge_period(10.0, observed) is outcome


@pytest.mark.parametrize(
    ("observed", "alias"),
    [(5, "1/2"), (20, "2"), (3.333, "1/3"), (30, "3"), (6.67, "2/3"), (15, "3/2"), (10, "none"), (7.77, "none")],
)
def test_aliases_have_names(observed: float, alias: str) -> None:
    assert name_alias(10.0, observed) == alias


def signal(period: float = 10.0, epoch: float = 21.05, depth: float = 0.009) -> TransitSignal:
    return TransitSignal(period=period, epoch=epoch, duration=0.2, depth=depth)


def test_a_found_planet_passes_with_epoch_and_depth() -> None:
    verdict = judge_signal(signal(), InjectedTruth(period=10.0, epoch=1.0, depth=0.01))

    assert verdict["outcome"] == "PASS"
    assert verdict["target_period"] == 10.0
    assert verdict["period_alias"] == "none"
    assert verdict["epoch_offset"] == pytest.approx(0.05)
    assert verdict["epoch_agrees"] is True
    assert verdict["depth_ratio"] == pytest.approx(0.9)
    assert verdict["depth_agrees"] is True


def test_the_right_period_at_the_wrong_time_is_noticed() -> None:
    verdict = judge_signal(signal(epoch=24.0, depth=0.001), InjectedTruth(period=10.0, epoch=1.0, depth=0.01))

    assert (verdict["outcome"], verdict["epoch_agrees"], verdict["depth_agrees"]) == ("PASS", False, False)


def test_no_detection_of_an_injected_planet_fails() -> None:
    assert judge_signal(None, InjectedTruth(period=10.0)) == {"outcome": "FAIL", "target_period": 10.0}


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"orbital_period": 365.0, "integrated_transit_power": 0, "pixels_in_transit": 0, "t0": 1.0},
        {"orbital_period": 365.0, "pixels_in_transit": 0},
        {"orbital_period": 365.0, "integrated_transit_power": 0.0},
        {"orbital_period": None},
    ],
)
def test_where_nothing_was_injected_the_outcome_is_undefined(metadata: dict[str, float | None]) -> None:
    truth = InjectedTruth.from_metadata(metadata)

    assert judge_signal(signal(period=365.0), truth) == {"outcome": "UNDEFINED"}
    assert judge_signal(None, truth) == {"outcome": "UNDEFINED"}


def test_a_truth_that_is_no_number_is_an_input_error() -> None:
    with pytest.raises(InputError, match="'orbital_period' is 'ten'; expected a number"):
        InjectedTruth.from_metadata({"orbital_period": "ten"})
