"""Rows of jobs, and their counts."""

from __future__ import annotations

from collections import Counter, namedtuple
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, func, literal, select, update

from eas.contracts.scheduler import JobView, TaskCounts
from eas.contracts.states import AttemptState, JobState, TaskState
from eas.database.prepared import Prepared, PreparedForKeys, PreparedInsertion
from eas.database.types import UtcTime
from eas_scheduler.domain.control import ControlledJob
from eas_scheduler.domain.job_mode import JobMode
from eas_scheduler.domain.lifecycle import job_state_of
from eas_scheduler.storage.queue_order import bring_forward
from eas_scheduler.storage.schema import attempt_table as _attempt
from eas_scheduler.storage.schema import job_table as _job
from eas_scheduler.storage.schema import key_sequence_table as _sequence

_GIVEN = ("name", "state", "working_directory", "document", "seed", "root_task_id", "submitted_at", "submitted_by")
_ADD = PreparedInsertion(_job, _job.c.id, *_GIVEN, "rerun", "reuse")
_ADD_AS = PreparedInsertion(_job, _job.c.id, "id", *_GIVEN, "rerun", "reuse")
_LEAST = select(_sequence.c.next_key).where(_sequence.c.name == "job")
_HIGHEST = select(func.max(_job.c.id))
_COUNTS = {state: _job.c[state.value] for state in TaskState}
_COUNTING = (
    update(_job)
    .where(_job.c.id == bindparam("key"))
    .values({column: column + bindparam(f"d_{state}") for state, column in _COUNTS.items()})
)
_ADD_COUNTS = Prepared(_COUNTING)
_SET_STATE = Prepared(
    update(_job).where(_job.c.id == bindparam("key")).values(state=bindparam("to"), finished_at=bindparam("end"))
)
#: What a view of a job shows: all but its document.
JOB_COLUMNS = [column for column in _job.c if column.name != "document"]
_MODE = select(_job.c.rerun, _job.c.reuse).where(_job.c.id == bindparam("key"))
_ADD_COUNTS_AND_DESCRIBE = Prepared(_COUNTING.returning(*JOB_COLUMNS))
_DESCRIBE = PreparedForKeys(lambda keys: select(*JOB_COLUMNS).where(_job.c.id.in_(keys)))
_JobColumns = namedtuple("_JobColumns", [column.name for column in JOB_COLUMNS])  # type: ignore[misc]


def view_job(row: Any) -> JobView:
    """Make the view of a job's row."""
    return JobView(
        job_id=row.id,
        name=row.name,
        state=row.state,
        working_directory=row.working_directory,
        counts=TaskCounts(**{state.value: getattr(row, state.value) for state in TaskState}),
        root_task_id=row.root_task_id,
        submitted_at=row.submitted_at,
        submitted_by=row.submitted_by,
        finished_at=row.finished_at,
        paused=row.paused,
        rerun=row.rerun,
        reuse=row.reuse,
    )


def read_mode(row: Any) -> JobMode:
    """Take how a job was submitted from its row."""
    return JobMode(rerun=row.rerun, reuse=row.reuse)


class DocumentCache:
    """Parsed job documents, which never change once submitted.

    Parameters
    ----------
    max_bytes
        Of the text of all of them; what was parsed has several times as much. The last one is kept whatever its size.
    """

    def __init__(self, max_bytes: int = 8 * 2**20) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._documents: dict[int, tuple[int, dict[str, Any]]] = {}
        self._new: list[int] = []

    def remember(self) -> None:
        """Take note of what comes from now on, for `forget_new`."""
        self._new.clear()

    def forget_new(self) -> None:
        """Let go of what came in a transaction that failed: its jobs are not there, and others will have their ids."""
        for job_id in self._new:
            if (found := self._documents.pop(job_id, None)) is not None:
                self._bytes -= found[0]
        self._new.clear()

    def forget(self) -> None:
        """Let go of everything."""
        self._documents.clear()
        self._bytes = 0

    def get(self, job_id: int) -> dict[str, Any] | None:
        """Look one up and keep it for longest."""
        found = self._documents.pop(job_id, None)
        if found is None:
            return None
        self._documents[job_id] = found
        return found[1]

    def put(self, job_id: int, document: dict[str, Any]) -> None:
        """Keep one, letting go of those that were not asked for longest."""
        size = len(orjson.dumps(document))
        self._new.append(job_id)
        self._documents[job_id] = (size, document)
        self._bytes += size
        while self._bytes > self._max_bytes and len(self._documents) > 1:
            oldest = next(iter(self._documents))
            self._bytes -= self._documents.pop(oldest)[0]


class JobStore:
    """Jobs of one transaction."""

    def __init__(self, connection: Connection, documents: DocumentCache) -> None:
        self._connection = connection
        self._documents = documents
        #: Jobs as they were when their counts had been saved, which is the last that most transactions do.
        self._saved: dict[int, Any] = {}

    def add(
        self,
        *,
        name: str | None,
        working_directory: str,
        document: Mapping[str, Any],
        seed: int,
        root_task_id: int,
        submitted_at: datetime,
        submitted_by: str,
        mode: JobMode,
    ) -> int:
        """Insert a job without tasks and return its id."""
        values = {
            "name": name,
            "state": JobState.RUNNING.value,
            "working_directory": working_directory,
            "document": document,
            "seed": seed,
            "root_task_id": root_task_id,
            "submitted_at": submitted_at,
            "submitted_by": submitted_by,
            "rerun": mode.rerun,
            "reuse": mode.reuse,
        }
        least = self._find_least_id()
        if least is None:
            job_id = _ADD.execute(self._connection, values)
        else:
            job_id = _ADD_AS.execute(self._connection, {"id": least, **values})
        self._documents.put(job_id, dict(document))
        return job_id

    def _find_least_id(self) -> int | None:
        """Find the id that the next job must have, where lower ones may have been given before a restore.

        A server is told once which key follows (`eas.database.next_keys`); SQLite takes the highest one and one.
        """
        if self._connection.dialect.name != "sqlite":
            return None
        found = self._connection.execute(_LEAST).scalar_one_or_none()
        highest = self._connection.execute(_HIGHEST).scalar_one() or 0
        return None if found is None or found <= highest + 1 else int(found)

    def find_mode(self, job_id: int) -> JobMode:
        """Look up how a job was submitted."""
        return read_mode(self._connection.execute(_MODE, {"key": job_id}).one())

    def find_newest_seed(self, name: str) -> int | None:
        """Look up the seed of the newest job of a name."""
        query = select(_job.c.seed).where(_job.c.name == name).order_by(_job.c.id.desc()).limit(1)
        return self._connection.execute(query).scalar_one_or_none()

    def describe(self, job_id: int) -> JobView:
        """Show a job as this transaction will leave it, whose changes are saved."""
        if (saved := self._saved.get(job_id)) is not None:
            return view_job(saved)
        (row,) = _DESCRIBE.fetch(self._connection, [job_id])
        return view_job(_JobColumns(*row))

    def find_documents(self, job_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Fetch documents, most of them from memory."""
        wanted = set(job_ids)
        found = {job_id: document for job_id in wanted if (document := self._documents.get(job_id)) is not None}
        if missing := wanted - found.keys():
            rows = self._connection.execute(select(_job.c.id, _job.c.document).where(_job.c.id.in_(missing)))
            for job_id, document in rows:
                self._documents.put(job_id, document)
                found[job_id] = document
        return found

    def add_counts(self, counts: Mapping[int, Counter[TaskState]], at: datetime) -> list[int]:
        """Add to the counts of jobs, and roll them up into states. Returns the jobs that came to their end."""
        changed = {job_id: deltas for job_id, deltas in counts.items() if any(deltas.values())}
        if not changed:
            return []
        steps = [
            {"key": job_id, **{f"d_{state}": deltas.get(state, 0) for state in TaskState}}
            for job_id, deltas in changed.items()
        ]
        rows: list[Sequence[Any]] = []
        if self._connection.dialect.update_returning:
            answers = [_ADD_COUNTS_AND_DESCRIBE.ask(self._connection, step) for step in steps]
            rows += [row for answer in answers for row in answer()]
        else:
            _ADD_COUNTS.send(self._connection, steps)
            rows = _DESCRIBE.fetch(self._connection, list(changed))
        moved = []
        for row in rows:
            job: Any = _JobColumns(*row)
            state = job_state_of(
                unfinished=job.waiting + job.queued + job.running,
                failed=job.failed,
                blocked=job.blocked,
                cancelled=job.cancelled,
            )
            if state != job.state:
                end = None if state is JobState.RUNNING else at
                moved.append({"key": job.id, "to": state.value, "end": end})
                job = job._replace(state=state.value, finished_at=end)
            self._saved[job.id] = job
        _SET_STATE.send(self._connection, moved)
        return [step["key"] for step in moved if step["end"] is not None]

    def find(self, job_id: int) -> ControlledJob | None:
        """Look a job up."""
        query = select(_job.c.id, _job.c.root_task_id, _job.c.paused, _job.c.state).where(_job.c.id == job_id)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        return ControlledJob(row.id, row.root_task_id, row.paused, row.state != JobState.RUNNING.value)

    def set_paused(self, job_id: int, at: datetime, *, paused: bool) -> Counter[str]:
        """Hold a job's queued attempts back from claims, or no longer. Returns how many of each type there are.

        Attempts that are queued while the job is paused are kept on hold from the start. Those that are to wait for
        longer, or that may still adopt something, stay kept on hold, and the time that they may be queued begins anew.
        """
        self._connection.execute(update(_job).where(_job.c.id == job_id).values(paused=paused))
        queued = (_attempt.c.job_id == job_id) & (_attempt.c.state == AttemptState.QUEUED.value)
        if paused:
            self._connection.execute(update(_attempt).where(queued).values(on_hold=True))
        else:
            bring_forward(self._connection, job_id)
            queued &= _attempt.c.not_before.is_(None) | (_attempt.c.not_before <= at)
            queued &= _attempt.c.undecided.is_(False)
            self._connection.execute(update(_attempt).where(queued).values(on_hold=False, rung_at=None))
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

    def find_submission(self, key: str) -> tuple[int, Mapping[str, object], JobMode] | None:
        """Find the job that was submitted under a key, its document, and how it was submitted."""
        query = select(_job.c.id, _job.c.document, _job.c.rerun, _job.c.reuse).where(_job.c.idempotency_key == key)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else (row.id, row.document, read_mode(row))

    def set_key(self, job_id: int, key: str) -> None:
        """Remember under which key a job was submitted. A second job of the same key is a violation of uniqueness."""
        self._connection.execute(update(_job).where(_job.c.id == job_id).values(idempotency_key=key))
