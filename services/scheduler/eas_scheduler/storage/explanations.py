"""Looks up what bears on where one task stands. Every query is a few index seeks, however large the job."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from eas.contracts.diagnostics import RelatedTask, UnmetDependency
from eas.contracts.errors import NotFoundError
from eas.contracts.execution import TaskTypeRules
from eas.contracts.reuse import ReuseView
from eas.contracts.states import AttemptState, FailureReason, TaskState
from eas.database.committer import Database
from eas_scheduler.domain.rules import find_rules
from eas_scheduler.domain.why import AttemptFacts, TaskFacts, WorkerFacts
from eas_scheduler.storage.schema import IS_CLAIMABLE, IS_LEASED
from eas_scheduler.storage.schema import attempt_table as _attempt
from eas_scheduler.storage.schema import dependency_table as _edge
from eas_scheduler.storage.schema import job_table as _job
from eas_scheduler.storage.schema import product_promise_table as _promise
from eas_scheduler.storage.schema import task_table as _task
from eas_scheduler.storage.schema import task_type_rules_table as _rules
from eas_scheduler.storage.schema import worker_table as _worker

_MOST_NEEDS = 100
_MOST_BEFORE = 10_000
#: A chain of blocked jobs is followed no further.
_MOST_CAUSES = 100


class ExplanationReader:
    """Reads the facts about one task."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_facts(self, task_id: int) -> TaskFacts:
        """Fetch all that bears on where a task stands, on one snapshot. Raises `NotFoundError`."""
        return await self._database.read(lambda connection: _find_facts(connection, task_id))


def _find_facts(connection: Connection, task_id: int) -> TaskFacts:
    query = select(_task, _job.c.paused).join(_job, _job.c.id == _task.c.job_id).where(_task.c.id == task_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no task {task_id}", where="path.task_id")
    tries = connection.execute(select(_attempt).where(_attempt.c.task_id == task_id).order_by(_attempt.c.number)).all()
    state = TaskState(row.state)
    is_queued = state is TaskState.QUEUED and bool(tries)
    of_type = _find_type_rules(connection, row.task_type)
    return TaskFacts(
        task_id=row.id,
        job_id=row.job_id,
        task_type=row.task_type,
        name=row.name,
        state=state,
        reason=_reason(row),
        message=row.message,
        excuse=row.excuse,
        strikes=row.strikes,
        losses=row.losses,
        job_paused=row.paused,
        children=row.children,
        unmet=row.unmet,
        attempts=[_attempt_facts(one) for one in tries],
        waits_for=_find_unmet(connection, task_id) if state is TaskState.WAITING else (),
        before=_count_before(connection, tries[-1]) if is_queued else None,
        workers=_find_workers(connection, row.task_type) if is_queued else (),
        cause=_find_cause(connection, row.blocked_by) if state is TaskState.BLOCKED else None,
        changed_settings=row.changed_settings or {},
        changed_execution=row.changed_execution or {},
        changed_by=row.changed_by,
        changed_at=row.changed_at,
        rules=find_rules(row.execution, row.task_type, of_type),
        max_running=of_type[row.task_type].max_running if of_type else None,
        running=_count_running(connection, row.task_type) if is_queued and of_type else 0,
    )


def _find_type_rules(connection: Connection, task_type: str) -> dict[str, TaskTypeRules]:
    found = connection.execute(select(_rules.c.rules).where(_rules.c.name == task_type)).scalar_one_or_none()
    return {} if found is None else {task_type: TaskTypeRules.model_validate(found)}


def _count_running(connection: Connection, task_type: str) -> int:
    leased = select(func.count()).where(IS_LEASED, _attempt.c.lease_expires_at.is_not(None))
    return connection.execute(leased.where(_attempt.c.task_type == task_type)).scalar_one()


def _attempt_facts(row: Any) -> AttemptFacts:
    return AttemptFacts(
        attempt_id=row.id,
        number=row.number,
        state=AttemptState(row.state),
        worker_id=row.worker_id,
        queued_at=row.queued_at,
        since=row.started_at or row.claimed_at,
        ended_at=row.ended_at,
        lease_expires_at=row.lease_expires_at,
        reason=_reason(row),
        message=row.message,
        not_before=row.not_before,
        overdue_at=row.overdue_at,
        undecided=row.undecided,
        reuse=None if row.reuse is None else ReuseView.model_validate(row.reuse),
    )


def _reason(row: Any) -> FailureReason | None:
    return None if row.reason is None else FailureReason(row.reason)


def _find_unmet(connection: Connection, task_id: int) -> list[UnmetDependency]:
    rows = connection.execute(
        select(_edge.c.kind, _edge.c.label, _promise.c.filename, *_RELATED)
        .select_from(
            _edge.join(_task, _task.c.id == _edge.c.source_id).outerjoin(_promise, _promise.c.id == _edge.c.promise_id)
        )
        .where(_edge.c.task_id == task_id, _task.c.state != TaskState.DONE.value)
        .order_by(_edge.c.kind, _edge.c.label)
        .limit(_MOST_NEEDS)
    )
    return [
        UnmetDependency(kind=row.kind, label=row.label, filename=row.filename, source=_related(row)) for row in rows
    ]


_RELATED = (
    _task.c.id.label("related_id"),
    _task.c.job_id,
    _task.c.task_type,
    _task.c.name,
    _task.c.state,
    _task.c.reason,
    _task.c.message,
)


def _related(row: Any) -> RelatedTask:
    return RelatedTask(
        task_id=row.related_id,
        job_id=row.job_id,
        task_type=row.task_type,
        name=row.name,
        state=row.state,
        reason=row.reason,
        message=row.message,
    )


def _count_before(connection: Connection, attempt: Any) -> int | None:
    """Count the attempts that will be claimed first; None where there are too many."""
    ahead = or_(
        _attempt.c.priority < attempt.priority,
        and_(_attempt.c.priority == attempt.priority, _attempt.c.start_tag < attempt.start_tag),
        and_(
            _attempt.c.priority == attempt.priority,
            _attempt.c.start_tag == attempt.start_tag,
            _attempt.c.id < attempt.id,
        ),
    )
    first = select(_attempt.c.id).where(IS_CLAIMABLE, _attempt.c.task_type == attempt.task_type, ahead)
    bounded = first.limit(_MOST_BEFORE + 1).subquery()
    count = connection.execute(select(func.count()).select_from(bounded)).scalar_one()
    return None if count > _MOST_BEFORE else count


def _find_workers(connection: Connection, task_type: str) -> list[WorkerFacts]:
    """Fetch the workers that run a task type; one that announced itself before types were kept counts as well."""
    leased = (
        select(_attempt.c.worker_id, func.count().label("leased"))
        .where(IS_LEASED)
        .group_by(_attempt.c.worker_id)
        .subquery()
    )
    rows = connection.execute(
        select(_worker, func.coalesce(leased.c.leased, 0).label("leased"))
        .select_from(_worker.outerjoin(leased, leased.c.worker_id == _worker.c.worker_id))
        .where(_worker.c.gone.is_(False))
    )
    return [
        WorkerFacts(row.worker_id, row.slots, row.leased, row.last_heard_at, row.paused)
        for row in rows
        if row.task_types is None or task_type in row.task_types
    ]


def _find_cause(connection: Connection, task_id: int | None) -> RelatedTask | None:
    """Follow who blocks whom, also into other jobs, to the task that began it."""
    found: RelatedTask | None = None
    seen: set[int] = set()
    while task_id is not None and task_id not in seen and len(seen) < _MOST_CAUSES:
        seen.add(task_id)
        row = connection.execute(select(*_RELATED, _task.c.blocked_by).where(_task.c.id == task_id)).one_or_none()
        if row is None:
            break
        found = _related(row)
        task_id = row.blocked_by if row.state == TaskState.BLOCKED.value else None
    return found
