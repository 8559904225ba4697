"""Taking records in."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from eas.contracts.errors import BusyError
from eas.contracts.logs import IngestResponse, LogBatch, LogRecord, StreamEnding
from eas.isolation import describe_error, handle_each, is_passing
from eas_logging.domain.record import bound_record, replace_record
from eas_logging.logic.arrivals import Arrivals
from eas_logging.logic.ports import Records

logger = logging.getLogger(__name__)


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
        may repeat it whenever it is unsure. In the place of a record that cannot be stored, whatever is raised, one is
        stored that says so, and the others are stored as they are.

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
            response = await self._store(batch)
        finally:
            self._waiting -= count
        if response.stored:
            self._arrivals.announce()
        return response

    async def _store(self, batch: LogBatch) -> IngestResponse:
        try:
            stored = await self._records.add([bound_record(record) for record in batch.records], batch.endings)
            return IngestResponse(stored=stored, repeated=len(batch.records) - stored)
        except Exception as error:
            if is_passing(error):
                raise
            logger.exception("a batch of %d records cannot be stored as a whole", len(batch.records))
        stored = refused = 0

        async def add(records: Sequence[LogRecord]) -> None:
            nonlocal stored
            stored += await self._records.add([bound_record(record) for record in records])

        async def replace(record: LogRecord, error: Exception) -> None:
            nonlocal stored, refused
            refused += 1
            words = f"a record of the logger {record.logger!a} cannot be stored: {describe_error(error)}"
            logger.error("attempt %d: %s", record.attempt_id, words)
            stored += await self._records.add([replace_record(record, words)])

        async def add_endings(endings: Sequence[StreamEnding]) -> None:
            await self._records.add([], endings)

        async def leave(ending: StreamEnding, error: Exception) -> None:
            logger.error("attempt %d: the count of its records cannot be stored: %s", ending.attempt_id, error)

        await handle_each(batch.records, add, replace)
        await handle_each(batch.endings, add_endings, leave)
        return IngestResponse(stored=stored, repeated=max(len(batch.records) - stored, 0), refused=refused)
