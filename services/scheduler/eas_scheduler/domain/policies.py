"""What happens after an attempt that did not end well: small rules in order, the first that has an opinion decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from eas.contracts.execution import PASSING_REASONS, ExecutionRules
from eas.contracts.states import FailureReason
from eas_scheduler.domain.losses import Blame, Loss

#: How many times as many losses are needed for a quarantine where workers were also lost without the task.
_MORE_IN_DOUBT = 3


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
    memory_limited
        It had a limit of memory.
    loss
        What the loss of its worker means; None where its worker is there.
    """

    reason: FailureReason
    strikes: int
    losses: int
    cancel_requested: bool = False
    memory_limited: bool = False
    loss: Loss | None = None


def count_end(
    reason: FailureReason, strikes: int, losses: int, cancel_requested: bool, memory_limited: bool, loss: Loss | None
) -> EndedAttempt:
    """Count an attempt that did not end well with those before it.

    What was handed back, and what was lost with its worker, is no strike. The loss of a worker counts as far as there
    is evidence that it was the task; that a process was lost under it always does.
    """
    if loss is not None:
        losses = max(losses, loss.times) if loss.blame is Blame.ALL else losses + (loss.blame is not Blame.NONE)
        return EndedAttempt(reason, strikes, losses, cancel_requested, memory_limited, loss)
    took_its_process = reason is FailureReason.LOST or (reason is FailureReason.OUT_OF_MEMORY and not memory_limited)
    strikes += reason is not FailureReason.EVICTED
    return EndedAttempt(reason, strikes, losses + took_its_process, cancel_requested, memory_limited)


@dataclass(frozen=True)
class RetryDecision:
    """Whether to try again, and words that tell the user why not. A task whose end was wished for has not failed.

    Parameters
    ----------
    delay
        Pause before the next attempt [s].
    more_memory
        The next attempt gets twice as much.
    keeps_place
        The next attempt takes the place in the queue that this one had.
    """

    again: bool
    why: str = ""
    cancelled: bool = False
    delay: float = 0.0
    more_memory: bool = False
    keeps_place: bool = False


@dataclass(frozen=True)
class RetryLimits:
    """How often a task is tried.

    Parameters
    ----------
    attempts
        The most attempts of a task whose attempts fail for reasons that may pass.
    losses
        A task that took this many workers with it is quarantined; three times as many where workers were also lost
        without it.
    passing
        Reasons that may pass, so that another attempt is worth its while.
    delay, longest_delay
        Pause before the second attempt, doubled before each further one, and its bound [s].
    """

    attempts: int = 5
    losses: int = 3
    passing: frozenset[FailureReason] = PASSING_REASONS
    delay: float = 1.0
    longest_delay: float = 300.0

    def under(self, rules: ExecutionRules) -> RetryLimits:
        """Take what the rules for a task say in place of what holds for all."""
        return replace(
            self,
            attempts=self.attempts if rules.max_attempts is None else rules.max_attempts,
            passing=self.passing if rules.retry_on is None else frozenset(rules.retry_on),
            delay=self.delay if rules.retry_delay is None else rules.retry_delay,
        )

    def delay_after(self, strikes: int) -> float:
        """Compute the pause after so many attempts that ended badly [s]."""
        return min(self.delay * 2.0 ** min(max(strikes - 1, 0), 64), max(self.longest_delay, self.delay))


Policy = Callable[[EndedAttempt, RetryLimits], RetryDecision | None]


def stop_when_cancelled(ended: EndedAttempt, _limits: RetryLimits) -> RetryDecision | None:
    """Never retry what a user cancelled, in whatever way it ended: its worker may have died before it could stop it."""
    if ended.cancel_requested or ended.reason is FailureReason.CANCELLED:
        return RetryDecision(again=False, why="cancelled", cancelled=True)
    return None


def stop_on_lasting_reasons(ended: EndedAttempt, limits: RetryLimits) -> RetryDecision | None:
    """Do not repeat what would fail in the same way."""
    if ended.reason in limits.passing:
        return None
    ruled_out = ended.reason in PASSING_REASONS
    return RetryDecision(again=False, why="its rules ask for no attempt after this reason" if ruled_out else "")


def allow_handing_back(ended: EndedAttempt, _limits: RetryLimits) -> RetryDecision | None:
    """Work that a worker hands back unstarted or while it drains has cost the task nothing."""
    return RetryDecision(again=True, keeps_place=True) if ended.reason is FailureReason.EVICTED else None


def retry_lost_with_worker(ended: EndedAttempt, limits: RetryLimits) -> RetryDecision | None:
    """Try again what was lost with its worker, whatever its rules say, unless there is evidence enough against it."""
    loss = ended.loss
    if loss is None or ended.reason is not FailureReason.LOST:
        return None
    if loss.blame is Blame.NONE:
        pause = loss.position * limits.delay_after(loss.times)
        return RetryDecision(again=True, keeps_place=True, delay=pause)
    enough = limits.losses * (_MORE_IN_DOUBT if loss.blame is Blame.SOME else 1)
    if ended.losses < enough:
        delay = 0.0 if ended.losses <= 1 else limits.delay_after(ended.losses)
        return RetryDecision(again=True, keeps_place=True, delay=delay)
    return quarantine_worker_killers(ended, limits)


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
    allow_handing_back,
    retry_lost_with_worker,
    stop_on_lasting_reasons,
    quarantine_worker_killers,
    limit_attempts,
)


def decide_retry(ended: EndedAttempt, limits: RetryLimits) -> RetryDecision:
    """Decide whether a task whose attempt ended badly gets another."""
    decisions = (policy(ended, limits) for policy in POLICIES)
    return next((decision for decision in decisions if decision is not None), _try_again(ended, limits))


def _try_again(ended: EndedAttempt, limits: RetryLimits) -> RetryDecision:
    """Wait with exponential back-off.

    What had too little memory gets more of it instead, and one lost worker is not held against the task.
    """
    if ended.reason is FailureReason.OUT_OF_MEMORY and ended.memory_limited:
        return RetryDecision(again=True, more_memory=True)
    lost_first = ended.reason is FailureReason.LOST and ended.losses <= 1
    return RetryDecision(again=True, delay=0.0 if lost_first else limits.delay_after(ended.strikes))
