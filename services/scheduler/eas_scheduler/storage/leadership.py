"""The row that says which scheduler leads."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from eas.database.committer import Database
from eas.database.prepared import Prepared
from eas_scheduler.domain.leadership import Leadership
from eas_scheduler.storage.schema import leadership_table as _leadership

_NAME = "scheduler"
_FIND = Prepared(
    select(_leadership.c.holder, _leadership.c.fence, _leadership.c.expires_at).where(_leadership.c.name == _NAME)
)
_CHANGE = Prepared(
    update(_leadership)
    .where(_leadership.c.name == _NAME)
    .values(holder=bindparam("who"), fence=bindparam("number"), expires_at=bindparam("until"))
)


class LeadershipStore:
    """Leadership in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self) -> Leadership | None:
        """Read who leads, or led last."""
        rows = _FIND.fetch(self._connection)
        return Leadership(*rows[0]) if rows else None

    def save(self, leadership: Leadership) -> None:
        """Write it down."""
        values = {"who": leadership.holder, "number": leadership.fence, "until": leadership.expires_at}
        if not _CHANGE.execute(self._connection, values):
            row = {"holder": leadership.holder, "fence": leadership.fence, "expires_at": leadership.expires_at}
            self._connection.execute(insert(_leadership).values(name=_NAME, **row))


class LeadershipReader:
    """Reads which scheduler leads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self) -> Leadership | None:
        """Read who leads, or led last."""
        return await self._database.read(lambda connection: LeadershipStore(connection).find())
