"""Giving records out."""

from __future__ import annotations

from services.logging.logic.ports import Records
from shared.contracts.errors import InvalidInputError
from shared.contracts.logs import LogCounts, LogPage, LogQuery, LogScope


class Retrieval:
    """Finds and counts records."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def find(self, query: LogQuery) -> LogPage:
        """Find a page of records.

        Raises
        ------
        InvalidInputError
            There is no record to go on after.
        """
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
