"""Which attempts are tried again."""

from __future__ import annotations

import pytest

from eas.contracts.execution import ExecutionRules
from eas.contracts.states import FailureReason
from eas_scheduler.domain.policies import EndedAttempt, RetryDecision, RetryLimits, decide_retry

LIMITS = RetryLimits(attempts=4, losses=2)


@pytest.mark.parametrize(
    ("reason", "strikes", "losses", "again"),
    [
        ("science", 1, 0, False),
        ("input", 1, 0, False),
        ("quality", 1, 0, False),
        ("cancelled", 1, 0, False),
        ("infrastructure", 3, 0, True),
        ("infrastructure", 4, 0, False),
        ("timeout", 1, 0, True),
        ("lost", 1, 1, True),
        ("lost", 2, 2, False),
        ("out_of_memory", 2, 2, False),
        ("evicted", 99, 0, True),
    ],
)
def test_who_gets_another_attempt(reason: str, strikes: int, losses: int, again: bool) -> None:
    assert decide_retry(EndedAttempt(FailureReason(reason), strikes, losses), LIMITS).again is again


def test_giving_up_is_explained() -> None:
    assert "quarantined: 2 workers" in decide_retry(EndedAttempt(FailureReason.LOST, 2, 2), LIMITS).why
    assert "after 4 attempts" in decide_retry(EndedAttempt(FailureReason.TIMEOUT, 4, 0), LIMITS).why


def test_pauses_double_up_to_a_bound_and_for_ever() -> None:
    limits = RetryLimits(attempts=10_000, delay=2.0, longest_delay=10.0)
    pauses = [decide_retry(EndedAttempt(FailureReason.TIMEOUT, n, 0), limits).delay for n in (1, 2, 3, 4, 5000)]
    assert pauses == [2.0, 4.0, 8.0, 10.0, 10.0]


@pytest.mark.parametrize(("reason", "losses"), [("lost", 1), ("evicted", 0)])
def test_what_was_no_fault_of_the_task_costs_no_pause(reason: str, losses: int) -> None:
    decision = decide_retry(EndedAttempt(FailureReason(reason), 1, losses), RetryLimits(delay=5.0))
    assert (decision.again, decision.delay) == (True, 0.0)


def test_a_task_that_lost_workers_before_pauses() -> None:
    assert decide_retry(EndedAttempt(FailureReason.LOST, 2, 2), RetryLimits(delay=5.0)).delay == 10.0


def test_more_memory_instead_of_a_pause_where_memory_was_limited() -> None:
    short = EndedAttempt(FailureReason.OUT_OF_MEMORY, 1, 0, memory_limited=True)
    assert decide_retry(short, RetryLimits()) == RetryDecision(again=True, more_memory=True)
    unlimited = decide_retry(EndedAttempt(FailureReason.OUT_OF_MEMORY, 1, 1), RetryLimits(delay=5.0))
    assert (unlimited.more_memory, unlimited.delay) == (False, 5.0)


def test_a_tasks_rules_replace_what_holds_for_all() -> None:
    limits = RetryLimits().under(ExecutionRules(max_attempts=1, retry_on=(FailureReason.SCIENCE,), retry_delay=0.5))
    assert (limits.attempts, limits.passing, limits.delay) == (1, frozenset({FailureReason.SCIENCE}), 0.5)
    assert RetryLimits().under(ExecutionRules()) == RetryLimits()
