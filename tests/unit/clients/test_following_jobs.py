"""Tables come whole, and a watch outlives the suite's restart."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx

from eas.client.scheduler import SchedulerClient
from eas.client.suite.paging import gather_outcomes
from eas.client.suite.watching import watch_job
from eas.contracts.diagnostics import OUTCOME_COLUMNS, JobEnd, JobFilter, ResultTable, ResultTables, StateChange
from eas.contracts.scheduler import JobView, TaskCounts
from eas.contracts.states import JobState

AT = datetime(2026, 1, 1, tzinfo=UTC)


def page(job_id: int, names: list[str], *rows: list[object], following: str | None = None) -> ResultTables:
    table = {
        "job_id": job_id,
        "job_name": "j",
        "task_type": "tls",
        "columns": [*names, *OUTCOME_COLUMNS],
        "rows": rows,
    }
    return ResultTables(tables=[ResultTable.model_validate(table)], next_after=following)


def change(event_id: int, after: str) -> StateChange:
    return StateChange(
        event_id=event_id,
        job_id=1,
        task_id=2,
        attempt_id=3,
        task_type="null",
        task_name="a\x1b[31m",
        before=None,
        after=after,
        reason=None,
        at=AT,
    )


async def test_all_pages_of_a_table_are_gathered_and_sorted() -> None:
    pages = {
        "": page(1, ["x"], [2, "PASS", 11, 21], following="1.11"),
        "1.11": page(1, ["x", "y"], [1, "b", "FAIL", 12, 22]),
    }

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.params["task_type"] == "tls"
        return httpx.Response(200, content=pages[request.url.params.get("after", "")].model_dump_json())

    async with SchedulerClient("http://scheduler", None, transport=httpx.MockTransport(answer)) as client:
        (table,) = (await gather_outcomes(client, JobFilter(task_type="tls"))).tables
    assert table.columns == ["x", "y", *OUTCOME_COLUMNS]
    assert table.rows == [[1, "b", "FAIL", 12, 22], [2, None, "PASS", 11, 21]]


async def test_a_watch_goes_on_where_a_broken_stream_ended() -> None:
    def write(*found: StateChange | JobEnd) -> bytes:
        parts = [
            f"id: {one.event_id}\nevent: change\n" if isinstance(one, StateChange) else "event: end\n" for one in found
        ]
        lines = [f"{part}data: {one.model_dump_json()}\n\n" for part, one in zip(parts, found, strict=True)]
        return "".join([": nothing new\n\n", *lines]).encode()

    end = JobEnd(job_id=1, state=JobState.FAILED)
    streams = {"0": write(change(4, "queued"), change(5, "running")), "5": write(change(6, "failed"), end)}
    job = JobView(
        job_id=1,
        name=None,
        state=JobState.RUNNING,
        working_directory="",
        counts=TaskCounts(),
        root_task_id=1,
        submitted_at=AT,
        submitted_by="ada",
    )

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/jobs/1/events":
            return httpx.Response(200, content=streams[request.url.params["after"]])
        return httpx.Response(200, content=job.model_dump_json())

    async with SchedulerClient("http://scheduler", None, transport=httpx.MockTransport(answer)) as client:
        seen = [found async for found in watch_job(client, 1)]
    assert seen == [change(4, "queued"), change(5, "running"), change(6, "failed"), end]
