"""Dead letters in the scheduler's database: what the product store could not be told."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from eas.contracts.dead_letters import DeadLetter, DeadLetterContent
from eas.database.committer import Database
from eas_scheduler.domain.message_parts import describe_message
from eas_scheduler.storage.rows import CHUNK, chunks
from eas_scheduler.storage.schema import dead_letter_table as _dead
from eas_scheduler.storage.schema import outbox_table as _outbox

_LETTER = "d"


class SqlDeadLetters:
    """`DeadLetterBox` of the database.

    Parameters
    ----------
    database
        The scheduler's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def select(self, limit: int) -> list[DeadLetter]:
        """List the oldest."""
        query = select(_dead).order_by(_dead.c.id).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [DeadLetter(**_describe(row)) for row in rows]

    async def read(self, letter_id: str) -> DeadLetterContent | None:
        """Read one; None where it is not here."""
        keys = _find_keys([letter_id])
        if not keys:
            return None
        query = select(_dead).where(_dead.c.id == keys[0])
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else DeadLetterContent(**_describe(row), content=row.payload)

    async def send_again(self, letter_ids: Collection[str] | None) -> int:
        """Put some, or all, back into the outbox, at its end."""

        def command(connection: Connection) -> int:
            return sum(_send_again(connection, part) for part in _choose(connection, letter_ids))

        return await self._database.write(command)

    async def discard(self, letter_ids: Collection[str] | None) -> int:
        """Remove some, or all, for good."""

        def command(connection: Connection) -> int:
            return sum(
                connection.execute(delete(_dead).where(_dead.c.id.in_(part))).rowcount
                for part in _choose(connection, letter_ids)
            )

        return await self._database.write(command)


def _describe(row: Any) -> dict[str, Any]:
    created_at: datetime = row.created_at
    return {
        "letter_id": f"{_LETTER}{row.id}",
        "place": "database",
        "kind": row.kind,
        "subject": describe_message(row.kind, row.payload),
        "reason": row.reason,
        "created_at": created_at,
        "died_at": row.died_at,
    }


def _find_keys(letter_ids: Collection[str]) -> list[int]:
    """Find the keys of those ids that are the database's."""
    numbers = [found[len(_LETTER) :] for found in letter_ids if found.startswith(_LETTER)]
    return [int(number) for number in numbers if number.isascii() and number.isdecimal() and len(number) < 19]


def _choose(connection: Connection, letter_ids: Collection[str] | None) -> list[list[int]]:
    if letter_ids is not None:
        return list(chunks(_find_keys(letter_ids), CHUNK))
    return list(chunks(connection.execute(select(_dead.c.id).order_by(_dead.c.id)).scalars().all(), CHUNK))


def _send_again(connection: Connection, keys: Collection[int]) -> int:
    columns = ("kind", "payload", "created_at")
    chosen = select(*(_dead.c[name] for name in columns)).where(_dead.c.id.in_(keys)).order_by(_dead.c.id)
    connection.execute(insert(_outbox).from_select(list(columns), chosen))
    return connection.execute(delete(_dead).where(_dead.c.id.in_(keys))).rowcount
