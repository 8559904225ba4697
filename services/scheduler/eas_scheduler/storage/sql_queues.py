"""Queues of doorbells in the scheduler's own database: what has not been rung for yet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, Select, bindparam, func, select, text, update

from eas.database.committer import Database
from eas.database.prepared import PreparedForKeys
from eas_scheduler.domain.job_language.flow_types import FLOW_TYPES
from eas_scheduler.storage.rows import CHUNK, chunks
from eas_scheduler.storage.schema import IS_CLAIMABLE, IS_UNRUNG
from eas_scheduler.storage.schema import attempt_table as _attempt

_IS_RUNG = text("attempt.state = 'queued' AND NOT attempt.on_hold AND attempt.rung_at IS NOT NULL")
_OLDEST = (
    select(_attempt.c.id)
    .where(IS_UNRUNG, _attempt.c.task_type == bindparam("type"))
    .order_by(_attempt.c.id)
    .limit(bindparam("most", type_=Integer))
)
_OVERHEARD = (
    select(_attempt.c.id)
    .where(_IS_RUNG, _attempt.c.task_type == bindparam("type"), _attempt.c.rung_at < bindparam("before"))
    .order_by(_attempt.c.rung_at)
    .limit(bindparam("most", type_=Integer))
)
_NEXT_UNRUNG, _NEXT_RUNG = (
    select(_attempt.c.task_type)
    .where(condition, _attempt.c.task_type > bindparam("after"))
    .order_by(_attempt.c.task_type)
    .limit(1)
    for condition in (IS_UNRUNG, _IS_RUNG)
)
_MARK = PreparedForKeys(lambda keys: update(_attempt).where(_attempt.c.id.in_(keys)).values(rung_at=bindparam("at")))


class SqlTaskQueues:
    """`TaskQueues` in the attempts' rows: an attempt is in its queue while it may be claimed and was not rung for.

    Where there is a broker, this is its outbox: an attempt and its doorbell are one row, written in one transaction.

    Parameters
    ----------
    database
        The scheduler's.
    clock
        Tells the time.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def declare(self, task_type: str) -> None:
        """Every queue is there."""

    async def length(self, task_type: str) -> int:
        """How many attempts wait to be rung for."""
        query = select(func.count()).select_from(_attempt).where(IS_UNRUNG, _attempt.c.task_type == task_type)
        return int(await self._database.read(lambda connection: connection.execute(query).scalar_one()))

    async def publish(self, attempts: Sequence[tuple[int, str]]) -> set[int]:
        """Put attempts into their queues. Those that nobody may claim are in none."""
        ids = [attempt_id for attempt_id, _ in attempts]

        def command(connection: Connection) -> set[int]:
            found: set[int] = set()
            for part in chunks(ids, CHUNK):
                claimable = select(_attempt.c.id).where(IS_CLAIMABLE, _attempt.c.id.in_(part))
                found |= set(connection.execute(claimable).scalars())
            _MARK.execute(connection, sorted(found), {"at": None})
            return found

        return await self._database.write(command)

    async def fetch_and_acknowledge(self, task_type: str) -> int | None:
        """Take the first one out of its queue; None where it is empty. The attempt itself stays to be claimed."""
        first = (
            select(_attempt.c.id)
            .where(IS_UNRUNG, _attempt.c.task_type == task_type)
            .order_by(_attempt.c.priority, _attempt.c.start_tag, _attempt.c.id)
            .limit(1)
        )

        def command(connection: Connection) -> int | None:
            found = connection.execute(first).scalar_one_or_none()
            if found is not None:
                _MARK.execute(connection, [found], {"at": self._clock()})
            return found

        return await self._database.write(command)

    async def list_attempts(self, task_type: str, limit: int) -> list[int]:
        """List the first attempts in a queue, which stay there."""
        query = (
            select(_attempt.c.id)
            .where(IS_UNRUNG, _attempt.c.task_type == task_type)
            .order_by(_attempt.c.priority, _attempt.c.start_tag, _attempt.c.id)
            .limit(limit)
        )
        return list(await self._database.read(lambda connection: connection.execute(query).scalars().all()))

    async def purge(self, task_type: str) -> int:
        """Empty a queue. Returns how many were in it; all of them can still be claimed."""
        purged = update(_attempt).where(IS_UNRUNG, _attempt.c.task_type == task_type).values(rung_at=self._clock())
        return await self._database.write(lambda connection: connection.execute(purged).rowcount)

    async def close(self) -> None:
        """Nothing to let go of."""

    # --- what the relay and the sweeper need besides -----------------------------------------------------------------

    async def find_types(self) -> list[str]:
        """List the task types of attempts that were not rung for: one look into the index for each."""
        return await self._database.read(lambda connection: _list_types(connection, _NEXT_UNRUNG))

    async def find_oldest(self, task_type: str, limit: int) -> list[int]:
        """List the oldest attempts of a task type that were not rung for."""
        values = {"type": task_type, "most": limit}
        return list(await self._database.read(lambda connection: connection.execute(_OLDEST, values).scalars().all()))

    async def mark_rung(self, attempt_ids: Collection[int], at: datetime) -> None:
        """Take attempts out of their queues: the broker has them."""
        if attempt_ids:
            await self._database.write(lambda connection: _MARK.execute(connection, sorted(attempt_ids), {"at": at}))

    async def find_unanswered(self, before: datetime, limit: int) -> dict[str, list[int]]:
        """List, by task type, the first attempts that were rung for some time ago and that nobody has taken."""

        def query(connection: Connection) -> dict[str, list[int]]:
            found = {}
            for task_type in _list_types(connection, _NEXT_RUNG):
                values = {"type": task_type, "before": before, "most": limit}
                if overheard := list(connection.execute(_OVERHEARD, values).scalars()):
                    found[task_type] = overheard
            return found

        return await self._database.read(query)


def _list_types(connection: Connection, following: Select[Any]) -> list[str]:
    """List task types by stepping through an index from each to the next; flow control is not for workers."""
    found: list[str] = []
    last = ""
    while (last := connection.execute(following, {"after": last}).scalar_one_or_none() or "") != "":
        found.append(last)
    return [name for name in found if name not in FLOW_TYPES]
