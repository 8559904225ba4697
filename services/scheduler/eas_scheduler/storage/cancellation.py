"""What cancelling does to tasks and attempts: in bulk, by compare-and-swap."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from eas.contracts.states import AttemptState, FailureReason, TaskState
from eas_scheduler.domain.attempt import QueuedAttempt
from eas_scheduler.domain.control import ControlledTask
from eas_scheduler.domain.lifecycle import LEASED
from eas_scheduler.storage.rows import CHUNK, StaleRowError, chunks
from eas_scheduler.storage.schema import attempt_table as _attempt
from eas_scheduler.storage.schema import dependency_table as _edge
from eas_scheduler.storage.schema import task_table as _task

_LEASED_STATES = [state.value for state in LEASED]


class CancellationStore:
    """Tasks and attempts of one transaction, as they are cancelled."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def mark_cancelled(self, tasks: Sequence[ControlledTask], reason: FailureReason, message: str) -> None:
        """End tasks that no worker holds. A claim that commits first wins: the task is then no longer found queued."""
        values = {
            "state": TaskState.CANCELLED.value,
            "reason": reason.value,
            "message": message,
            "blocked_by": None,
        }
        for state in {task.state for task in tasks}:
            same = [task.task_id for task in tasks if task.state is state]
            for part in chunks(same, CHUNK):
                result = self._connection.execute(
                    update(_task).where(_task.c.id.in_(part), _task.c.state == state.value).values(values)
                )
                StaleRowError.check(result.rowcount, len(part), "task")

    def cancel_queued_attempts(
        self, task_ids: Sequence[int], reason: FailureReason, message: str, at: datetime
    ) -> list[QueuedAttempt]:
        """Take the queued attempts of tasks out of their queues."""
        taken: list[QueuedAttempt] = []
        for part in chunks(task_ids, CHUNK):
            queued = _attempt.c.task_id.in_(part) & (_attempt.c.state == AttemptState.QUEUED.value)
            columns = (_attempt.c.id, _attempt.c.task_id, _attempt.c.job_id, _attempt.c.number, _attempt.c.task_type)
            rows = self._connection.execute(select(*columns).where(queued)).all()
            taken += [QueuedAttempt(row.id, row.task_id, row.job_id, row.number, row.task_type) for row in rows]
            self._connection.execute(
                update(_attempt)
                .where(queued)
                .values(
                    state=AttemptState.CANCELLED.value,
                    reason=reason.value,
                    message=message,
                    ended_at=at,
                )
            )
        return taken

    def mark_given_up(self, task_ids: Sequence[int], message: str) -> None:
        """Make purged tasks cancelled ones, which rescheduling passes over."""
        for part in chunks(task_ids, CHUNK):
            self._connection.execute(
                update(_task)
                .where(_task.c.id.in_(part), _task.c.state == TaskState.CANCELLED.value)
                .values(reason=FailureReason.CANCELLED.value, message=message)
            )

    def request_cancel(self, task_ids: Sequence[int]) -> None:
        """Ask the workers that hold attempts of these tasks to stop them; their next heartbeats say so."""
        for part in chunks(task_ids, CHUNK):
            leased = _attempt.c.task_id.in_(part) & _attempt.c.state.in_(_LEASED_STATES)
            self._connection.execute(update(_attempt).where(leased).values(cancel_requested=True))

    def request_cancel_of_job(self, job_id: int) -> None:
        """Ask the workers that hold attempts of a job to stop them."""
        leased = (_attempt.c.job_id == job_id) & _attempt.c.state.in_(_LEASED_STATES)
        self._connection.execute(update(_attempt).where(leased).values(cancel_requested=True))

    def find_awaited(self, task_ids: Sequence[int], *, outside: int | None) -> list[int]:
        """List which of these tasks others, or others outside of a job, still wait for."""
        found: set[int] = set()
        for part in chunks(task_ids, CHUNK):
            query = (
                select(_edge.c.source_id)
                .join(_task, _task.c.id == _edge.c.task_id)
                .where(_edge.c.source_id.in_(part), _task.c.state == TaskState.WAITING.value)
                .where(_task.c.job_id != (-1 if outside is None else outside))
                .distinct()
            )
            found.update(self._connection.execute(query).scalars())
        return sorted(found)
