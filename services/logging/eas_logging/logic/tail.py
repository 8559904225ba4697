"""Following what arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from eas.contracts.logs import LogQuery, RecordOrder, SkippedRecords, StoredRecord
from eas_logging.logic.arrivals import Arrivals
from eas_logging.logic.indexing import TextIndexing
from eas_logging.logic.ports import Records
from eas_logging.logic.retrieval import check_query

#: How many records a reader gets at once.
PAGE = 500

#: How many of the newest a reader still gets after it was too far behind.
KEPT = 1000

#: How long to let records gather, so that a busy service does not look again for each batch [s].
GATHERING = 0.1


class Tail:
    """Lets readers follow the records of a query in the order of arrival, which is that of their ids.

    Parameters
    ----------
    records, arrivals, indexing
        Where they are, who tells of new ones, and what makes them findable by text.
    max_behind
        How many matching records may wait for a reader; beyond, the older ones are skipped, and it is told.
    heartbeat
        How long a reader waits in vain before it gets an empty list [s].
    """

    def __init__(
        self, records: Records, arrivals: Arrivals, indexing: TextIndexing, *, max_behind: int, heartbeat: float
    ) -> None:
        self.records = records
        self.arrivals = arrivals
        self.indexing = indexing
        self.max_behind = max_behind
        self.heartbeat = heartbeat

    async def find_start(self, query: LogQuery, after: int | None) -> int:
        """Find the record to go on after: the newest, unless an earlier one is given.

        Raises
        ------
        InvalidInputError
            The query's `text` or `field` cannot be understood.
        """
        check_query(query)
        newest = await self.records.newest_id()
        return newest if after is None else min(after, newest)

    @contextmanager
    def follow(self, query: LogQuery, after: int) -> Iterator[Follower]:
        """Follow the records of a query after one."""
        with self.arrivals.listening() as arrived:
            yield Follower(self, query.model_copy(update={"order": RecordOrder.ASCENDING}), after, arrived)


class Follower:
    """One reader of a tail."""

    def __init__(self, tail: Tail, query: LogQuery, after: int, arrived: asyncio.Event) -> None:
        self._tail = tail
        self._query = query
        self._position = after
        self._arrived = arrived
        arrived.set()

    async def next(self) -> list[StoredRecord] | SkippedRecords:
        """Wait for what comes next: records, or the news that some were skipped; an empty list as a sign of life."""
        try:
            async with asyncio.timeout(self._tail.heartbeat):
                while True:
                    await self._arrived.wait()
                    if found := await self._look():
                        return found
                    await asyncio.sleep(GATHERING)
        except TimeoutError:
            return []

    async def _look(self) -> list[StoredRecord] | SkippedRecords | None:
        """Take the next page; clears the event when that is the last."""
        records = self._tail.records
        self._arrived.clear()
        newest = await records.newest_id()
        if self._query.is_search:
            # After that: what arrives from now on may not be indexed yet, and waits for the next look.
            await self._tail.indexing.catch_up()
        if newest - self._position > self._tail.max_behind and (skipped := await self._skip(newest)):
            self._arrived.set()
            return skipped
        found = await records.find_arrivals(self._page(self._position, PAGE), newest)
        if len(found) == PAGE:
            self._position = found[-1].record_id
            self._arrived.set()
        else:
            self._position = max(self._position, newest)
        return found

    async def _skip(self, newest: int) -> SkippedRecords | None:
        """Go on with the newest if too much waits."""
        records = self._tail.records
        waiting = await records.count_arrivals(self._page(self._position, self._tail.max_behind + 1), newest)
        if waiting <= self._tail.max_behind:
            return None
        after = self._position
        self._position = await records.find_latest(self._query.model_copy(update={"limit": KEPT}), newest)
        skipped = await records.count_arrivals(self._page(after, 2**62), self._position)
        return SkippedRecords(skipped=skipped, after=after, until=self._position)

    def _page(self, after: int, limit: int) -> LogQuery:
        return self._query.model_copy(update={"after": after, "limit": limit})
