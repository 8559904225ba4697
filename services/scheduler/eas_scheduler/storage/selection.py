"""Which tasks users' control acts on: found by an index, in the state that they have now."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, Select, func, select

from eas.contracts.states import FailureReason, TaskState
from eas_scheduler.domain.control import NOT_RUNNING, ControlledTask
from eas_scheduler.domain.task import FILE
from eas_scheduler.storage.rows import CHUNK, chunks
from eas_scheduler.storage.schema import dependency_table as _edge
from eas_scheduler.storage.schema import job_table as _job
from eas_scheduler.storage.schema import task_table as _task

#: The columns of a `ControlledTask`.
TASK_COLUMNS = tuple(
    _task.c[name] for name in ("id", "job_id", "task_type", "state", "attempts", "unmet", "reason", "execution")
)
_NOT_RUNNING_STATES = [state.value for state in NOT_RUNNING]


def read_tasks(connection: Connection, query: Select[tuple[object, ...]]) -> list[ControlledTask]:
    """Run a query that selects `TASK_COLUMNS`."""
    rows = connection.execute(query)
    return [
        ControlledTask(
            row.id,
            row.job_id,
            row.task_type,
            TaskState(row.state),
            row.attempts,
            row.unmet,
            FailureReason(row.reason) if row.reason else None,
            row.execution,
        )
        for row in rows
    ]


class SelectionStore:
    """Tasks of one transaction, as control selects them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_tasks(self, task_ids: Collection[int]) -> list[ControlledTask]:
        """Look tasks up, in the order of their ids."""
        found: list[ControlledTask] = []
        for part in chunks(sorted(set(task_ids)), CHUNK):
            found += read_tasks(
                self._connection, select(*TASK_COLUMNS).where(_task.c.id.in_(part)).order_by(_task.c.id)
            )
        return found

    def find_not_running(self, job_id: int, after: int, limit: int) -> list[ControlledTask]:
        """List tasks of a job that wait, are queued or are blocked, by id."""
        query = select(*TASK_COLUMNS).where(
            _task.c.job_id == job_id, _task.c.id > after, _task.c.state.in_(_NOT_RUNNING_STATES)
        )
        return read_tasks(self._connection, query.order_by(_task.c.id).limit(limit))

    def find_subtree(self, task_id: int) -> list[ControlledTask]:
        """List a task and all below it."""
        tree = select(_task.c.id).where(_task.c.id == task_id).cte("tree", recursive=True)
        tree = tree.union_all(select(_task.c.id).join(tree, _task.c.parent_id == tree.c.id))
        return read_tasks(
            self._connection, select(*TASK_COLUMNS).join(tree, _task.c.id == tree.c.id).order_by(_task.c.id)
        )

    def find_ended_badly(
        self, job_id: int, states: Collection[TaskState], reasons: Collection[FailureReason]
    ) -> list[ControlledTask]:
        """List tasks of a job that ended in these states, for one of these reasons if there are any."""
        query = select(*TASK_COLUMNS).where(
            _task.c.job_id == job_id, _task.c.state.in_([state.value for state in states])
        )
        if reasons:
            query = query.where(_task.c.reason.in_([reason.value for reason in reasons]))
        return read_tasks(self._connection, query.order_by(_task.c.id))

    def find_queued_of_type(self, task_type: str, limit: int) -> list[ControlledTask]:
        """List queued tasks of a type, those of paused jobs among them."""
        jobs = select(_job.c.id).where(_job.c.queued > 0)
        query = select(*TASK_COLUMNS).where(
            _task.c.job_id.in_(jobs), _task.c.task_type == task_type, _task.c.state == TaskState.QUEUED.value
        )
        return read_tasks(self._connection, query.limit(limit))

    def find_out_of_queue(self, job_id: int | None, *, failed: bool) -> list[int]:
        """List the tasks of a job, or of all, that were purged from their queues; on request also those that failed."""
        purged = (_task.c.state == TaskState.CANCELLED.value) & (_task.c.reason == FailureReason.PURGED.value)
        conditions: list[tuple[ColumnElement[bool], ColumnElement[bool]]] = [(_job.c.cancelled > 0, purged)]
        if failed:
            conditions.append((_job.c.failed > 0, _task.c.state == TaskState.FAILED.value))
        found: list[int] = []
        for has_some, is_wanted in conditions:
            jobs = select(_job.c.id).where(has_some)
            if job_id is not None:
                jobs = jobs.where(_job.c.id == job_id)
            query = select(_task.c.id).where(_task.c.job_id.in_(jobs), is_wanted)
            found += self._connection.execute(query).scalars()
        return sorted(found)

    def has_readers(self, task_id: int) -> bool:
        """Tell whether other tasks read files of this one."""
        query = select(func.count()).select_from(_edge).where(_edge.c.source_id == task_id, _edge.c.kind == FILE)
        return bool(self._connection.execute(query).scalar_one())
