"""Which attempts are tried again."""

from __future__ import annotations

import pytest

from services.scheduler.domain.policies import EndedAttempt, RetryLimits, decide_retry
from shared.contracts.states import FailureReason

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
