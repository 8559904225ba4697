"""Removing records, and the policy by which they go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from eas.contracts.log_retention import RetentionPolicy
from eas.database.committer import Database
from eas.database.upserts import insert_or_update
from eas_logging.storage.conditions import RECORD
from eas_logging.storage.schema import state_table
from eas_logging.storage.size import RecordSize
from eas_logging.storage.tallies import TALLY
from eas_logging.storage.text_index import TextIndex

_STATE = state_table
_POLICY = "retention"


class RecordRemoval:
    """Removes records with all that refers to them. The newest always stays: its id must not be given again."""

    def __init__(self, database: Database, text_index: TextIndex) -> None:
        self._database = database
        self._text_index = text_index
        self._size = RecordSize()

    async def read_policy(self) -> RetentionPolicy:
        """Read what was set last."""
        statement = select(_STATE.c.value).where(_STATE.c.name == _POLICY)
        found = await self._database.read(lambda connection: connection.execute(statement).scalar_one_or_none())
        return RetentionPolicy.model_validate(found or {})

    async def write_policy(self, policy: RetentionPolicy) -> None:
        """Set it."""

        def run(connection: Connection) -> None:
            connection.execute(delete(_STATE).where(_STATE.c.name == _POLICY))
            connection.execute(insert(_STATE).values(name=_POLICY, value=policy.model_dump(mode="json")))

        await self._database.write(run)

    async def count_expired(self, limits: dict[int, datetime]) -> dict[int, int]:
        """Count the records that are older than the limit of their level, by level."""
        return await self._database.read(lambda connection: _count_expired(connection, limits))

    async def remove_expired(self, limits: dict[int, datetime], most: int) -> dict[int, int]:
        """Remove up to `most` of them. Returns how many went, by level."""
        return await self._database.write(lambda connection: self._remove_expired(connection, limits, most))

    async def remove_first(self, most: int) -> int:
        """Remove up to `most` of the records that arrived first. Returns how many went."""

        def run(connection: Connection) -> int:
            found = select(RECORD.c.record_id).where(RECORD.c.record_id < _newest()).order_by(RECORD.c.record_id)
            return self._remove(connection, connection.execute(found.limit(most)).scalars().all())

        return await self._database.write(run)

    async def merge_index(self, pages: int, *, begins: bool) -> bool:
        """Do a part of giving back what removed records took in the text index, and tell whether there is more."""
        return await self._database.write(lambda connection: self._text_index.merge(connection, pages, begins=begins))

    async def list_levels(self) -> list[int]:
        """List the levels that there are."""
        return list(await self._database.read(_list_levels))

    async def measure(self) -> tuple[int, int]:
        """Tell how many records there are, about, and how much the database holds [bytes]."""
        return await self._database.read(self._size.measure)

    def _remove_expired(self, connection: Connection, limits: dict[int, datetime], most: int) -> dict[int, int]:
        removed: dict[int, int] = {}
        for level, before in limits.items():
            expired = [RECORD.c.level == level, RECORD.c.time < before, RECORD.c.record_id < _newest()]
            found = select(RECORD.c.record_id).where(*expired).order_by(RECORD.c.time)
            record_ids = connection.execute(found.limit(most - sum(removed.values()))).scalars().all()
            if record_ids:
                removed[level] = self._remove(connection, record_ids)
        return removed

    def _remove(self, connection: Connection, record_ids: Sequence[int]) -> int:
        if not record_ids:
            return 0
        self._text_index.remove(connection, record_ids)
        chosen = RECORD.c.record_id.in_(record_ids)
        owned = select(RECORD.c.attempt_id, RECORD.c.stream_id).where(chosen, RECORD.c.attempt_id > 0)
        counted = Counter((row[0], row[1]) for row in connection.execute(owned))
        if counted:
            rows = [
                {"attempt_id": attempt_id, "stream_id": stream_id, "removed": count}
                for (attempt_id, stream_id), count in counted.items()
            ]
            keys = ["attempt_id", "stream_id"]
            connection.execute(insert_or_update(connection.dialect, TALLY, keys, _add_removed), rows)
        removed = connection.execute(delete(RECORD).where(chosen)).rowcount
        self._size.note_removed(removed)
        return removed


def _add_removed(there: Any, comes: Any) -> dict[str, Any]:
    return {"removed": there.removed + comes.removed}


def _newest() -> object:
    return select(func.max(RECORD.c.record_id)).scalar_subquery()


def _list_levels(connection: Connection) -> list[int]:
    level = RECORD.c.level
    found: list[int] = []
    while (
        least := connection.execute(
            select(level).where(level >= (found[-1] + 1 if found else 0)).order_by(level).limit(1)
        ).scalar_one_or_none()
    ) is not None:
        found.append(least)
    return found


def _count_expired(connection: Connection, limits: dict[int, datetime]) -> dict[int, int]:
    found = {}
    for level, before in limits.items():
        counted = select(func.count()).where(RECORD.c.level == level, RECORD.c.time < before)
        if count := connection.execute(counted).scalar_one():
            found[level] = count
    return found
