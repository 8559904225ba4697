"""What the product store must hear: written in the transaction that it speaks of, removed once it was heard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from eas_scheduler.domain.changes import OutboxMessage
from eas_scheduler.storage.ids import note_told
from eas_scheduler.storage.rows import CHUNK, chunks
from eas_scheduler.storage.schema import dead_letter_table as _dead
from eas_scheduler.storage.schema import outbox_table as _outbox


class OutboxStore:
    """The outbox of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, messages: Sequence[OutboxMessage], at: datetime) -> None:
        """Leave messages."""
        for part in chunks(messages, CHUNK):
            self._connection.execute(
                insert(_outbox),
                [{"kind": message.kind, "payload": message.payload, "created_at": at} for message in part],
            )

    def find_oldest(self, limit: int) -> list[tuple[int, OutboxMessage]]:
        """List the oldest messages with their ids."""
        rows = self._connection.execute(select(_outbox).order_by(_outbox.c.id).limit(limit))
        return [(row.id, OutboxMessage(row.kind, row.payload)) for row in rows]

    def bury(self, message_id: int, parts: Sequence[tuple[OutboxMessage, str]], at: datetime) -> None:
        """Keep parts of a message that cannot be delivered among the dead letters, each with the reason."""
        query = select(_outbox.c.created_at).where(_outbox.c.id == message_id)
        created_at = self._connection.execute(query).scalar_one_or_none() or at
        rows = [
            {"kind": part.kind, "payload": part.payload, "reason": why, "created_at": created_at, "died_at": at}
            for part, why in parts
        ]
        for some in chunks(rows, CHUNK):
            self._connection.execute(insert(_dead), some)

    def remove(self, message_ids: Sequence[int]) -> None:
        """Remove messages that were heard."""
        for part in chunks(message_ids, CHUNK):
            told = select(_outbox.c.payload).where(_outbox.c.id.in_(part), _outbox.c.kind == "verdicts")
            note_told(self._connection, list(self._connection.execute(told).scalars()))
            self._connection.execute(delete(_outbox).where(_outbox.c.id.in_(part)))
