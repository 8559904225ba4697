"""Taking records in."""

from __future__ import annotations

from services.logging.domain.record import bound_record
from services.logging.logic.ports import Records
from shared.contracts.logs import IngestResponse, LogBatch


class Ingestion:
    """Stores batches of records, each record once."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def ingest(self, batch: LogBatch) -> IngestResponse:
        """Store the records of a batch that are not there yet.

        When this returns they are durable. A batch that arrives again, in whole or in part, changes nothing: its writer
        may repeat it whenever it is unsure.
        """
        records = [bound_record(record) for record in batch.records]
        stored = await self._records.add(records)
        return IngestResponse(stored=stored, repeated=len(records) - stored)
