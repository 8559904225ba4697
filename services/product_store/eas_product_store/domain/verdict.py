"""Quality control's verdicts, and which of several holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One verdict on one version, as the ledger keeps it."""

    version_id: int
    passed: bool
    author: str
    reason: str
    decided_at: datetime


def is_repeat(judgement: Judgement, ledger: Sequence[Judgement], *, dated: bool) -> bool:
    """Tell whether the ledger of the version already holds this verdict.

    A dated verdict is a repeat of an equal one. One without a date of its own (`dated` is false) is a repeat if it
    says what its author said last, so that a message sent twice cannot undo what another author decided in between.
    """
    if dated:
        return judgement in ledger
    own = [found for found in ledger if found.author == judgement.author]
    return bool(own) and (own[-1].passed, own[-1].reason) == (judgement.passed, judgement.reason)


def choose_verdict(ledger: Sequence[Judgement]) -> bool | None:
    """Choose the verdict that holds: the one decided last, of those decided at once a rejection.

    The order in which they arrive does not count: messages with verdicts can be late.
    """
    if not ledger:
        return None
    return max(ledger, key=lambda judgement: (judgement.decided_at, not judgement.passed)).passed
