"""Typed client of the log service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import httpx

from shared.clients.base import ServiceClient, raise_for_error
from shared.contracts.errors import UnavailableError
from shared.contracts.logs import (
    AttemptCompleteness,
    ExportForm,
    IngestResponse,
    LogBatch,
    LogCounts,
    LogPage,
    LogQuery,
    LogScope,
    TaskCountsPage,
    join_lines,
)


class LogClient(ServiceClient):
    """Stores log records and finds them."""

    async def ingest(self, batch: LogBatch) -> IngestResponse:
        """Store records; those that are there already are counted and left alone. Needs the scope ``work``."""
        return await self._call(IngestResponse, "POST", "records", body=batch)

    async def ingest_lines(self, lines: Sequence[bytes]) -> IngestResponse:
        """Store records (and endings) that are JSON already, as a journal has them, without reading them here.

        Raises
        ------
        InvalidInputError
            A line is not a record. Nothing was stored.
        """
        body = join_lines(lines)
        try:
            response = await self._http.post("records", content=body, headers={"Content-Type": "application/json"})
        except httpx.HTTPError as error:
            raise UnavailableError(f"{self._http.base_url}records: {error or type(error).__name__}") from error
        raise_for_error(response)
        return self._read(IngestResponse.model_validate_json, response.content)

    async def list_records(self, query: LogQuery) -> LogPage:
        """Find a page of records. Needs the scope ``read``."""
        return await self._call(LogPage, "GET", "records", params=query.model_dump(mode="json", exclude_defaults=True))

    async def counts(self, scope: LogScope) -> LogCounts:
        """Count records by level. Needs the scope ``read``."""
        return await self._call(LogCounts, "GET", "counts", params=scope.model_dump(mode="json", exclude_none=True))

    async def count_tasks(self, job_id: int, *, after: int = 0, limit: int = 1000) -> TaskCountsPage:
        """Count the records of a job's tasks by level, a page of tasks. Needs the scope ``read``."""
        params = {"job_id": job_id, "after": after, "limit": limit}
        return await self._call(TaskCountsPage, "GET", "counts/tasks", params=params)

    async def completeness(self, attempt_id: int) -> AttemptCompleteness:
        """Compare what was emitted for an attempt with what is stored. Needs the scope ``read``."""
        return await self._call(AttemptCompleteness, "GET", f"attempts/{attempt_id}/completeness")

    async def export(self, query: LogQuery, form: ExportForm) -> AsyncIterator[bytes]:
        """Stream all records of a query as one document, in pieces. Needs the scope ``read``."""
        params = {**query.model_dump(mode="json", exclude_defaults=True, exclude={"limit"}), "format": form.value}
        try:
            async with self._http.stream("GET", "records/export", params=params) as response:
                if response.is_error:
                    await response.aread()
                raise_for_error(response)
                async for piece in response.aiter_bytes():
                    yield piece
        except httpx.HTTPError as error:
            raise UnavailableError(f"{self._http.base_url}records/export: {error or type(error).__name__}") from error
