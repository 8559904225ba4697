"""Typed client of the log service."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from shared.clients.base import ServiceClient, raise_for_error
from shared.contracts.errors import UnavailableError
from shared.contracts.logs import IngestResponse, LogBatch, LogCounts, LogPage, LogQuery, LogScope


class LogClient(ServiceClient):
    """Stores log records and finds them."""

    async def ingest(self, batch: LogBatch) -> IngestResponse:
        """Store records; those that are there already are counted and left alone. Needs the scope ``work``."""
        return await self._call(IngestResponse, "POST", "records", body=batch)

    async def ingest_lines(self, lines: Sequence[bytes]) -> IngestResponse:
        """Store records that are JSON already, as a journal has them, without reading them here.

        Raises
        ------
        InvalidInputError
            A line is not a record. Nothing was stored.
        """
        body = b'{"records":[' + b",".join(lines) + b"]}"
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
