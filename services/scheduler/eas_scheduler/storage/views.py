"""What users ask: jobs, trees, tasks, attempts, results. Reads only, on snapshots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, and_, func, select

from eas.contracts.errors import NotFoundError
from eas.contracts.scheduler import (
    AttemptView,
    JobPage,
    JobView,
    OutputVersion,
    ResultPage,
    ResultView,
    TaskPage,
    TaskTypeView,
    TaskView,
    WorkerView,
)
from eas.contracts.states import JobState, TaskState
from eas.database.committer import Database
from eas_scheduler.domain.job_language.document import resolve_pointer
from eas_scheduler.domain.job_language.flow_types import FLOW_TYPES
from eas_scheduler.domain.tree_place import TreePlace
from eas_scheduler.storage.jobs import JOB_COLUMNS, view_job
from eas_scheduler.storage.schema import IS_LEASED
from eas_scheduler.storage.schema import attempt_table as _attempt
from eas_scheduler.storage.schema import dependency_table as _edge
from eas_scheduler.storage.schema import job_table as _job
from eas_scheduler.storage.schema import product_promise_table as _promise
from eas_scheduler.storage.schema import task_table as _task
from eas_scheduler.storage.schema import task_type_rules_table as _rules
from eas_scheduler.storage.schema import task_type_table as _type
from eas_scheduler.storage.schema import worker_table as _worker
from eas_scheduler.storage.shipped_task_types import read_shipped_task_types
from eas_scheduler.storage.tree import TreeReader

T = TypeVar("T")


class SchedulerViews:
    """Read models of the scheduler."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def _read(self, query: Callable[[Connection], T]) -> T:
        return await self._database.read(query)

    async def check(self) -> None:
        """Read something; raises where the database cannot be read."""
        await self._read(lambda connection: connection.execute(select(func.count()).select_from(_type)).scalar_one())

    async def list_jobs(self, *, name: str | None, state: JobState | None, before: int | None, limit: int) -> JobPage:
        """List jobs, newest first."""
        conditions = []
        if name is not None:
            conditions.append(_job.c.name == name)
        if state is not None:
            conditions.append(_job.c.state == state.value)
        if before is not None:
            conditions.append(_job.c.id < before)
        query = select(*JOB_COLUMNS).where(and_(True, *conditions)).order_by(_job.c.id.desc()).limit(limit + 1)
        rows = await self._read(lambda connection: connection.execute(query).all())
        items = [view_job(row) for row in rows[:limit]]
        return JobPage(items=items, next_before=items[-1].job_id if len(rows) > limit else None)

    async def get_job(self, job_id: int) -> JobView:
        """Fetch one job. Raises `NotFoundError`."""
        query = select(*JOB_COLUMNS).where(_job.c.id == job_id)
        row = await self._read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise _no_job(job_id)
        return view_job(row)

    async def get_document(self, job_id: int) -> dict[str, Any]:
        """Fetch a job's document as it was submitted. Raises `NotFoundError`."""
        query = select(_job.c.document).where(_job.c.id == job_id)
        row = await self._read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise _no_job(job_id)
        document: dict[str, Any] = row.document
        return document

    async def list_tree(self, job_id: int, place: TreePlace, *, running: bool = False) -> TaskPage:
        """List tasks of a job in pre-order, or only what runs with all above it.

        Raises
        ------
        NotFoundError
            There is no such job or root.
        InvalidInputError
            The cursor is malformed.
        """

        def query(connection: Connection) -> TaskPage:
            top = connection.execute(select(_job.c.root_task_id).where(_job.c.id == job_id)).scalar_one_or_none()
            if top is None:
                raise _no_job(job_id)
            tree = TreeReader(connection, job_id, top if place.root is None else place.root)
            return tree.read_running(place) if running else tree.read(place)

        return await self._read(query)

    async def list_results(self, job_id: int, *, task_type: str | None, after: int, limit: int) -> ResultPage:
        """List finished tasks of a job that workers ran, with the metadata that their accepted attempts gave."""
        await self.get_job(job_id)
        conditions = [_task.c.job_id == job_id, _task.c.id > after, _task.c.task_type.not_in(sorted(FLOW_TYPES))]
        conditions.append(_task.c.state.in_([TaskState.DONE.value, TaskState.FAILED.value]))
        if task_type is not None:
            conditions.append(_task.c.task_type == task_type)
        query = (
            select(_task, _attempt.c.metadata.label("result"), _attempt.c.outputs)
            .select_from(_task.outerjoin(_attempt, _attempt.c.id == _task.c.accepted_attempt_id))
            .where(*conditions)
            .order_by(_task.c.id)
            .limit(limit + 1)
        )
        rows = await self._read(lambda connection: connection.execute(query).all())
        items = [_result_view(row) for row in rows[:limit]]
        return ResultPage(items=items, next_after=items[-1].task_id if len(rows) > limit else None)

    async def get_task(self, task_id: int) -> TaskView:
        """Fetch one task with all its attempts. Raises `NotFoundError`."""
        return await self._read(lambda connection: _find_task(connection, task_id))

    async def get_attempt(self, attempt_id: int) -> AttemptView:
        """Fetch one attempt. Raises `NotFoundError`."""
        query = select(_attempt).where(_attempt.c.id == attempt_id)
        row = await self._read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise NotFoundError(f"there is no attempt {attempt_id}", where="path.attempt_id")
        return _attempt_view(row)

    async def list_workers(self) -> list[WorkerView]:
        """List workers with the number of attempts that they hold."""
        leased = (
            select(_attempt.c.worker_id, func.count().label("running"))
            .where(IS_LEASED, _attempt.c.lease_expires_at.is_not(None))
            .group_by(_attempt.c.worker_id)
            .subquery()
        )
        query = (
            select(_worker, func.coalesce(leased.c.running, 0).label("running"))
            .select_from(_worker.outerjoin(leased, leased.c.worker_id == _worker.c.worker_id))
            .order_by(_worker.c.announced_at)
        )
        rows = await self._read(lambda connection: connection.execute(query).all())
        return [WorkerView.model_validate(row._asdict()) for row in rows]

    async def list_task_types(self) -> list[TaskTypeView]:
        """List what can be written under ``task`` in a job."""

        def query(connection: Connection) -> tuple[list[dict[str, Any]], dict[str, Any]]:
            announced = connection.execute(select(_type.c.description)).scalars().all()
            rules = connection.execute(select(_rules.c.name, _rules.c.rules))
            return list(announced), {row.name: row.rules for row in rules}

        announced, rules = await self._read(query)
        shipped = {name: found.model_dump() | {"announced": False} for name, found in read_shipped_task_types().items()}
        known = shipped | {found["name"]: found for found in announced}
        flow = [
            TaskTypeView(name=name, version="1", inputs=[], outputs=[], settings_schema={}, built_in=True)
            for name in sorted(FLOW_TYPES)
        ]
        others = [known[name] | {"rules": rules.get(name, {})} for name in sorted(known)]
        return [*flow, *(TaskTypeView.model_validate(found) for found in others)]


def _no_job(job_id: int) -> NotFoundError:
    return NotFoundError(f"there is no job {job_id}", where="path.job_id")


def _result_view(row: Any) -> ResultView:
    metadata = row.result or {}
    outcome = metadata.get("outcome")
    return ResultView(
        task_id=row.id,
        task_type=row.task_type,
        name=row.name,
        state=row.state,
        outcome=outcome if isinstance(outcome, str) else None,
        inherited=row.metadata or {},
        metadata=metadata,
        outputs=row.outputs or [],
    )


def _attempt_view(row: Any) -> AttemptView:
    return AttemptView(
        attempt_id=row.id,
        task_id=row.task_id,
        number=row.number,
        state=row.state,
        worker_id=row.worker_id,
        queued_at=row.queued_at,
        claimed_at=row.claimed_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        lease_expires_at=row.lease_expires_at,
        wall_time=row.wall_time,
        cpu_time=row.cpu_time,
        cpu_time_with_children=row.cpu_time_with_children,
        peak_memory=row.peak_memory,
        read_bytes=row.read_bytes,
        written_bytes=row.written_bytes,
        reason=row.reason,
        message=row.message,
        not_before=row.not_before,
        run_timeout=row.run_timeout,
        memory_gb=row.memory_gb,
        settings=row.settings,
        metadata=row.metadata or {},
        inputs={slot: OutputVersion.model_validate(found) for slot, found in (row.inputs or {}).items()},
        outputs=row.outputs or [],
        fingerprint=row.fingerprint,
        adopted_from=row.adopted_from,
        reuse=row.reuse,
    )


def _find_task(connection: Connection, task_id: int) -> TaskView:
    row = connection.execute(select(_task).where(_task.c.id == task_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no task {task_id}", where="path.task_id")
    document = connection.execute(select(_job.c.document).where(_job.c.id == row.job_id)).scalar_one()
    description = resolve_pointer(document, tuple(row.pointer))
    edges = connection.execute(
        select(_edge.c.kind, _edge.c.label, _edge.c.source_id, _promise.c.filename)
        .select_from(_edge.outerjoin(_promise, _promise.c.id == _edge.c.promise_id))
        .where(_edge.c.task_id == task_id)
    ).all()
    outputs = connection.execute(select(_promise.c.slot, _promise.c.filename).where(_promise.c.task_id == task_id))
    attempts = connection.execute(
        select(_attempt).where(_attempt.c.task_id == task_id).order_by(_attempt.c.number)
    ).all()
    return TaskView(
        task_id=row.id,
        job_id=row.job_id,
        parent_id=row.parent_id,
        task_type=row.task_type,
        name=row.name,
        job_name=row.job_name,
        working_directory=row.working_directory,
        state=row.state,
        description={key: value for key, value in description.items() if key != "task_list"},
        metadata=row.metadata or {},
        seed=row.seed,
        changed_settings=row.changed_settings or {},
        changed_execution=row.changed_execution or {},
        changed_by=row.changed_by,
        changed_at=row.changed_at,
        execution=row.execution or {},
        unmet_dependencies=row.unmet,
        inputs={edge.label: edge.filename for edge in edges if edge.kind == "file"},
        outputs={found.slot: found.filename for found in outputs},
        requires_metadata_from={edge.label: edge.source_id for edge in edges if edge.kind == "metadata"},
        blocked_by=row.blocked_by,
        excuse=row.excuse,
        adopted_from=next((one.adopted_from for one in attempts if one.id == row.accepted_attempt_id), None),
        attempts=[_attempt_view(attempt) for attempt in attempts],
    )
