"""What operators' verdicts do to rows, by compare-and-swap."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, update

from eas.contracts.scheduler import OutputVersion
from eas.contracts.states import FailureReason, TaskState
from eas_scheduler.domain.control import ControlledTask
from eas_scheduler.domain.override import Maker
from eas_scheduler.storage.rows import CHUNK, StaleRowError, chunks
from eas_scheduler.storage.schema import attempt_table as _attempt
from eas_scheduler.storage.schema import dependency_table as _edge
from eas_scheduler.storage.schema import product_promise_table as _promise
from eas_scheduler.storage.schema import task_table as _task
from eas_scheduler.storage.selection import SelectionStore


class OverrideStore:
    """Tasks and attempts of one transaction, as verdicts change them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_makers(self, version_id: int, directory: str, filename: str, task_id: int) -> list[Maker]:
        """Find the attempts that made or adopted a version, of its own task and of those that promise its name."""
        promisers = select(_promise.c.task_id).where(_promise.c.directory == directory, _promise.c.filename == filename)
        task_ids = {task_id, *self._connection.execute(promisers).scalars()}
        columns = (_task.c.state.label("task_state"), _task.c.reason.label("task_reason"), _task.c.accepted_attempt_id)
        query = (
            select(_attempt.c.id, _attempt.c.task_id, _attempt.c.job_id, _attempt.c.outputs, *columns)
            .join(_task, _task.c.id == _attempt.c.task_id)
            .where(_attempt.c.task_id.in_(task_ids), _attempt.c.outputs.is_not(None))
            .order_by(_attempt.c.id)
        )
        return [
            Maker(
                attempt_id=row.id,
                task_id=row.task_id,
                job_id=row.job_id,
                state=TaskState(row.task_state),
                reason=FailureReason(row.task_reason) if row.task_reason else None,
                accepted=row.accepted_attempt_id == row.id,
                outputs=tuple(OutputVersion.model_validate(output) for output in row.outputs),
            )
            for row in self._connection.execute(query)
            if any(output["version_id"] == version_id for output in row.outputs)
        ]

    def set_outputs(self, attempt_id: int, outputs: Sequence[OutputVersion]) -> None:
        """Replace the verdicts on an attempt's outputs."""
        self._connection.execute(
            update(_attempt)
            .where(_attempt.c.id == attempt_id)
            .values(outputs=[output.model_dump() for output in outputs])
        )

    def mark_revoked(self, task_id: int, attempt_id: int, words: str) -> None:
        """Done to failed: what its accepted attempt made is no longer good, and nobody gets it from now on."""
        result = self._connection.execute(
            update(_task)
            .where(_task.c.id == task_id, _task.c.state == TaskState.DONE.value)
            .where(_task.c.accepted_attempt_id == attempt_id)
            .values(
                state=TaskState.FAILED.value,
                reason=FailureReason.QUALITY.value,
                message=words,
                accepted_attempt_id=None,
            )
        )
        StaleRowError.check(result.rowcount, 1, "task")
        self._connection.execute(update(_promise).where(_promise.c.task_id == task_id).values(version=None))

    def mark_reinstated(self, task_id: int, attempt_id: int) -> None:
        """Failed to done, with an attempt that quality control had not accepted at first."""
        result = self._connection.execute(
            update(_task)
            .where(_task.c.id == task_id, _task.c.state == TaskState.FAILED.value)
            .where(_task.c.reason == FailureReason.QUALITY.value)
            .values(state=TaskState.DONE.value, reason=None, message=None, accepted_attempt_id=attempt_id)
        )
        StaleRowError.check(result.rowcount, 1, "task")

    def hold_consumers(self, source_id: int) -> list[ControlledTask]:
        """Count up what depends on a task that is no longer done. Returns those of them that are queued.

        Those that run, or have run, are counted too: if they are tried again, they wait.
        """
        counted = select(_edge.c.task_id, func.count()).where(_edge.c.source_id == source_id)
        rows = self._connection.execute(counted.group_by(_edge.c.task_id)).all()
        for task_id, edges in rows:
            self._connection.execute(update(_task).where(_task.c.id == task_id).values(unmet=_task.c.unmet + edges))
        consumers = SelectionStore(self._connection).find_tasks([task_id for task_id, _ in rows])
        return [task for task in consumers if task.state is TaskState.QUEUED]

    def mark_waiting(self, task_ids: Sequence[int]) -> None:
        """Queued to waiting. A claim that commits first wins: the task is then no longer found queued."""
        for part in chunks(task_ids, CHUNK):
            result = self._connection.execute(
                update(_task)
                .where(_task.c.id.in_(part), _task.c.state == TaskState.QUEUED.value)
                .values(state=TaskState.WAITING.value)
            )
            StaleRowError.check(result.rowcount, len(part), "task")
