"""Who leads: one at a time, and nobody for longer than its word counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.scheduler.domain.leadership import Leadership, claim_leadership

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
LEASE = timedelta(seconds=6)
LED_BY_A = Leadership("a", 4, NOON + LEASE)


def test_the_first_leads() -> None:
    assert claim_leadership(None, "a", None, NOON, LEASE) == Leadership("a", 1, NOON + LEASE)


def test_the_leader_goes_on_under_its_fence() -> None:
    later = NOON + timedelta(seconds=2)
    assert claim_leadership(LED_BY_A, "a", 4, later, LEASE) == Leadership("a", 4, later + LEASE)


def test_a_leader_that_is_late_goes_on_if_nobody_took_its_place() -> None:
    late = NOON + 2 * LEASE
    assert claim_leadership(LED_BY_A, "a", 4, late, LEASE) == Leadership("a", 4, late + LEASE)


@pytest.mark.parametrize("my_fence", [None, 0, 3])
def test_another_waits_until_the_lease_ends(my_fence: int | None) -> None:
    assert claim_leadership(LED_BY_A, "b", my_fence, NOON + LEASE - timedelta(microseconds=1), LEASE) is None
    assert claim_leadership(LED_BY_A, "b", my_fence, NOON + LEASE, LEASE) == Leadership("b", 5, NOON + 2 * LEASE)


def test_one_that_was_started_again_need_not_wait_for_itself() -> None:
    assert claim_leadership(LED_BY_A, "a", None, NOON, LEASE) == Leadership("a", 5, NOON + LEASE)


def test_of_two_by_the_same_name_the_older_one_waits() -> None:
    successor = claim_leadership(LED_BY_A, "a", None, NOON, LEASE)
    assert claim_leadership(successor, "a", 4, NOON, LEASE) is None
