"""Ends attempts that the scheduler itself cannot handle, so that no claim, report or loop stops at them."""

from __future__ import annotations

import logging
from datetime import timedelta
from secrets import token_hex

from eas.contracts.scheduler import AttemptReport
from eas.contracts.states import AttemptState, FailureReason
from eas.isolation import describe_error, is_passing
from eas_scheduler.domain.attempt import KnownAttempt, QueuedAttempt
from eas_scheduler.domain.lifecycle import LEASED
from eas_scheduler.domain.policies import RetryLimits
from eas_scheduler.logic.ports import Transactor, UnitOfWork
from eas_scheduler.logic.progress import SCHEDULER, fail_for_good, settle, take_attempts

logger = logging.getLogger(__name__)

_LEASE = timedelta(minutes=1)


class FaultyAttempts:
    """Ends attempts, each in a transaction of its own.

    Parameters
    ----------
    transactor
        Of the scheduler.
    limits
        Of retries.
    """

    def __init__(self, transactor: Transactor, limits: RetryLimits) -> None:
        self._transactor = transactor
        self._limits = limits

    async def end(
        self,
        attempt_id: int,
        error: Exception,
        doing: str,
        *,
        reason: FailureReason,
        lease_token: str | None = None,
        for_good: bool = False,
    ) -> None:
        """End an attempt as failed. Its message says what could not be done, and why.

        If the consequences of its end cannot be worked out either, the task ends without a further attempt.

        Parameters
        ----------
        attempt_id
            An attempt that has ended already is left as it is.
        error
            What was raised.
        doing
            What was being done: completes "the scheduler could not".
        reason
            Of the failure; it decides whether the task is tried again.
        for_good
            The task ends without a further attempt, whatever the reason.
        lease_token
            If given, an attempt that is held under another lease is left as it is.

        Raises
        ------
        UnavailableError
            The database is away; nothing has changed.
        """
        words = f"the scheduler could not {doing}: {describe_error(error)}"
        logger.error("attempt %d fails: %s", attempt_id, words, exc_info=error)
        try:
            await self._end(attempt_id, words, reason, lease_token, for_good=for_good)
        except Exception as second:
            if is_passing(second):
                raise
            logger.exception("attempt %d cannot be ended as usual", attempt_id)
            await self._end(attempt_id, words, reason, lease_token, for_good=True)

    async def _end(
        self, attempt_id: int, words: str, reason: FailureReason, lease_token: str | None, *, for_good: bool
    ) -> None:
        def command(unit: UnitOfWork) -> None:
            known = unit.attempts.find_known([attempt_id]).get(attempt_id)
            if known is None or known.state not in (AttemptState.QUEUED, *LEASED):
                return
            token = known.lease_token or ""
            if lease_token is not None and token != lease_token:
                return
            if known.state is AttemptState.QUEUED:
                token = token_hex(8)
                take_attempts(unit, [_as_queued(known)], SCHEDULER, token, _LEASE)
                known = unit.attempts.find_known([attempt_id])[attempt_id]
            report = AttemptReport(
                attempt_id=attempt_id, lease_token=token, state="failed", reason=reason, message=words
            )
            if for_good:
                fail_for_good(unit, known, report)
            else:
                settle(unit, [(known, report)], self._limits)

        await self._transactor.run(command)


def _as_queued(known: KnownAttempt) -> QueuedAttempt:
    return QueuedAttempt(known.attempt_id, known.task_id, known.job_id, known.number, known.task_type)
