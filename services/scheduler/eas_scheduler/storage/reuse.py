"""What attempts adopt: rows of the undecided, and those of accepted attempts that they are compared with."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Integer, bindparam, func, select, update

from eas.contracts.reuse import ReuseView
from eas.contracts.scheduler import OutputVersion
from eas.contracts.states import AttemptState
from eas_scheduler.domain.attempt import QueuedAttempt, TaskToRun
from eas_scheduler.domain.prepared import PreparedAttempt
from eas_scheduler.domain.reuse import AcceptedAttempt
from eas_scheduler.domain.task import Promise
from eas_scheduler.storage.rows import CHUNK, StaleRowError, chunks
from eas_scheduler.storage.schema import IS_UNDECIDED
from eas_scheduler.storage.schema import attempt_table as _attempt
from eas_scheduler.storage.schema import job_table as _job
from eas_scheduler.storage.schema import product_promise_table as _promise
from eas_scheduler.storage.schema import task_table as _task

#: In how many earlier jobs of the same name an accepted attempt is looked for.
_MOST_JOBS = 5

_IDS: BindParameter[int] = bindparam("ids", expanding=True)
_UNDECIDED = (
    select(
        _attempt.c.id,
        _attempt.c.task_id,
        _attempt.c.job_id,
        _attempt.c.number,
        _attempt.c.task_type,
        _attempt.c.memory_gb,
    )
    .join(_job, _job.c.id == _attempt.c.job_id)
    .where(IS_UNDECIDED, _attempt.c.id > bindparam("after"), _job.c.paused.is_(False))
    .order_by(_attempt.c.id)
    .limit(bindparam("most", type_=Integer))
)
_ACCEPTED = select(
    _attempt.c.id,
    _attempt.c.task_id,
    _attempt.c.job_id,
    _attempt.c.fingerprint,
    _attempt.c.fingerprint_parts,
    _attempt.c.settings,
    _attempt.c.metadata,
    _attempt.c.inputs,
    _attempt.c.outputs,
)
_NEWEST = (
    select(func.max(_attempt.c.id).label("id"))
    .where(
        _attempt.c.fingerprint.in_(bindparam("digests", expanding=True)),
        _attempt.c.fingerprint.is_not(None),
        _attempt.c.state == AttemptState.ACCEPTED.value,
    )
    .group_by(_attempt.c.fingerprint)
    .subquery("newest")
)
# MySQL would go through all attempts and look for each within IN.
_BY_FINGERPRINT = _ACCEPTED.join(_NEWEST, _NEWEST.c.id == _attempt.c.id)
_OF_TASK = (
    _ACCEPTED.add_columns(_task.c.task_type)
    .join(_task, _task.c.accepted_attempt_id == _attempt.c.id)
    .where(_task.c.id == bindparam("key"))
)
_PLACE = select(_task.c.parent_id, _task.c.position).where(_task.c.id == bindparam("key"))
_IDENTITY = select(_task.c.name, _task.c.pointer, _task.c.metadata).where(_task.c.id == bindparam("key"))
_CHILD = select(_task.c.id).where(_task.c.parent_id == bindparam("parent"), _task.c.position == bindparam("position"))
_PROMISED_BEFORE = (
    select(_promise.c.task_id)
    .where(
        _promise.c.directory == bindparam("directory"),
        _promise.c.filename == bindparam("filename"),
        _promise.c.generation < bindparam("generation"),
        _promise.c.version.is_not(None),
    )
    .order_by(_promise.c.generation.desc())
    .limit(1)
)
_JOB_NAME = select(_job.c.name).where(_job.c.id == bindparam("key"))
_EARLIER_ROOTS = (
    select(_job.c.root_task_id)
    .where(_job.c.name == bindparam("name"), _job.c.id < bindparam("before"))
    .order_by(_job.c.id.desc())
    .limit(_MOST_JOBS)
)
_PAUSED = select(_job.c.paused).where(_job.c.id == _attempt.c.job_id).scalar_subquery()


class ReuseStore:
    """What the attempts of one transaction adopt."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_undecided(self, after: int, limit: int) -> list[QueuedAttempt]:
        """List attempts of running jobs that may adopt something, by id."""
        rows = self._connection.execute(_UNDECIDED, {"after": after, "most": limit})
        return [
            QueuedAttempt(
                row.id, row.task_id, row.job_id, row.number, row.task_type, memory_gb=row.memory_gb, undecided=True
            )
            for row in rows
        ]

    def keep_undecided(self, attempt_ids: Collection[int]) -> set[int]:
        """Tell which of these attempts may still adopt something: nobody has cancelled them or paused their job."""
        query = select(_attempt.c.id).join(_job, _job.c.id == _attempt.c.job_id)
        query = query.where(IS_UNDECIDED, _attempt.c.id.in_(_IDS), _job.c.paused.is_(False))
        return {
            row.id
            for part in chunks(attempt_ids, CHUNK)
            for row in self._connection.execute(query, {"ids": list(part)})
        }

    def find_accepted(self, fingerprints: Collection[str]) -> dict[str, AcceptedAttempt]:
        """Find the newest accepted attempt of each fingerprint."""
        return {
            row.fingerprint: _read(row)
            for part in chunks(fingerprints, CHUNK)
            for row in self._connection.execute(_BY_FINGERPRINT, {"digests": list(part)})
        }

    def find_nearest(self, prepared: PreparedAttempt) -> AcceptedAttempt | None:
        """Find the accepted attempt that is to be compared with one that adopts nothing.

        It is that of the older generation of its product or, where there is none, of the same place in an earlier job
        of the same name.
        """
        for promise in prepared.outputs:
            if (found := self._find_older_generation(promise, prepared.task)) is not None:
                return found
        return self._find_same_place(prepared.task)

    def _find_older_generation(self, promise: Promise, task: TaskToRun) -> AcceptedAttempt | None:
        values = {
            "directory": promise.directory,
            "filename": promise.filename,
            "generation": promise.generation,
        }
        maker = self._connection.execute(_PROMISED_BEFORE, values).scalar_one_or_none()
        return None if maker is None else self._find_of_task(maker, task)

    def _find_same_place(self, task: TaskToRun) -> AcceptedAttempt | None:
        name = self._connection.execute(_JOB_NAME, {"key": task.job_id}).scalar_one()
        if name is None:
            return None
        positions = self._find_positions(task)
        for root in self._connection.execute(_EARLIER_ROOTS, {"name": name, "before": task.job_id}).scalars().all():
            if (found := self._find_at(root, positions, task)) is not None:
                return found
        return None

    def _find_positions(self, task: TaskToRun) -> list[int]:
        """Find the way from the root of a job to a task: at each level, which child."""
        positions: list[int] = []
        place: int | None = task.task_id
        while place is not None:
            row = self._connection.execute(_PLACE, {"key": place}).one()
            place = row.parent_id
            if place is not None:
                positions.insert(0, row.position)
        return positions

    def _find_at(self, root: int, positions: Sequence[int], task: TaskToRun) -> AcceptedAttempt | None:
        """Follow a way from the root of another job to the task that is there, if it is the same one."""
        found: int | None = root
        for position in positions:
            found = self._connection.execute(_CHILD, {"parent": found, "position": position}).scalar()
            if found is None:
                return None
        row = self._connection.execute(_IDENTITY, {"key": found}).one()
        same = (row.name, tuple(row.pointer), row.metadata or {}) == (task.name, task.pointer, task.metadata)
        return self._find_of_task(found, task) if same and found is not None else None

    def _find_of_task(self, task_id: int, task: TaskToRun) -> AcceptedAttempt | None:
        row = self._connection.execute(_OF_TASK, {"key": task_id}).one_or_none()
        return _read(row) if row is not None and row.task_type == task.task_type else None

    def mark_adopted(self, records: Mapping[int, ReuseView]) -> None:
        """Record what attempts adopted."""
        result = self._connection.execute(
            update(_attempt)
            .where(_attempt.c.id == bindparam("key"))
            .values(undecided=False, adopted_from=bindparam("origin"), reuse=bindparam("record")),
            [
                {
                    "key": attempt_id,
                    "origin": record.source and record.source.attempt_id,
                    "record": record.model_dump(mode="json"),
                }
                for attempt_id, record in records.items()
            ],
        )
        StaleRowError.check(result.rowcount, len(records), "attempt")

    def mark_decided(self, records: Mapping[int, ReuseView]) -> None:
        """Let attempts be claimed that adopt nothing, and record why. Those of paused jobs stay kept on hold."""
        result = self._connection.execute(
            update(_attempt)
            .where(_attempt.c.id == bindparam("key"), IS_UNDECIDED)
            .values(undecided=False, on_hold=_PAUSED, reuse=bindparam("record")),
            [{"key": attempt_id, "record": record.model_dump(mode="json")} for attempt_id, record in records.items()],
        )
        StaleRowError.check(result.rowcount, len(records), "attempt")


def _read(row: Any) -> AcceptedAttempt:
    return AcceptedAttempt(
        attempt_id=row.id,
        task_id=row.task_id,
        job_id=row.job_id,
        fingerprint=row.fingerprint,
        parts=row.fingerprint_parts,
        settings=row.settings or {},
        metadata=row.metadata or {},
        inputs=row.inputs or {},
        outputs=[OutputVersion.model_validate(one) for one in row.outputs or ()],
    )
