"""Which verdict holds, and which is a repeat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from eas_product_store.domain.verdict import Judgement, choose_verdict, is_repeat

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def judge(passed: bool, *, author: str = "scheduler", reason: str = "", minutes: int = 0) -> Judgement:
    at = NOON + timedelta(minutes=minutes)
    return Judgement(version_id=1, passed=passed, author=author, reason=reason, decided_at=at)


def test_nothing_is_decided_before_the_first_verdict() -> None:
    assert choose_verdict([]) is None


def test_the_verdict_decided_last_holds_in_whatever_order_they_arrive() -> None:
    early, late = judge(True), judge(False, author="ada", minutes=1)
    assert choose_verdict([early, late]) is False
    assert choose_verdict([late, early]) is False


def test_of_verdicts_decided_at_once_the_rejection_holds_in_whatever_order_they_arrive() -> None:
    assert choose_verdict([judge(True), judge(False)]) is False
    assert choose_verdict([judge(False), judge(True)]) is False


def test_a_dated_verdict_is_a_repeat_of_an_equal_one_only() -> None:
    ledger = [judge(True), judge(False, author="ada", minutes=1)]
    assert is_repeat(judge(True), ledger, dated=True)
    assert not is_repeat(judge(True, minutes=2), ledger, dated=True)
    assert not is_repeat(judge(True, reason="looked again"), ledger, dated=True)


def test_a_message_sent_twice_does_not_undo_what_another_author_decided() -> None:
    ledger = [judge(True), judge(False, author="ada", minutes=1)]
    assert is_repeat(judge(True, minutes=5), ledger, dated=False)


def test_an_author_can_come_back_to_an_earlier_verdict() -> None:
    ledger = [judge(True), judge(False, minutes=1)]
    assert not is_repeat(judge(True, minutes=2), ledger, dated=False)
