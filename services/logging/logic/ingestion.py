"""Taking records in."""

from __future__ import annotations

from services.logging.domain.record import bound_record
from services.logging.logic.arrivals import Arrivals
from services.logging.logic.ports import Records
from shared.contracts.errors import BusyError
from shared.contracts.logs import IngestResponse, LogBatch


class Ingestion:
    """Stores batches of records, each record once.

    Parameters
    ----------
    records
        Where they are kept.
    arrivals
        Told of what has been stored.
    max_waiting
        How many records may wait to be committed before further batches are refused.
    """

    def __init__(self, records: Records, arrivals: Arrivals, max_waiting: int) -> None:
        self._records = records
        self._arrivals = arrivals
        self._max_waiting = max_waiting
        self._waiting = 0

    async def ingest(self, batch: LogBatch) -> IngestResponse:
        """Store the records of a batch that are not there yet.

        When this returns they are durable. A batch that arrives again, in whole or in part, changes nothing: its writer
        may repeat it whenever it is unsure.

        Raises
        ------
        BusyError
            So much waits to be committed that this batch would have to wait for long. Nothing of it was stored. A batch
            that comes while nothing waits is taken, whatever its size.
        """
        count = len(batch.records) + len(batch.endings)
        if self._waiting and self._waiting + count > self._max_waiting:
            raise BusyError(f"{self._waiting} records wait to be stored already; send the batch again later")
        self._waiting += count
        try:
            records = [bound_record(record) for record in batch.records]
            stored = await self._records.add(records, batch.endings)
        finally:
            self._waiting -= count
        if stored:
            self._arrivals.announce()
        return IngestResponse(stored=stored, repeated=len(records) - stored)
