"""Giving records out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import groupby

from eas.contracts.errors import InvalidInputError
from eas.contracts.logs import (
    MAX_PAGE,
    AttemptCompleteness,
    LogCounts,
    LogPage,
    LogQuery,
    LogScope,
    StoredRecord,
    TaskCounts,
    TaskCountsPage,
)
from eas_logging.domain.field_condition import parse_condition
from eas_logging.domain.search_text import parse_search
from eas_logging.domain.tally import judge_attempt
from eas_logging.logic.indexing import TextIndexing
from eas_logging.logic.ports import Records, Tallies


class Retrieval:
    """Finds and counts records."""

    def __init__(self, records: Records, tallies: Tallies, indexing: TextIndexing) -> None:
        self._records = records
        self._tallies = tallies
        self._indexing = indexing

    async def find(self, query: LogQuery) -> LogPage:
        """Find a page of records.

        Raises
        ------
        InvalidInputError
            There is no record to go on after, or `text` or `field` cannot be understood.
        """
        check_query(query)
        if query.is_search:
            await self._indexing.catch_up()
        one_more = query.model_copy(update={"limit": query.limit + 1})
        try:
            found = await self._records.find(one_more)
        except LookupError as error:
            raise InvalidInputError(
                f"there is no record {query.after} to go on after; expected the next_after of an earlier page",
                where="query.after",
            ) from error
        items = found[: query.limit]
        return LogPage(items=items, next_after=items[-1].record_id if len(found) > len(items) else None)

    async def count(self, scope: LogScope) -> LogCounts:
        """Count records by level."""
        levels = await self._records.count(scope)
        return LogCounts(levels=levels, total=sum(levels.values()))

    async def count_tasks(self, job_id: int, after: int, limit: int) -> TaskCountsPage:
        """Count the records of a job's tasks by level, a page of tasks at a time."""
        found = await self._records.count_tasks(job_id, after, limit + 1)
        items = []
        for task_id, rows in groupby(found, key=lambda row: row[0]):
            levels = {level: count for _, level, count in rows}
            items.append(TaskCounts(task_id=task_id, levels=levels, total=sum(levels.values())))
        more = len(items) > limit
        items = items[:limit]
        return TaskCountsPage(items=items, next_after=items[-1].task_id if more else None)

    async def judge(self, attempt_id: int) -> AttemptCompleteness:
        """Compare what an attempt's writers emitted with what is stored."""
        return judge_attempt(attempt_id, await self._tallies.list_tallies(attempt_id))

    async def export(self, query: LogQuery) -> AsyncIterator[list[StoredRecord]]:
        """Go through all records of a query, page by page. What arrives meanwhile may be among them."""
        after: int | None = query.after
        while after is not None:
            page = await self.find(query.model_copy(update={"after": after, "limit": MAX_PAGE}))
            yield page.items
            after = page.next_after


def check_query(query: LogQuery) -> None:
    """Raise InvalidInputError where a query's `text` or `field` cannot be understood."""
    if query.text is not None:
        parse_search(query.text)
    for condition in query.field:
        parse_condition(condition)
