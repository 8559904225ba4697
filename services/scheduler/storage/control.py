"""What users' control does to rows: in bulk, by compare-and-swap, and always by an index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal, select, update

from services.scheduler.domain.attempt import QueuedAttempt
from services.scheduler.domain.control import UNHELD, ControlledJob, ControlledTask
from services.scheduler.domain.job_mode import JobMode
from services.scheduler.domain.lifecycle import HELD
from services.scheduler.domain.task import FILE
from services.scheduler.storage.jobs import read_mode
from services.scheduler.storage.queue_order import bring_forward
from services.scheduler.storage.rows import CHUNK, StaleRowError, chunks
from services.scheduler.storage.schema import AttemptRow, DependencyRow, JobRow, TaskRow
from shared.contracts.states import AttemptState, FailureReason, JobState, TaskState
from shared.database.types import UtcTime

_job = JobRow.__table__  # type: ignore[attr-defined]
_task = TaskRow.__table__  # type: ignore[attr-defined]
_attempt = AttemptRow.__table__  # type: ignore[attr-defined]
_edge = DependencyRow.__table__  # type: ignore[attr-defined]
_source = _task.alias("source")

_COLUMNS = tuple(
    _task.c[name] for name in ("id", "job_id", "task_type", "state", "attempts", "unmet", "reason", "execution")
)
_HELD_STATES = [state.value for state in HELD]
_UNHELD_STATES = [state.value for state in UNHELD]
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


class ControlStore:
    """Jobs, tasks and attempts of one transaction, as users' control changes them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- what is there ---------------------------------------------------------------------------------------------

    def find_job(self, job_id: int) -> ControlledJob | None:
        """Look a job up."""
        query = select(_job.c.id, _job.c.root_task_id, _job.c.paused, _job.c.state).where(_job.c.id == job_id)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        return ControlledJob(row.id, row.root_task_id, row.paused, row.state != JobState.RUNNING.value)

    def find_tasks(self, task_ids: Collection[int]) -> list[ControlledTask]:
        """Look tasks up, in the order of their ids."""
        found: list[ControlledTask] = []
        for part in chunks(sorted(set(task_ids)), CHUNK):
            found += self._list(select(*_COLUMNS).where(_task.c.id.in_(part)).order_by(_task.c.id))
        return found

    def find_unheld(self, job_id: int, after: int, limit: int) -> list[ControlledTask]:
        """List tasks of a job that wait, are queued or are blocked, by id."""
        query = select(*_COLUMNS).where(_task.c.job_id == job_id, _task.c.id > after, _task.c.state.in_(_UNHELD_STATES))
        return self._list(query.order_by(_task.c.id).limit(limit))

    def find_subtree(self, task_id: int) -> list[ControlledTask]:
        """List a task and all below it."""
        tree = select(_task.c.id).where(_task.c.id == task_id).cte("tree", recursive=True)
        tree = tree.union_all(select(_task.c.id).join(tree, _task.c.parent_id == tree.c.id))
        return self._list(select(*_COLUMNS).join(tree, _task.c.id == tree.c.id).order_by(_task.c.id))

    def find_ended_badly(
        self, job_id: int, states: Collection[TaskState], reasons: Collection[FailureReason]
    ) -> list[ControlledTask]:
        """List tasks of a job that ended in these states, for one of these reasons if there are any."""
        query = select(*_COLUMNS).where(_task.c.job_id == job_id, _task.c.state.in_([state.value for state in states]))
        if reasons:
            query = query.where(_task.c.reason.in_([reason.value for reason in reasons]))
        return self._list(query.order_by(_task.c.id))

    def find_queued_of_type(self, task_type: str, limit: int) -> list[ControlledTask]:
        """List queued tasks of a type, those of paused jobs among them."""
        jobs = select(_job.c.id).where(_job.c.queued > 0)
        query = select(*_COLUMNS).where(
            _task.c.job_id.in_(jobs), _task.c.task_type == task_type, _task.c.state == TaskState.QUEUED.value
        )
        return self._list(query.limit(limit))

    def find_out_of_queue(self, job_id: int | None, *, failed: bool) -> list[int]:
        """List the tasks of a job, or of all, that were purged from their queues; on request also those that failed."""
        purged = (_task.c.state == TaskState.CANCELLED.value) & (_task.c.reason == FailureReason.PURGED.value)
        conditions = [(_job.c.cancelled > 0, purged)]
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

    def _list(self, query: Select[tuple[object, ...]]) -> list[ControlledTask]:
        rows = self._connection.execute(query)
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

    # --- cancel ------------------------------------------------------------------------------------------------------

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
            held = _attempt.c.task_id.in_(part) & _attempt.c.state.in_(_HELD_STATES)
            self._connection.execute(update(_attempt).where(held).values(cancel_requested=True))

    def request_cancel_of_job(self, job_id: int) -> None:
        """Ask the workers that hold attempts of a job to stop them."""
        held = (_attempt.c.job_id == job_id) & _attempt.c.state.in_(_HELD_STATES)
        self._connection.execute(update(_attempt).where(held).values(cancel_requested=True))

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

    # --- pause -------------------------------------------------------------------------------------------------------

    def set_paused(self, job_id: int, at: datetime, *, paused: bool) -> Counter[str]:
        """Hold a job's queued attempts back from claims, or no longer. Returns how many of each type there are.

        Attempts that are queued while the job is paused are held back from the start. Those that are to wait for
        longer, or that may still adopt something, stay held back, and the time that they may be queued begins anew.
        """
        self._connection.execute(update(_job).where(_job.c.id == job_id).values(paused=paused))
        queued = (_attempt.c.job_id == job_id) & (_attempt.c.state == AttemptState.QUEUED.value)
        if paused:
            self._connection.execute(update(_attempt).where(queued).values(held=True))
        else:
            bring_forward(self._connection, job_id)
            queued &= _attempt.c.not_before.is_(None) | (_attempt.c.not_before <= at)
            queued &= _attempt.c.undecided.is_(False)
            self._connection.execute(update(_attempt).where(queued).values(held=False, rung_at=None))
            since = func.coalesce(_attempt.c.not_before, _attempt.c.queued_at)
            limit = _attempt.c.overdue_at - since
            later = update(_attempt).where(queued, _attempt.c.overdue_at.is_not(None))
            now = literal(at, UtcTime)
            # In this order: MariaDB computes each value from what those before it have become.
            self._connection.execute(
                later.ordered_values((_attempt.c.overdue_at, now + limit), (_attempt.c.not_before, now))
            )
        rows = self._connection.execute(
            select(_attempt.c.task_type, func.count()).where(queued).group_by(_attempt.c.task_type)
        )
        return Counter({row[0]: row[1] for row in rows})

    # --- retry and heal ----------------------------------------------------------------------------------------------

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
                    select(*_COLUMNS)
                    .join(_edge, _edge.c.task_id == _task.c.id)
                    .where(_edge.c.source_id.in_(part), _task.c.state == TaskState.BLOCKED.value)
                    .distinct()
                )
                found |= {task.task_id: task for task in self._list(query)}
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

    # --- excuse ------------------------------------------------------------------------------------------------------

    def mark_excused(self, task_id: int, excuse: str) -> None:
        """Failed to done, with the excuse. What went wrong stays on record."""
        result = self._connection.execute(
            update(_task)
            .where(_task.c.id == task_id, _task.c.state == TaskState.FAILED.value)
            .values(state=TaskState.DONE.value, excuse=excuse)
        )
        StaleRowError.check(result.rowcount, 1, "task")

    # --- submission once ---------------------------------------------------------------------------------------------

    def find_submission(self, key: str) -> tuple[int, Mapping[str, object], JobMode] | None:
        """Find the job that was submitted under a key, its document, and how it was submitted."""
        query = select(_job.c.id, _job.c.document, _job.c.rerun, _job.c.reuse).where(_job.c.idempotency_key == key)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else (row.id, row.document, read_mode(row))

    def set_key(self, job_id: int, key: str) -> None:
        """Remember under which key a job was submitted. A second job of the same key is a violation of uniqueness."""
        self._connection.execute(update(_job).where(_job.c.id == job_id).values(idempotency_key=key))
