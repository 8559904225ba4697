"""Why it stands where it does: tables, lists and graphs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from eas.client.scheduler.connection import SchedulerConnection
from eas.contracts.dead_letters import DeadLetterContent, DeadLetterTable
from eas.contracts.diagnostics import (
    HostTable,
    JobFilter,
    ProgressTable,
    QueueContent,
    QueueTable,
    ResultTables,
    Timeline,
    TroublePage,
    WhyView,
)
from eas.contracts.provenance import MAX_DEPTH, Direction, ProvenanceGraph

_DOCUMENT = TypeAdapter(dict[str, Any])


class DiagnosticCalls(SchedulerConnection):
    """Why it stands where it does: tables, lists and graphs."""

    async def explain_task(self, task_id: int) -> WhyView:
        """Ask why a task stands where it does."""
        return await self._call(WhyView, "GET", f"tasks/{task_id}/why")

    async def get_progress(self, chosen: JobFilter) -> ProgressTable:
        """Count tasks by type and state."""
        return await self._call(ProgressTable, "GET", "diagnostics/progress", params=asdict(chosen))

    async def get_outcomes(
        self, chosen: JobFilter, *, after: str | None = None, limit: int | None = None
    ) -> ResultTables:
        """Tabulate the outcomes of done tasks."""
        params = {**asdict(chosen), "after": after, "limit": limit}
        return await self._call(ResultTables, "GET", "diagnostics/outcomes", params=params)

    async def get_timings(
        self, chosen: JobFilter, *, after: str | None = None, limit: int | None = None
    ) -> ResultTables:
        """Tabulate the times of attempts."""
        params = {**asdict(chosen), "after": after, "limit": limit}
        return await self._call(ResultTables, "GET", "diagnostics/timings", params=params)

    async def list_errors(
        self, chosen: JobFilter, *, before: int | None = None, limit: int | None = None
    ) -> TroublePage:
        """List the latest attempts that did not end well, newest last."""
        params = {**asdict(chosen), "before": before, "limit": limit}
        return await self._call(TroublePage, "GET", "diagnostics/errors", params=params)

    async def get_timeline(
        self, chosen: JobFilter, *, min_duration: float | None = None, limit: int | None = None
    ) -> Timeline:
        """List the latest attempts by worker and start; `min_duration` in seconds."""
        params = {**asdict(chosen), "min_duration": min_duration, "limit": limit}
        return await self._call(Timeline, "GET", "diagnostics/timeline", params=params)

    async def list_hosts(self) -> HostTable:
        """List the machines whose workers are here."""
        return await self._call(HostTable, "GET", "diagnostics/hosts")

    async def list_queues(self) -> QueueTable:
        """List the queues in which something waits."""
        return await self._call(QueueTable, "GET", "queues")

    async def get_queue(self, task_type: str) -> QueueContent:
        """Show the head of one queue.

        Raises
        ------
        NotFoundError
            There is no such task type.
        """
        return await self._call(QueueContent, "GET", f"queues/{quote(task_type, safe='')}")

    async def list_dead_letters(self, *, limit: int | None = None) -> DeadLetterTable:
        """List the messages that could not be delivered, each with the reason."""
        return await self._call(DeadLetterTable, "GET", "dead-letters", params={"limit": limit})

    async def get_dead_letter(self, letter_id: str) -> DeadLetterContent:
        """Show a message that could not be delivered, with all that it says.

        Raises
        ------
        NotFoundError
            There is no such dead letter.
        """
        return await self._call(DeadLetterContent, "GET", f"dead-letters/{quote(letter_id, safe='')}")

    async def trace_version(
        self, version_id: int, *, direction: Direction = Direction.BOTH, depth: int = MAX_DEPTH
    ) -> ProvenanceGraph:
        """Show what a version was made from, what was made from it, or both.

        Raises
        ------
        NotFoundError
            There is no such version.
        """
        query = {"direction": direction.value, "depth": depth}
        return await self._call(ProvenanceGraph, "GET", f"versions/{version_id}/provenance", params=query)

    async def trace_version_as_prov(
        self, version_id: int, *, direction: Direction = Direction.BOTH, depth: int = MAX_DEPTH
    ) -> dict[str, Any]:
        """Show the same as W3C PROV-JSON. Raises `NotFoundError`."""
        query = {"direction": direction.value, "depth": depth}
        content = await self._send("GET", f"versions/{version_id}/provenance/prov", params=query)
        return self._read(_DOCUMENT.validate_json, content)
