"""Ids that were given and that are to be given, and the highest version that was heard of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from eas.contracts.ids import KnownIds
from eas.contracts.states import AttemptState
from eas.database.engines import open_engine
from eas_scheduler.domain.ids import Resumption
from eas_scheduler.storage.keys import KeyBlocks
from eas_scheduler.storage.rows import CHUNK
from eas_scheduler.storage.schema import attempt_table as _attempt
from eas_scheduler.storage.schema import job_table as _job
from eas_scheduler.storage.schema import key_sequence_table as _sequence
from eas_scheduler.storage.schema import outbox_table as _outbox
from eas_scheduler.storage.schema import task_table as _task
from eas_scheduler.storage.schema import transition_table as _transition

_QUEUED = _attempt.c.state == AttemptState.QUEUED.value
_VERDICTS = "verdicts"
#: The row of `key_sequence` whose next key is one more than the highest version that was told to the product store.
VERSION = "version"


class IdStore:
    """Ids, in one transaction."""

    def __init__(self, connection: Connection, keys: KeyBlocks) -> None:
        self._connection = connection
        self._keys = keys

    def find_own(self) -> KnownIds:
        """Find the highest ids that there are."""
        return KnownIds(
            job=self._find_highest(_job.c.id),
            task=self._find_highest(_task.c.id),
            attempt=self._find_highest(_attempt.c.id),
        )

    def find_reserved(self) -> KnownIds:
        """Find the last ids that were set aside, by this process or another."""
        rows = self._connection.execute(select(_sequence.c.name, _sequence.c.next_key))
        last = {name: next_key - 1 for name, next_key in rows}
        return KnownIds(job=last.get("job", 0), task=last.get("task", 0), attempt=last.get("attempt", 0))

    def find_highest_version(self) -> int:
        """Find the highest version that was heard of, whether the product store was told of it yet or not."""
        told = select(_sequence.c.next_key).where(_sequence.c.name == VERSION)
        highest = (self._connection.execute(told).scalar_one_or_none() or 1) - 1
        after = 0
        pending = select(_outbox.c.id, _outbox.c.payload).where(_outbox.c.kind == _VERDICTS).order_by(_outbox.c.id)
        while rows := self._connection.execute(pending.where(_outbox.c.id > after).limit(CHUNK)).all():
            highest = max([highest, *(find_version(row.payload) for row in rows)])
            after = rows[-1].id
        return highest

    def resume(self, resumption: Resumption) -> int:
        """Go on with these ids, and give new ones to all attempts that are queued. Returns how many these are.

        An attempt that is queued here may have been run already, after the moment that the scheduler was restored to:
        then other services know what it made and logged, and would take what it makes now for the same.
        """
        first, last, count = self._connection.execute(
            select(func.min(_attempt.c.id), func.max(_attempt.c.id), func.count()).where(_QUEUED)
        ).one()
        next_attempt = resumption.next_attempt
        if count:
            offset = next_attempt - first
            queued = select(_attempt.c.id).where(_QUEUED)
            self._connection.execute(
                update(_transition)
                .where(_transition.c.attempt_id.in_(queued))
                .values(attempt_id=_transition.c.attempt_id + offset)
            )
            self._connection.execute(update(_attempt).where(_QUEUED).values(id=_attempt.c.id + offset))
            next_attempt = last + offset + 1
        self._keys.forget()
        for name, following in (
            ("job", resumption.next_job),
            ("task", resumption.next_task),
            ("attempt", next_attempt),
        ):
            self._set_next(name, following)
        return int(count)

    def _find_highest(self, key: Any) -> int:
        return int(self._connection.execute(select(func.max(key))).scalar_one() or 0)

    def _set_next(self, name: str, following: int) -> None:
        changed = self._connection.execute(
            update(_sequence).where(_sequence.c.name == name).values(next_key=following)
        ).rowcount
        if not changed:
            self._connection.execute(insert(_sequence).values(name=name, next_key=following))


def find_version(payload: dict[str, Any]) -> int:
    """Find the highest version that verdicts on their way to the product store speak of; 0 for none."""
    return max((verdict.get("version_id") or 0 for verdict in payload["verdicts"]), default=0)


def note_told(connection: Connection, payloads: list[dict[str, Any]]) -> None:
    """Note of which versions the product store was told."""
    highest = max(map(find_version, payloads), default=0)
    if highest:
        connection.execute(
            update(_sequence)
            .where(_sequence.c.name == VERSION, _sequence.c.next_key <= highest)
            .values(next_key=highest + 1)
        )


def begin_noting(url: str) -> None:
    """Look once through all attempts for the highest version, where nobody has noted it yet. Blocks."""
    engine = open_engine(url, writer=True)
    try:
        with engine.connect() as connection, connection.begin():
            known = select(_sequence.c.name).where(_sequence.c.name == VERSION)
            if connection.execute(known).first() is None:
                connection.execute(insert(_sequence).values(name=VERSION, next_key=_scan(connection) + 1))
    finally:
        engine.dispose()


def _scan(connection: Connection) -> int:
    highest = after = 0
    made = select(_attempt.c.id, _attempt.c.outputs).where(_attempt.c.outputs.is_not(None)).order_by(_attempt.c.id)
    while rows := connection.execute(made.where(_attempt.c.id > after).limit(CHUNK)).all():
        highest = max([highest, *(output["version_id"] for row in rows for output in row.outputs)])
        after = rows[-1].id
    return highest
