"""Taking records in from the broker: the twin of `ingest`."""

from __future__ import annotations

from eas.contracts.logs import IngestResponse
from eas_logging.handlers.batch_text import parse_message
from eas_logging.logic.ingestion import Ingestion

#: Batches that are stored at the same time.
PREFETCH = 16


class QueuedIngest:
    """Stores the batches that come as messages."""

    def __init__(self, ingestion: Ingestion) -> None:
        self._ingestion = ingestion

    async def take(self, body: bytes) -> IngestResponse:
        """Store log records."""
        return await self._ingestion.ingest(parse_message(body))
