"""What the logic needs of the storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

from shared.contracts.logs import LogQuery, LogRecord, LogScope, StoredRecord


class Records(Protocol):
    """Where records are kept. Every method runs inside the transaction of its connection."""

    def add(self, connection: Connection, records: Sequence[LogRecord]) -> int:
        """Add the records that are not there yet and tell how many were new."""
        ...

    def find(self, connection: Connection, query: LogQuery) -> list[StoredRecord]:
        """Find records in the order of their time; `LookupError` if ``query.after`` is nowhere."""
        ...

    def count(self, connection: Connection, scope: LogScope) -> dict[int, int]:
        """Count records by level."""
        ...
