"""What retries and excuses do to tasks that failed, were cancelled or are blocked: in bulk, by compare-and-swap."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from eas.contracts.states import TaskState
from eas_scheduler.domain.control import ControlledTask
from eas_scheduler.storage.rows import CHUNK, StaleRowError, chunks
from eas_scheduler.storage.schema import dependency_table as _edge
from eas_scheduler.storage.schema import task_table as _task
from eas_scheduler.storage.selection import TASK_COLUMNS, read_tasks

_source = _task.alias("source")

_HOPELESS = [TaskState.FAILED.value, TaskState.BLOCKED.value, TaskState.CANCELLED.value]
_CHANGE_SETTINGS = (
    update(_task)
    .where(_task.c.id == bindparam("key"))
    .values(changed_settings=bindparam("new"), changed_by=bindparam("who"), changed_at=bindparam("when"))
)
_CHANGE_EXECUTION = (
    update(_task)
    .where(_task.c.id == bindparam("key"))
    .values(
        execution=bindparam("all"),
        changed_execution=bindparam("new"),
        changed_by=bindparam("who"),
        changed_at=bindparam("when"),
    )
)


class RetryStore:
    """Tasks of one transaction that go on after they had ended or were blocked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def mark_restored(self, tasks: Sequence[ControlledTask], state: TaskState) -> None:
        """Failed or cancelled to queued or waiting, with a clean slate."""
        values = {
            "state": state.value,
            "attempts": _task.c.attempts + int(state is TaskState.QUEUED),
            "strikes": 0,
            "losses": 0,
            "reason": None,
            "message": None,
        }
        for before in {task.state for task in tasks}:
            same = [task.task_id for task in tasks if task.state is before]
            for part in chunks(same, CHUNK):
                result = self._connection.execute(
                    update(_task).where(_task.c.id.in_(part), _task.c.state == before.value).values(values)
                )
                StaleRowError.check(result.rowcount, len(part), "task")

    def set_changed_settings(self, changed: Mapping[int, Mapping[str, Any]], by: str, at: datetime) -> None:
        """Replace what tasks use instead of their job's own settings, and remember who wished it."""
        self._connection.execute(
            _CHANGE_SETTINGS,
            [{"key": task_id, "new": settings or None, "who": by, "when": at} for task_id, settings in changed.items()],
        )

    def find_changed_execution(self, task_ids: Collection[int]) -> dict[int, dict[str, Any]]:
        """Look up which rules of tasks earlier retries changed."""
        found: dict[int, dict[str, Any]] = {}
        for part in chunks(task_ids, CHUNK):
            query = select(_task.c.id, _task.c.changed_execution).where(_task.c.id.in_(part))
            found |= {row.id: row.changed_execution or {} for row in self._connection.execute(query)}
        return found

    def set_changed_execution(
        self, changed: Mapping[int, tuple[Mapping[str, Any], Mapping[str, Any]]], by: str, at: datetime
    ) -> None:
        """Replace the rules of tasks; for each, all that now hold and those of them that retries changed."""
        self._connection.execute(
            _CHANGE_EXECUTION,
            [
                {"key": task_id, "all": rules, "new": said, "who": by, "when": at}
                for task_id, (rules, said) in changed.items()
            ],
        )

    def unblock_consumers(self, source_ids: Sequence[int]) -> list[ControlledTask]:
        """Blocked to waiting, for all that depends, directly or through others, on tasks that may be done after all."""
        healed: dict[int, ControlledTask] = {}
        frontier = list(source_ids)
        while frontier:
            found: dict[int, ControlledTask] = {}
            for part in chunks(frontier, CHUNK):
                query = (
                    select(*TASK_COLUMNS)
                    .join(_edge, _edge.c.task_id == _task.c.id)
                    .where(_edge.c.source_id.in_(part), _task.c.state == TaskState.BLOCKED.value)
                    .distinct()
                )
                found |= {task.task_id: task for task in read_tasks(self._connection, query)}
            for part in chunks(list(found), CHUNK):
                result = self._connection.execute(
                    update(_task)
                    .where(_task.c.id.in_(part), _task.c.state == TaskState.BLOCKED.value)
                    .values(state=TaskState.WAITING.value, blocked_by=None)
                )
                StaleRowError.check(result.rowcount, len(part), "task")
            healed |= found
            frontier = list(found)
        return list(healed.values())

    def find_causes(self, task_ids: Sequence[int]) -> dict[int, int]:
        """List what these tasks depend on that will not be done, each with the task that is the cause."""
        causes: dict[int, int] = {}
        for part in chunks(task_ids, CHUNK):
            query = (
                select(_source.c.id, func.coalesce(_source.c.blocked_by, _source.c.id).label("cause"))
                .join(_edge, _edge.c.source_id == _source.c.id)
                .where(_edge.c.task_id.in_(part), _source.c.state.in_(_HOPELESS))
                .distinct()
            )
            causes |= {row.id: row.cause for row in self._connection.execute(query)}
        return causes

    def mark_excused(self, task_id: int, excuse: str) -> None:
        """Failed to done, with the excuse. What went wrong stays on record."""
        result = self._connection.execute(
            update(_task)
            .where(_task.c.id == task_id, _task.c.state == TaskState.FAILED.value)
            .values(state=TaskState.DONE.value, excuse=excuse)
        )
        StaleRowError.check(result.rowcount, 1, "task")
