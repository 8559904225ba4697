"""State changes in the order in which they were committed."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from eas.contracts.diagnostics import StateChange
from eas.contracts.errors import NotFoundError
from eas.contracts.states import JobState
from eas.database.committer import Database
from eas_scheduler.storage.schema import job_table as _job
from eas_scheduler.storage.schema import task_table as _task
from eas_scheduler.storage.schema import transition_table as _transition

_CHANGES = select(
    _transition.c.id.label("event_id"),
    _transition.c.job_id,
    _transition.c.task_id,
    _transition.c.attempt_id,
    _task.c.task_type,
    _task.c.name.label("task_name"),
    _transition.c.state_before.label("before"),
    _transition.c.state_after.label("after"),
    _transition.c.reason,
    _transition.c.at,
).select_from(_transition.outerjoin(_task, _task.c.id == _transition.c.task_id))


class ChangeReader:
    """Reads state changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_last(self) -> int:
        """Find the id of the newest change; 0 where there is none."""
        query = select(func.max(_transition.c.id))
        return await self._database.read(lambda connection: connection.execute(query).scalar_one_or_none() or 0)

    async def read_changes(self, job_id: int | None, after: int, limit: int) -> list[StateChange]:
        """Read the changes after one, of a job or of all."""
        query = _CHANGES.where(_transition.c.id > after).order_by(_transition.c.id).limit(limit)
        if job_id is not None:
            query = query.where(_transition.c.job_id == job_id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [StateChange.model_validate(row._asdict()) for row in rows]

    async def get_job_state(self, job_id: int) -> JobState:
        """Look a job's state up. Raises `NotFoundError`."""

        def query(connection: Connection) -> JobState:
            state = connection.execute(select(_job.c.state).where(_job.c.id == job_id)).scalar_one_or_none()
            if state is None:
                raise NotFoundError(f"there is no job {job_id}", where="path.job_id")
            return JobState(state)

        return await self._database.read(query)
