"""What happens after an attempt that did not end well: small rules in order, the first that has an opinion decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.contracts.states import FailureReason


@dataclass(frozen=True)
class EndedAttempt:
    """What the rules may look at.

    Parameters
    ----------
    strikes
        Attempts of the task that ended badly, this one included, without those that were handed back.
    losses
        Those of them that took their worker with them.
    cancel_requested
        A user asked for its end while it was running.
    """

    reason: FailureReason
    strikes: int
    losses: int
    cancel_requested: bool = False


@dataclass(frozen=True)
class RetryDecision:
    """Whether to try again, and words that tell the user why not. A task whose end was wished for has not failed."""

    again: bool
    why: str = ""
    cancelled: bool = False


@dataclass(frozen=True)
class RetryLimits:
    """How often a task is tried.

    Parameters
    ----------
    attempts
        The most attempts of a task whose attempts fail for reasons that may pass.
    losses
        A task that took this many workers with it is quarantined.
    """

    attempts: int = 5
    losses: int = 3


Policy = Callable[[EndedAttempt, RetryLimits], RetryDecision | None]

#: Reasons that another attempt would meet again.
_LASTING = frozenset({FailureReason.SCIENCE, FailureReason.INPUT, FailureReason.QUALITY})


def stop_when_cancelled(ended: EndedAttempt, _limits: RetryLimits) -> RetryDecision | None:
    """Never retry what a user cancelled, in whatever way it ended: its worker may have died before it could stop it."""
    if ended.cancel_requested or ended.reason is FailureReason.CANCELLED:
        return RetryDecision(again=False, why="cancelled", cancelled=True)
    return None


def stop_on_lasting_reasons(ended: EndedAttempt, _limits: RetryLimits) -> RetryDecision | None:
    """Do not repeat what would fail in the same way."""
    return RetryDecision(again=False) if ended.reason in _LASTING else None


def allow_handing_back(ended: EndedAttempt, _limits: RetryLimits) -> RetryDecision | None:
    """Work that a worker hands back unstarted or while it drains has cost the task nothing."""
    return RetryDecision(again=True) if ended.reason is FailureReason.EVICTED else None


def quarantine_worker_killers(ended: EndedAttempt, limits: RetryLimits) -> RetryDecision | None:
    """Keep a task that takes one worker after the other with it away from the rest."""
    if ended.losses >= limits.losses:
        return RetryDecision(again=False, why=f"quarantined: {ended.losses} workers were lost while running it")
    return None


def limit_attempts(ended: EndedAttempt, limits: RetryLimits) -> RetryDecision | None:
    """Give up after the set number of attempts."""
    if ended.strikes >= limits.attempts:
        return RetryDecision(again=False, why=f"given up after {ended.strikes} attempts")
    return None


POLICIES: Sequence[Policy] = (
    stop_when_cancelled,
    stop_on_lasting_reasons,
    allow_handing_back,
    quarantine_worker_killers,
    limit_attempts,
)


def decide_retry(ended: EndedAttempt, limits: RetryLimits) -> RetryDecision:
    """Decide whether a task whose attempt ended badly gets another."""
    decisions = (policy(ended, limits) for policy in POLICIES)
    return next((decision for decision in decisions if decision is not None), RetryDecision(again=True))
