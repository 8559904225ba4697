"""Tables for operators: progress, trouble, queues, who did what when. Reads only, each answered from an index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, case, func, literal, or_, select, text, type_coerce

from eas.contracts.diagnostics import (
    AttemptTrouble,
    HostTable,
    HostView,
    JobFilter,
    ProgressTable,
    QueueContent,
    QueueEntry,
    QueueLength,
    QueueTable,
    Timeline,
    TimelineEntry,
    TroublePage,
    TypeProgress,
)
from eas.contracts.errors import NotFoundError
from eas.contracts.states import FailureReason, TaskState
from eas.database.committer import Database
from eas.database.types import UtcTime
from eas.error_lines import find_error_line
from eas_scheduler.domain.job_language.flow_types import FLOW_TYPES
from eas_scheduler.storage.schema import IS_CLAIMABLE, IS_LEASED
from eas_scheduler.storage.schema import attempt_table as _attempt
from eas_scheduler.storage.schema import job_table as _job
from eas_scheduler.storage.schema import task_table as _task
from eas_scheduler.storage.schema import task_type_table as _type
from eas_scheduler.storage.schema import worker_table as _worker
from eas_scheduler.storage.shipped_task_types import read_shipped_task_types

_IS_TROUBLE = text("attempt.state IN ('failed', 'lost', 'rejected')")
_WAS_TRIED = or_(_attempt.c.reason.is_(None), _attempt.c.reason != FailureReason.EVICTED.value)
_HEAD = 500
_HEADER = "Traceback (most recent call last)"
_QUEUE_HEAD = 100
#: The timeline looks no further back than so many attempts.
_TIMELINE_REACH = 100_000


def conditions_on(chosen: JobFilter, table: Any) -> list[ColumnElement[bool]]:
    """Write the conditions of a filter on a table that has a job and a task type."""
    found: list[ColumnElement[bool]] = []
    if chosen.job_id is not None:
        found.append(table.c.job_id == chosen.job_id)
    if chosen.job_name is not None:
        found.append(table.c.job_id.in_(select(_job.c.id).where(_job.c.name == chosen.job_name)))
    if chosen.task_type is not None:
        found.append(table.c.task_type == chosen.task_type)
    return found


def check_job(connection: Connection, chosen: JobFilter) -> None:
    """Raise `NotFoundError` if a filter names a job that does not exist."""
    if chosen.job_id is None:
        return
    if connection.execute(select(_job.c.id).where(_job.c.id == chosen.job_id)).one_or_none() is None:
        raise NotFoundError(f"there is no job {chosen.job_id}", where="query.job_id")


class DiagnosticsReader:
    """Reads tables about jobs, queues and workers. Raises `NotFoundError` where a filter names an unknown job.

    Parameters
    ----------
    database
        The scheduler's.
    clock
        Tells the time.
    stalled_below
        A running task whose lease has less left than this counts as stalled.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime], stalled_below: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._stalled_below = stalled_below

    async def read_progress(self, chosen: JobFilter) -> ProgressTable:
        """Count tasks by type and state, on one snapshot."""
        stalled_before = self._clock() + self._stalled_below

        def query(connection: Connection) -> ProgressTable:
            check_job(connection, chosen)
            return _read_progress(connection, chosen, stalled_before)

        return await self._database.read(query)

    async def read_errors(self, chosen: JobFilter, *, before: int | None, limit: int) -> TroublePage:
        """List the latest attempts that did not end well, newest last; what was handed back is none of them."""
        conditions = conditions_on(chosen, _attempt)
        if before is not None:
            conditions.append(_attempt.c.id < before)
        found = (
            select(
                _attempt.c.id.label("attempt_id"),
                _attempt.c.task_id,
                _attempt.c.job_id,
                _task.c.job_name,
                _attempt.c.task_type,
                _task.c.name.label("task_name"),
                _attempt.c.number,
                _attempt.c.state,
                _attempt.c.reason,
                # Of a traceback the error is the end.
                case(
                    (_attempt.c.message.contains(_HEADER), _attempt.c.message),
                    else_=func.substr(_attempt.c.message, 1, _HEAD),
                ).label("message"),
                _attempt.c.worker_id,
                _attempt.c.ended_at,
            )
            .select_from(_attempt.join(_task, _task.c.id == _attempt.c.task_id))
            .where(_IS_TROUBLE, _WAS_TRIED, *conditions)
            .order_by(_attempt.c.id.desc())
            .limit(limit + 1)
        )

        def query(connection: Connection) -> Sequence[Any]:
            check_job(connection, chosen)
            return connection.execute(found).all()

        rows = await self._database.read(query)
        items = [_trouble(row) for row in rows[:limit]][::-1]
        return TroublePage(items=items, next_before=items[0].attempt_id if len(rows) > limit else None)

    async def read_queues(self) -> QueueTable:
        """Count what waits in each queue and what is kept on hold from it, and find the age of the oldest."""
        at = self._clock()
        heads = (
            select(_attempt.c.task_type, func.count().label("waiting"), func.min(_attempt.c.id).label("oldest"))
            .where(IS_CLAIMABLE)
            .group_by(_attempt.c.task_type)
            .subquery()
        )
        query = (
            select(heads.c.task_type, heads.c.waiting, _attempt.c.queued_at)
            .select_from(heads.join(_attempt, _attempt.c.id == heads.c.oldest))
            .order_by(heads.c.task_type)
        )
        jobs = select(_job.c.id).where(_job.c.queued > 0)
        by_job = (
            select(_task.c.task_type, func.count().label("tasks"))
            .where(_task.c.job_id.in_(jobs), _task.c.state == TaskState.QUEUED.value)
            .group_by(_task.c.job_id, _task.c.task_type)
            .subquery()
        )
        queued = select(by_job.c.task_type, func.sum(by_job.c.tasks)).group_by(by_job.c.task_type)

        def read(connection: Connection) -> QueueTable:
            heads_by_type = {row.task_type: row for row in connection.execute(query)}
            numbers = {task_type: int(number) for task_type, number in connection.execute(queued)}
            return QueueTable(
                items=[_queue_length(name, numbers[name], heads_by_type.get(name), at) for name in sorted(numbers)]
            )

        return await self._database.read(read)

    async def read_queue(self, task_type: str) -> QueueContent:
        """List the head of one queue. Raises `NotFoundError` for an unknown task type."""
        at = self._clock()

        def query(connection: Connection) -> QueueContent:
            known = select(_type.c.name).where(_type.c.name == task_type)
            is_known = task_type in FLOW_TYPES or task_type in read_shipped_task_types()
            if not is_known and connection.execute(known).one_or_none() is None:
                raise NotFoundError(f"there is no task type {task_type!r}", where="path.task_type")
            conditions = (IS_CLAIMABLE, _attempt.c.task_type == task_type)
            waiting = connection.execute(select(func.count()).select_from(_attempt).where(*conditions)).scalar_one()
            head = (
                select(_attempt, _task.c.job_name, _task.c.name.label("task_name"))
                .select_from(_attempt.join(_task, _task.c.id == _attempt.c.task_id))
                .where(*conditions)
                .order_by(_attempt.c.priority, _attempt.c.start_tag, _attempt.c.id)
                .limit(_QUEUE_HEAD)
            )
            items = [_queue_entry(row, at) for row in connection.execute(head)]
            ids = [item.attempt_id for item in items]
            return QueueContent(task_type=task_type, waiting=waiting, attempt_ids=ids, items=items)

        return await self._database.read(query)

    async def read_timeline(self, chosen: JobFilter, *, min_duration: timedelta, limit: int) -> Timeline:
        """List the newest attempts that workers had for at least `min_duration`, by worker and start."""
        at = self._clock()

        def query(connection: Connection) -> Timeline:
            check_job(connection, chosen)
            newest = connection.execute(select(func.max(_attempt.c.id))).scalar_one_or_none() or 0
            start = func.coalesce(_attempt.c.started_at, _attempt.c.claimed_at)
            end = func.coalesce(_attempt.c.ended_at, literal(at, UtcTime))
            lasted = type_coerce(end, BigInteger) - type_coerce(start, BigInteger)
            conditions = [_attempt.c.id > newest - _TIMELINE_REACH, _attempt.c.worker_id.is_not(None)]
            conditions.append(_attempt.c.task_type.not_in(sorted(FLOW_TYPES)))
            if min_duration:
                conditions.append(lasted >= min_duration // timedelta(microseconds=1))
            rows = connection.execute(
                select(_attempt, _worker.c.host)
                .select_from(_attempt.outerjoin(_worker, _worker.c.worker_id == _attempt.c.worker_id))
                .where(*conditions, *conditions_on(chosen, _attempt))
                .order_by(_attempt.c.id.desc())
                .limit(limit)
            )
            items = [_timeline_entry(row, at) for row in rows]
            return Timeline(items=sorted(items, key=lambda item: (item.worker_id, item.started_at, item.attempt_id)))

        return await self._database.read(query)

    async def read_hosts(self) -> HostTable:
        """List the machines whose workers are here."""

        def query(connection: Connection) -> HostTable:
            workers = connection.execute(select(_worker).where(_worker.c.gone.is_(False))).all()
            counts = (
                select(_attempt.c.worker_id, func.count().label("leased"))
                .where(IS_LEASED)
                .group_by(_attempt.c.worker_id)
            )
            leased = {row.worker_id: row.leased for row in connection.execute(counts)}
            by_host: dict[str, list[Any]] = {}
            for worker in workers:
                by_host.setdefault(worker.host, []).append(worker)
            return HostTable(
                items=[
                    HostView(
                        host=host,
                        workers=len(found),
                        slots=sum(worker.slots for worker in found),
                        running=sum(leased.get(worker.worker_id, 0) for worker in found),
                        last_heard_at=max(worker.last_heard_at for worker in found),
                    )
                    for host, found in sorted(by_host.items())
                ]
            )

        return await self._database.read(query)


def _read_progress(connection: Connection, chosen: JobFilter, stalled_before: datetime) -> ProgressTable:
    # By job first: so the index is read in its own order, whatever the filter.
    by_job = (
        select(_task.c.task_type, _task.c.state, func.count().label("tasks"))
        .where(*conditions_on(chosen, _task))
        .group_by(_task.c.job_id, _task.c.task_type, _task.c.state)
        .subquery()
    )
    counts = select(by_job.c.task_type, by_job.c.state, func.sum(by_job.c.tasks)).group_by(
        by_job.c.task_type, by_job.c.state
    )
    found: dict[str, TypeProgress] = {}
    for task_type, state, number in connection.execute(counts):
        row = found.setdefault(task_type, TypeProgress(task_type=task_type))
        setattr(row, state, int(number))
    lapsing = (
        select(_attempt.c.task_type, func.count())
        .where(IS_LEASED, _attempt.c.lease_expires_at < stalled_before, *conditions_on(chosen, _attempt))
        .group_by(_attempt.c.task_type)
    )
    for task_type, number in connection.execute(lapsing):
        row = found[task_type]
        row.running, row.stalled = row.running - number, number
    return ProgressTable(items=[found[name] for name in sorted(found)])


def _trouble(row: Any) -> AttemptTrouble:
    values = row._asdict()
    if _HEADER in (values["message"] or ""):
        values["message"] = find_error_line(values["message"])[:_HEAD]
    return AttemptTrouble.model_validate(values)


def _queue_length(task_type: str, queued: int, head: Any | None, at: datetime) -> QueueLength:
    return QueueLength(
        task_type=task_type,
        waiting=0 if head is None else head.waiting,
        on_hold=queued if head is None else queued - head.waiting,
        oldest_queued_at=None if head is None else head.queued_at,
        oldest_age=None if head is None else max(0.0, (at - head.queued_at).total_seconds()),
    )


def _queue_entry(row: Any, at: datetime) -> QueueEntry:
    return QueueEntry(
        attempt_id=row.id,
        task_id=row.task_id,
        job_id=row.job_id,
        job_name=row.job_name,
        task_name=row.task_name,
        number=row.number,
        priority=row.priority,
        queued_at=row.queued_at,
        age=max(0.0, (at - row.queued_at).total_seconds()),
    )


def _timeline_entry(row: Any, at: datetime) -> TimelineEntry:
    start = row.started_at or row.claimed_at
    return TimelineEntry(
        worker_id=row.worker_id,
        host=row.host,
        attempt_id=row.id,
        task_id=row.task_id,
        job_id=row.job_id,
        task_type=row.task_type,
        state=row.state,
        started_at=start,
        ended_at=row.ended_at,
        duration=max(0.0, ((row.ended_at or at) - start).total_seconds()),
    )
