"""Ends attempts whose worker is not coming back, each of them whatever is wrong with the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from eas.contracts.errors import EasError
from eas.contracts.states import FailureReason
from eas.isolation import handle_each, is_passing
from eas_scheduler.domain.attempt import KnownAttempt
from eas_scheduler.domain.losses import Loss, judge_losses
from eas_scheduler.domain.policies import RetryLimits
from eas_scheduler.logic.faulty_attempts import FaultyAttempts
from eas_scheduler.logic.ports import Clock, Transactor, UnitOfWork
from eas_scheduler.logic.progress import lose

logger = logging.getLogger(__name__)


class Losses:
    """Ends attempts as lost.

    Parameters
    ----------
    transactor, clock
        Of the scheduler.
    limits
        Of retries.
    lease
        A worker that was heard of within this time is alive, unless somebody says that it is gone.
    """

    def __init__(
        self,
        transactor: Transactor,
        clock: Clock,
        limits: RetryLimits,
        lease: timedelta = timedelta(seconds=30),
    ) -> None:
        self._transactor = transactor
        self._limits = limits
        self._lease = lease
        self._started_at = clock()
        self._faulty = FaultyAttempts(transactor, limits)

    async def lose(
        self,
        find: Callable[[UnitOfWork], Sequence[KnownAttempt]],
        why: str,
        *,
        reason: FailureReason = FailureReason.LOST,
        gone: str | None = None,
    ) -> int:
        """End attempts as lost, together; those of them that cannot be ended so fail.

        Parameters
        ----------
        find
            Finds them, within the transaction that ends them. What it raises is raised here if it is an `EasError`.
        why
            What is told of each.
        reason
            The reason of each loss.
        gone
            The worker that somebody says is gone.

        Returns
        -------
        How many there were.
        """
        try:
            return await self._lose(find, why, reason, gone, None)
        except Exception as error:
            if is_passing(error) or isinstance(error, EasError):
                raise
            logger.exception("lost attempts cannot be ended together")
        attempt_ids = await self._transactor.run(lambda unit: [found.attempt_id for found in find(unit)])

        async def lose_some(part: Sequence[int]) -> None:
            await self._lose(find, why, reason, gone, part)

        async def fail(attempt_id: int, error: Exception) -> None:
            doing = f"end the attempt as lost ({why})"
            await self._faulty.end(attempt_id, error, doing, reason=FailureReason.INFRASTRUCTURE)

        await handle_each(attempt_ids, lose_some, fail)
        return len(attempt_ids)

    async def _lose(
        self,
        find: Callable[[UnitOfWork], Sequence[KnownAttempt]],
        why: str,
        reason: FailureReason,
        gone: str | None,
        only: Collection[int] | None,
    ) -> int:
        def command(unit: UnitOfWork) -> int:
            found = find(unit)
            losses = self._judge(unit, found, gone) if reason is FailureReason.LOST else {}
            some = [one for one in found if only is None or one.attempt_id in only]
            lose(unit, some, why, self._limits, reason=reason, losses=losses)
            return len(some)

        return await self._transactor.run(command)

    def _judge(self, unit: UnitOfWork, attempts: Sequence[KnownAttempt], gone: str | None) -> dict[int, Loss]:
        """Judge what the losses of workers mean for tasks: by task id, nothing where it means nothing.

        A worker that is alive has lost single attempts only: it was never told of them. Where this scheduler has been
        started since it heard of a worker, both went down together, whatever the worker ran.
        """
        at = unit.changes.at
        found: dict[int, Loss] = {}
        workers = {one.worker_id for one in attempts} | {gone}
        for worker_id in sorted(worker for worker in workers if worker is not None):
            heard = unit.losses.find_last_heard(worker_id)
            if heard is None or heard < self._started_at or unit.losses.has_since(worker_id, heard):
                continue
            if worker_id != gone and heard + self._lease > at:
                continue
            tasks = [one.task_id for one in unit.attempts.find_leased_by(worker_id)]
            unit.losses.add(worker_id, at)
            found |= judge_losses(unit.losses.find_times(tasks), self._limits.losses)
        return found
