"""Which ids of the scheduler the records have."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from eas.contracts.ids import HIGHEST_ID, KnownIds
from eas.database.committer import Database
from eas_logging.storage.conditions import RECORD
from eas_logging.storage.schema import tally_table

_TALLY = tally_table


class IdReader:
    """Finds the highest ids."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_known(self) -> KnownIds:
        """Find the highest ids of the scheduler; each is a seek in an index."""
        return await self._database.read(_find_known)


def _find_known(connection: Connection) -> KnownIds:
    def find_highest(*columns: Any) -> int:
        statements = [select(func.max(column)).where(column < HIGHEST_ID) for column in columns]
        return max(connection.execute(statement).scalar_one() or 0 for statement in statements)

    return KnownIds(
        job=find_highest(RECORD.c.job_id),
        task=find_highest(RECORD.c.task_id),
        attempt=find_highest(RECORD.c.attempt_id, _TALLY.c.attempt_id),
    )
