"""How far a worker's clock is off, and what is made of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from eas.contracts.scheduler import AttemptReport
from eas_worker.domain.clock_comparison import ClockComparison, correct_times

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_nothing_is_known_and_nothing_corrected_before_the_first_answer() -> None:
    clock = ClockComparison()
    clock.observe(NOON.timestamp(), 0.1, None)
    assert (clock.offset, clock.correction) == (None, 0.0)


@pytest.mark.parametrize("ahead", [37.25, -3600.0])
def test_the_scheduler_read_its_clock_half_way_between_question_and_answer(ahead: float) -> None:
    clock = ClockComparison()
    clock.observe(NOON.timestamp() + ahead, 0.5, at(0.25))
    assert clock.offset == ahead
    assert clock.correction == pytest.approx(ahead, abs=1e-6)


def test_clocks_that_agree_as_well_as_can_be_told_are_left_alone() -> None:
    clock = ClockComparison()
    clock.observe(NOON.timestamp(), 2.0, at(0.2))
    assert clock.offset == 0.8
    assert clock.correction == 0.0


def test_the_answer_with_the_shortest_way_counts() -> None:
    clock = ClockComparison()
    clock.observe(NOON.timestamp() + 10, 0.02, at(0.01))
    clock.observe(NOON.timestamp() + 10, 4.0, at(0.5))
    assert clock.offset == 10.0


def test_a_clock_that_was_set_makes_earlier_answers_void() -> None:
    clock = ClockComparison()
    clock.observe(NOON.timestamp() + 10, 0.02, at(0.01))
    clock.observe(NOON.timestamp(), 0.04, at(0.02))
    assert clock.offset == 0.0


def test_all_times_of_a_report_are_corrected_and_no_others() -> None:
    report = AttemptReport(
        attempt_id=1, lease_token="t", state="accepted", started_at=at(100), ended_at=at(102), wall_time=2.0
    )
    found = correct_times(report, 100.0)
    assert (found.started_at, found.checking_at, found.ended_at) == (at(0), None, at(2))
    assert found.wall_time == 2.0
    assert correct_times(report, 0.0) is report
