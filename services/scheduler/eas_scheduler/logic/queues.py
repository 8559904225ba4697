"""What operators do to queues: empty them, and fill them again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from eas.contracts.errors import NotFoundError, UnavailableError
from eas.contracts.queues import PurgeResult, RescheduleRequest, RescheduleResult
from eas.contracts.states import FailureReason, TaskState
from eas_scheduler.domain.control import is_rescheduled
from eas_scheduler.domain.job_language.flow_types import FLOW_TYPES
from eas_scheduler.logic.control import cancel_not_running, try_again
from eas_scheduler.logic.ports import TaskQueues, Transactor, UnitOfWork

logger = logging.getLogger(__name__)

#: The most tasks that one transaction moves, so that workers are heard in between.
AT_ONCE = 20_000


class Queues:
    """Purges and reschedules.

    Parameters
    ----------
    transactor
        Of the scheduler.
    broker
        Where doorbells wait besides; None: nowhere.
    at_once
        The most tasks that one transaction moves.
    """

    def __init__(
        self,
        transactor: Transactor,
        broker: TaskQueues | None = None,
        *,
        at_once: int = AT_ONCE,
    ) -> None:
        self._broker = broker
        self._transactor = transactor
        self._at_once = at_once

    async def purge(self, task_type: str, *, by: str) -> PurgeResult:
        """Cancel all that is queued of a type, in paused jobs, too, and block what depends on it.

        A large queue takes several transactions; a claim that commits between them wins.

        Raises
        ------
        NotFoundError
            There is no such task type.
        """
        result = PurgeResult(task_type=task_type, purged=0, blocked=0)
        complete = False
        while not complete:
            purged, blocked = await self._transactor.run(partial(self._purge_some, task_type=task_type, by=by))
            result.purged += purged
            result.blocked += blocked
            complete = purged < self._at_once
        if self._broker is not None:
            with suppress(UnavailableError):  # doorbells for what was purged are harmless
                await self._broker.purge(task_type)
        logger.info("%d tasks were purged from the queue of %s by %s", result.purged, task_type, by)
        return result

    def _purge_some(self, unit: UnitOfWork, *, task_type: str, by: str) -> tuple[int, int]:
        """Cancel a part of a queue. Returns how many tasks are cancelled, and how many are blocked by that."""
        if task_type not in FLOW_TYPES and task_type not in unit.registry.find_task_types():
            raise NotFoundError(f"there is no task type {task_type!r}", where="path.task_type")
        tasks = unit.selection.find_queued_of_type(task_type, self._at_once)
        cancel_not_running(unit, tasks, f"purged by {by}", reason=FailureReason.PURGED)
        return len(tasks), sum(counts[TaskState.BLOCKED] for counts in unit.changes.counts.values())

    async def count_doorbells(self, task_types: Sequence[str]) -> dict[str, int]:
        """Count what waits at the broker, by task type; nothing where there is no broker, or it is away."""
        if self._broker is None:
            return {}
        found: dict[str, int] = {}
        for name in task_types:
            try:
                found[name] = await self._broker.length(name)
            except UnavailableError as error:
                logger.info("doorbells cannot be counted: %s", error)
                return {}
            except Exception:
                logger.exception("the doorbells of the task type %r cannot be counted", name)
        return found

    async def reschedule(self, request: RescheduleRequest, *, job_id: int | None = None) -> RescheduleResult:
        """Give what was purged, and on request what failed, fresh attempts. Doing it again changes nothing.

        Each task is looked at once, in the state that it has then. A task that was rescheduled meanwhile is left.

        Parameters
        ----------
        request
            What is rescheduled.
        job_id
            In which job; None for all.

        Raises
        ------
        NotFoundError
            There is no such job.
        """
        task_ids = await self._transactor.run(partial(_find_out_of_queue, job_id=job_id, failed=request.failed))
        rescheduled = 0
        for start in range(0, len(task_ids), self._at_once):
            part = task_ids[start : start + self._at_once]
            command = partial(_reschedule_some, task_ids=part, failed=request.failed)
            rescheduled += await self._transactor.run(command)
        return RescheduleResult(rescheduled=rescheduled)


def _find_out_of_queue(unit: UnitOfWork, *, job_id: int | None, failed: bool) -> list[int]:
    if job_id is not None and unit.jobs.find(job_id) is None:
        raise NotFoundError(f"there is no job {job_id}", where="path.job_id")
    return unit.selection.find_out_of_queue(job_id, failed=failed)


def _reschedule_some(unit: UnitOfWork, *, task_ids: list[int], failed: bool) -> int:
    tasks = [task for task in unit.selection.find_tasks(task_ids) if is_rescheduled(task, failed=failed)]
    try_again(unit, tasks)
    return len(tasks)
