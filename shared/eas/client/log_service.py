"""Typed client of the log service."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from eas.client.base import ServiceClient
from eas.client.event_stream import read_events
from eas.contracts.errors import UnavailableError
from eas.contracts.ids import KnownIds
from eas.contracts.log_retention import RetentionPolicy, RetentionReport
from eas.contracts.logs import (
    AttemptCompleteness,
    ExportForm,
    IngestResponse,
    LogBatch,
    LogCounts,
    LogPage,
    LogQuery,
    LogScope,
    SkippedRecords,
    StoredRecord,
    TaskCountsPage,
    join_lines,
)

#: A live tail gives a sign of life more often than this [s].
_MOST_SILENCE = 60.0
_FOLLOWED: dict[str, Callable[[bytes], StoredRecord | SkippedRecords]] = {
    "record": StoredRecord.model_validate_json,
    "skipped": SkippedRecords.model_validate_json,
}


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
        headers = {"Content-Type": "application/json"}
        answer = await self._ask("POST", "records", content=join_lines(lines), headers=headers)
        return self._read(IngestResponse.model_validate_json, answer.content)

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

    async def follow(
        self, query: LogQuery, *, after: int | None = None
    ) -> AsyncGenerator[StoredRecord | SkippedRecords, None]:
        """Go through the records of a query as they arrive, for ever. Needs the scope ``read``.

        Parameters
        ----------
        query
            Which; its `after`, `order` and `limit` do not count.
        after
            Go on after this record; else only what is new.

        Raises
        ------
        UnavailableError
            The stream broke off. Follow again after the last record that came.
        """
        params = query.model_dump(mode="json", exclude_defaults=True, exclude={"after", "order", "limit"})
        if after is not None:
            params["after"] = after
        async with self._stream("records/follow", params=params, read_timeout=_MOST_SILENCE) as response:
            async for event in read_events(response.aiter_lines()):
                if event is not None:
                    yield self._read(_FOLLOWED[event.name], event.data.encode())
        raise UnavailableError(f"{self.url}records/follow: the stream ended")

    async def get_retention(self) -> RetentionPolicy:
        """Tell which records may go. Needs the scope ``operate``, as all about retention does."""
        return await self._call(RetentionPolicy, "GET", "retention")

    async def set_retention(self, policy: RetentionPolicy) -> RetentionPolicy:
        """Set which records may go."""
        return await self._call(RetentionPolicy, "PUT", "retention", body=policy)

    async def preview_retention(self, policy: RetentionPolicy | None = None) -> RetentionReport:
        """Tell what this policy, or the one that is set, would remove now."""
        return await self._call(RetentionReport, "POST", "retention/runs", body=policy)

    async def run_retention(self) -> RetentionReport:
        """Remove now what the policy lets go."""
        params = {"dry_run": "false"}
        return await self._call(RetentionReport, "POST", "retention/runs", params=params, read_timeout=3600)

    async def find_known_ids(self) -> KnownIds:
        """Tell the highest ids of which there are records. Needs the scope ``operate``."""
        return await self._call(KnownIds, "GET", "ids")

    async def export(self, query: LogQuery, form: ExportForm) -> AsyncIterator[bytes]:
        """Stream all records of a query as one document, in pieces. Needs the scope ``read``."""
        params = {**query.model_dump(mode="json", exclude_defaults=True, exclude={"limit"}), "format": form.value}
        async with self._stream("records/export", params=params) as response:
            async for piece in response.aiter_bytes():
                yield piece
