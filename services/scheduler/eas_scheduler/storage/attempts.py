"""Rows of attempts: the queue is those in state queued, a lease is those that a worker holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Integer, bindparam, func, insert, select, text, update

from eas.contracts.scheduler import AttemptReport
from eas.contracts.states import AttemptState, FailureReason
from eas.database.prepared import Prepared, PreparedForKeys, prepare_insert
from eas_scheduler.domain.attempt import KnownAttempt, QueuedAttempt
from eas_scheduler.domain.prepared import PreparedAttempt
from eas_scheduler.storage.keys import KeyBlocks
from eas_scheduler.storage.queue_order import Queue, find_first_tags
from eas_scheduler.storage.rows import CHUNK, StaleRowError, chunks
from eas_scheduler.storage.schema import IS_DELAYED, IS_LEASED, MAY_BE_OVERDUE
from eas_scheduler.storage.schema import attempt_table as _attempt
from eas_scheduler.storage.schema import job_table as _job
from eas_scheduler.storage.schema import task_table as _task

_KNOWN = select(
    _attempt.c.id,
    _attempt.c.task_id,
    _attempt.c.job_id,
    _attempt.c.number,
    _attempt.c.task_type,
    _attempt.c.state,
    _attempt.c.worker_id,
    _attempt.c.lease_token,
    _attempt.c.cancel_requested,
    _task.c.strikes,
    _task.c.losses,
    _attempt.c.memory_gb,
    _task.c.execution,
    _attempt.c.priority,
    _attempt.c.start_tag,
).select_from(_attempt.join(_task, _task.c.id == _attempt.c.task_id))
_EXPIRED = (
    _KNOWN.where(IS_LEASED, _attempt.c.lease_expires_at < bindparam("at"))
    .order_by(_attempt.c.lease_expires_at, _attempt.c.id)
    .limit(bindparam("most", type_=Integer))
)
# A leased attempt has a lease time: that names the index, which the order by id would hide.
_LEASED_BY = _KNOWN.where(
    IS_LEASED, _attempt.c.lease_expires_at.is_not(None), _attempt.c.worker_id == bindparam("worker")
).order_by(_attempt.c.lease_expires_at, _attempt.c.id)
_KNOWN_BY_ID = PreparedForKeys(lambda keys: _KNOWN.where(_attempt.c.id.in_(keys)))
_PAUSED = select(_job.c.paused).where(_job.c.id == bindparam("job")).scalar_subquery()
_NEW = (
    *("id", "task_id", "job_id", "number", "task_type", "priority", "start_tag", "state", "cancel_requested"),
    "queued_at",
)
_RULED = (*_NEW, "not_before", "overdue_at", "memory_gb")
_ADD_QUEUED = Prepared(insert(_attempt).values({name: bindparam(name) for name in _NEW} | {"on_hold": _PAUSED}))
_ADD_RULED = Prepared(insert(_attempt).values({name: bindparam(name) for name in _RULED} | {"on_hold": _PAUSED}))
_ADD_DELAYED = Prepared(insert(_attempt).values({name: bindparam(name) for name in _RULED} | {"on_hold": True}))
_ADD_UNDECIDED = Prepared(
    insert(_attempt).values({name: bindparam(name) for name in _RULED} | {"on_hold": True, "undecided": True})
)
_ADD_EXPANDED = prepare_insert(_attempt, *_NEW, "claimed_at", "started_at", "ended_at", "worker_id")
_DELAYED = (
    select(_attempt.c.id, _attempt.c.task_type, _attempt.c.not_before)
    .join(_job, _job.c.id == _attempt.c.job_id)
    .where(IS_DELAYED, _job.c.paused.is_(False))
    .order_by(_attempt.c.not_before)
    .limit(bindparam("most", type_=Integer))
)
_DUE = _DELAYED.where(_attempt.c.not_before <= bindparam("at"))
_OVERDUE = (
    _KNOWN.where(MAY_BE_OVERDUE, _attempt.c.overdue_at <= bindparam("at"))
    .order_by(_attempt.c.overdue_at)
    .limit(bindparam("most", type_=Integer))
)
_NEXT_OVERDUE = select(func.min(_attempt.c.overdue_at)).where(MAY_BE_OVERDUE)
_LEASED_BY_TYPE = (
    select(_attempt.c.task_type, func.count())
    .where(IS_LEASED, _attempt.c.lease_expires_at.is_not(None))
    .group_by(_attempt.c.task_type)
)
_TAKE = PreparedForKeys(
    lambda keys: (
        update(_attempt)
        .where(_attempt.c.id.in_(keys), _attempt.c.state == AttemptState.QUEUED.value)
        .values(
            state=AttemptState.RUNNING.value,
            worker_id=bindparam("worker"),
            lease_token=bindparam("token"),
            lease_expires_at=bindparam("expires"),
            claimed_at=bindparam("at"),
        )
    )
)
_RECORD_LIMITS = Prepared(
    update(_attempt)
    .where(_attempt.c.id == bindparam("key"))
    .values(run_timeout=bindparam("seconds"), memory_gb=bindparam("gb"))
)
_RECORD_PREPARATION = Prepared(
    update(_attempt)
    .where(_attempt.c.id == bindparam("key"))
    .values(
        settings=bindparam("evaluated"),
        inputs=bindparam("read"),
        fingerprint=bindparam("digest"),
        fingerprint_parts=bindparam("digests"),
    )
)
_RENEW = PreparedForKeys(
    lambda keys: (
        update(_attempt).where(_attempt.c.id.in_(keys), IS_LEASED).values(lease_expires_at=bindparam("expires"))
    )
)
_END = Prepared(
    update(_attempt)
    .where(_attempt.c.id == bindparam("key"), IS_LEASED)
    .values(
        state=bindparam("to"),
        reason=bindparam("why"),
        message=bindparam("words"),
        started_at=bindparam("start"),
        ended_at=bindparam("end"),
        wall_time=bindparam("wall"),
        cpu_time=bindparam("cpu"),
        cpu_time_with_children=bindparam("cpu_all"),
        peak_memory=bindparam("peak"),
        read_bytes=bindparam("bytes_in"),
        written_bytes=bindparam("bytes_out"),
        metadata=bindparam("result"),
        outputs=bindparam("made"),
    )
)


_HEAD = (
    "SELECT id, task_id, job_id, number, task_type, priority, start_tag, memory_gb FROM attempt"
    " WHERE state = 'queued' AND NOT on_hold AND task_type = {type} ORDER BY priority, start_tag, id LIMIT {most}"
)
#: Where the engine can seek once for each row of a list. It plans this in a fifth of the time, and plans at each turn.
_HEADS_OF_LIST = (
    "unnest(CAST(:types AS varchar[]), CAST(:mosts AS integer[])) AS wanted (name, most)"
    f" CROSS JOIN LATERAL ({_HEAD.format(type='wanted.name', most='wanted.most')}) AS head"
)
_ONE_HEAD = f"SELECT * FROM ({_HEAD.format(type=':type{number}', most=':most{number}')}) AS head{{number}}"  # noqa: S608
_IS_PRESENT = " WHERE EXISTS (SELECT 1 FROM worker WHERE worker_id = :worker AND NOT gone)"
_FIRST = (
    "SELECT id, task_id, job_id, number, task_type, memory_gb FROM {heads}{present}"
    " ORDER BY priority, start_tag, id LIMIT :most"
)


@lru_cache(maxsize=64)
def _queue_query(types: int | None, *, for_worker: bool) -> Prepared:
    """Write the query for the heads of `types` queues, or of a list: one index seek each, merged in their order.

    For a worker that is not there it finds nothing.
    """
    heads = _HEADS_OF_LIST
    if types is not None:
        each = (_ONE_HEAD.format(number=number) for number in range(types))
        heads = f"({' UNION ALL '.join(each)}) AS heads"
    return Prepared(text(_FIRST.format(heads=heads, present=_IS_PRESENT if for_worker else "")))


class AttemptStore:
    """Attempts of one transaction."""

    def __init__(self, connection: Connection, keys: KeyBlocks) -> None:
        self._connection = connection
        self._keys = keys

    def take_ids(self, count: int) -> range:
        """Reserve successive attempt ids."""
        return self._keys.take(self._connection, "attempt", count)

    def add_queued(self, attempts: Sequence[QueuedAttempt], at: datetime) -> None:
        """Insert new attempts into their queues; those of paused jobs, and the undecided, are kept on hold."""
        if not attempts:
            return
        tagged = zip(attempts, self._tag(attempts), strict=True)
        if not any(_is_ruled(one) or one.undecided for one in attempts):  # what may be millions is not copied
            _ADD_QUEUED.send(self._connection, (_new_row(one, at, tag) for one, tag in tagged))
            return
        chosen: dict[Prepared, list[tuple[QueuedAttempt, int]]] = {}
        for one, tag in tagged:
            chosen.setdefault(_choose_insertion(one), []).append((one, tag))
        for statement, some in chosen.items():
            statement.send(self._connection, (_new_row(one, at, tag) | _ruled_columns(one) for one, tag in some))

    def _tag(self, attempts: Sequence[QueuedAttempt]) -> Iterator[int]:
        """Find the start tags of attempts, in their order."""
        queues = dict.fromkeys(_queue_of(one) for one in attempts if one.start_tag is None)
        first = find_first_tags(self._connection, list(queues))
        before: Counter[tuple[int, int]] = Counter()
        for one in attempts:
            if one.start_tag is not None:
                yield one.start_tag
                continue
            flow = (one.job_id, one.priority)
            yield first[_queue_of(one)] + before[flow]
            before[flow] += 1

    def add_expanded(self, attempts: Sequence[QueuedAttempt], at: datetime, worker_id: str) -> None:
        """Insert the attempts of flow-control tasks that were expanded where they were made."""
        life = {
            "state": AttemptState.ACCEPTED.value,
            "claimed_at": at,
            "started_at": at,
            "ended_at": at,
            "worker_id": worker_id,
        }
        _ADD_EXPANDED.send(self._connection, (_new_row(attempt, at) | life for attempt in attempts))

    def find_queued(
        self, limits: Mapping[str, int], limit: int, *, worker_id: str | None = None
    ) -> list[QueuedAttempt]:
        """List the first queued attempts of these task types, at most so many of each and in all.

        Where they are for a worker, there are none unless it has announced itself and was not declared gone since.
        """
        wanted = {name: most for name, most in limits.items() if most > 0}
        if not wanted or limit <= 0:
            return []
        values: dict[str, Any] = {"most": limit} if worker_id is None else {"most": limit, "worker": worker_id}
        takes_lists = self._connection.dialect.name == "postgresql"
        if takes_lists:
            values |= {"types": list(wanted), "mosts": [min(most, limit) for most in wanted.values()]}
        else:
            for number, (name, most) in enumerate(wanted.items()):
                values |= {f"type{number}": name, f"most{number}": min(most, limit)}
        query = _queue_query(None if takes_lists else len(wanted), for_worker=worker_id is not None)
        rows = query.fetch(self._connection, values)
        return [
            QueuedAttempt(attempt_id, task_id, job_id, number, task_type, memory_gb=memory_gb)
            for attempt_id, task_id, job_id, number, task_type, memory_gb in rows
        ]

    def count_leased(self) -> Counter[str]:
        """Count the attempts that workers hold, by task type."""
        return Counter({row[0]: row[1] for row in self._connection.execute(_LEASED_BY_TYPE)})

    def mark_running(
        self, attempt_ids: Sequence[int], *, worker_id: str, lease_token: str, expires_at: datetime, at: datetime
    ) -> None:
        """Queued to running, with the lease, in one statement: two claims cannot take the same attempt."""
        values = {"worker": worker_id, "token": lease_token, "expires": expires_at, "at": at}
        _TAKE.send(self._connection, attempt_ids, values, StaleRowError.expecting(len(attempt_ids), "attempt"))

    def record_preparation(self, prepared: Sequence[PreparedAttempt]) -> None:
        """Record the settings as evaluated, the exact input versions, and the fingerprints of attempts."""
        rows = [
            {
                "key": one.attempt.attempt_id,
                "evaluated": one.settings or None,
                "read": one.inputs or None,
                "digest": one.fingerprint and one.fingerprint.digest,
                "digests": one.fingerprint and one.fingerprint.parts,
            }
            for one in prepared
            if one.settings or one.inputs or one.fingerprint
        ]
        _RECORD_PREPARATION.send(self._connection, rows)

    def record_limits(self, limits: Sequence[tuple[int, float | None, float | None]]) -> None:
        """Record how long attempts may run and how much memory they may use: (id, seconds, GB)."""
        rows = [{"key": attempt_id, "seconds": seconds, "gb": gb} for attempt_id, seconds, gb in limits]
        _RECORD_LIMITS.send(self._connection, rows)

    # --- what is to happen at a set time -------------------------------------------------------------------------

    def release_due(self, at: datetime, limit: int) -> Counter[str]:
        """Let attempts be claimed whose pause is over. Returns how many of each type there were."""
        rows = self._connection.execute(_DUE, {"at": at, "most": limit}).all()
        if rows:
            self._connection.execute(
                update(_attempt).where(_attempt.c.id.in_([row.id for row in rows])).values(on_hold=False, rung_at=None)
            )
        return Counter(row.task_type for row in rows)

    def find_overdue(self, at: datetime, limit: int) -> list[KnownAttempt]:
        """List queued attempts that nobody took in time."""
        return [_known(row) for row in self._connection.execute(_OVERDUE, {"at": at, "most": limit})]

    def mark_overdue(self, attempt_ids: Sequence[int], message: str, at: datetime) -> None:
        """Queued to cancelled, because nobody took them in time."""
        result = self._connection.execute(
            update(_attempt)
            .where(_attempt.c.id.in_(attempt_ids), _attempt.c.state == AttemptState.QUEUED.value)
            .values(
                state=AttemptState.CANCELLED.value, reason=FailureReason.TIMEOUT.value, message=message, ended_at=at
            )
        )
        StaleRowError.check(result.rowcount, len(attempt_ids), "attempt")

    def find_next_time(self) -> datetime | None:
        """Find when the next pause ends or the next attempt has been queued for too long."""
        times: list[datetime] = [row.not_before for row in self._connection.execute(_DELAYED, {"most": 1})]
        if (overdue := self._connection.execute(_NEXT_OVERDUE).scalar_one()) is not None:
            times.append(overdue)
        return min(times, default=None)

    def find_known(self, attempt_ids: Sequence[int]) -> dict[int, KnownAttempt]:
        """Fetch attempts by id, whatever their state."""
        return {row[0]: _known(row) for row in _KNOWN_BY_ID.fetch(self._connection, attempt_ids)}

    def find_expired(self, at: datetime, limit: int) -> list[KnownAttempt]:
        """List leased attempts whose lease ended before `at`."""
        rows = self._connection.execute(_EXPIRED, {"at": at, "most": limit})
        return [_known(row) for row in rows]

    def find_leased_by(self, worker_id: str) -> list[KnownAttempt]:
        """List the attempts that a worker holds."""
        rows = self._connection.execute(_LEASED_BY, {"worker": worker_id})
        return [_known(row) for row in rows]

    def mark_checking(self, attempt_ids: Sequence[int]) -> None:
        """Running to checking, as a heartbeat said."""
        for part in chunks(attempt_ids, CHUNK):
            result = self._connection.execute(
                update(_attempt)
                .where(_attempt.c.id.in_(part), _attempt.c.state == AttemptState.RUNNING.value)
                .values(state=AttemptState.CHECKING.value)
            )
            StaleRowError.check(result.rowcount, len(part), "attempt")

    def renew_leases(self, attempt_ids: Sequence[int], expires_at: datetime) -> None:
        """Give leased attempts more time."""
        _RENEW.send(self._connection, attempt_ids, {"expires": expires_at})

    def mark_ended(self, reports: Sequence[AttemptReport], at: datetime) -> None:
        """Running or checking to the state that each report says.

        A report and the reaper may both want to end an attempt; whichever commits first wins, and the other finds the
        attempt no longer leased.
        """
        rows = [
            {
                "key": report.attempt_id,
                "to": report.state,
                "why": report.reason,
                "words": report.message,
                "start": report.started_at,
                "end": report.ended_at or at,
                "wall": report.wall_time,
                "cpu": report.cpu_time,
                "cpu_all": report.cpu_time_with_children,
                "peak": report.peak_memory,
                "bytes_in": report.read_bytes,
                "bytes_out": report.written_bytes,
                "result": report.metadata or None,
                "made": [output.model_dump() for output in report.outputs] or None,
            }
            for report in reports
        ]
        _END.send(self._connection, rows, StaleRowError.expecting(len(reports), "attempt"))


def _queue_of(attempt: QueuedAttempt) -> Queue:
    return Queue(attempt.job_id, attempt.task_type, attempt.priority)


def _is_ruled(attempt: QueuedAttempt) -> bool:
    return bool(attempt.priority or attempt.not_before or attempt.overdue_at or attempt.memory_gb is not None)


def _choose_insertion(attempt: QueuedAttempt) -> Prepared:
    if attempt.undecided:
        return _ADD_UNDECIDED
    if attempt.not_before is not None:
        return _ADD_DELAYED
    return _ADD_RULED if _is_ruled(attempt) else _ADD_QUEUED


def _new_row(attempt: QueuedAttempt, at: datetime, start_tag: int = 0) -> dict[str, Any]:
    return {
        "id": attempt.attempt_id,
        "task_id": attempt.task_id,
        "job_id": attempt.job_id,
        "number": attempt.number,
        "task_type": attempt.task_type,
        "priority": -attempt.priority,  # the index is in ascending order: what comes first has the lowest number
        "start_tag": start_tag,
        "state": AttemptState.QUEUED.value,
        "cancel_requested": False,
        "queued_at": at,
        "job": attempt.job_id,
    }


def _ruled_columns(attempt: QueuedAttempt) -> dict[str, Any]:
    return {"not_before": attempt.not_before, "overdue_at": attempt.overdue_at, "memory_gb": attempt.memory_gb}


def _known(row: Sequence[Any]) -> KnownAttempt:
    attempt_id, task_id, job_id, number, task_type, state, *lease, memory_gb, execution, priority, start_tag = row
    worker_id, lease_token, cancel_requested, strikes, losses = lease
    return KnownAttempt(
        attempt_id=attempt_id,
        task_id=task_id,
        job_id=job_id,
        number=number,
        task_type=task_type,
        state=AttemptState(state),
        worker_id=worker_id,
        lease_token=lease_token,
        cancel_requested=cancel_requested,
        strikes=strikes,
        losses=losses,
        memory_gb=memory_gb,
        execution=execution,
        priority=-priority,
        start_tag=start_tag,
    )
