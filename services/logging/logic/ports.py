"""What the logic needs of the storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.contracts.logs import LogQuery, LogRecord, LogScope, StoredRecord


class Records(Protocol):
    """Where records are kept."""

    async def add(self, records: Sequence[LogRecord]) -> int:
        """Add the records that are not there yet and tell how many were new, once they are durable."""

    async def find(self, query: LogQuery) -> list[StoredRecord]:
        """Find records in the order of their time; `LookupError` if ``query.after`` is nowhere."""

    async def count(self, scope: LogScope) -> dict[int, int]:
        """Count records by level."""
