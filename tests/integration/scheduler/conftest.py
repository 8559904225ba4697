"""The real scheduler on a database of its own, of each kind, called in process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from eas.client.scheduler import SchedulerClient
from eas.contracts.scheduler import (
    AttemptReport,
    ClaimedAttempt,
    ClaimRequest,
    OutputVersion,
    ReportRequest,
    ReportResponse,
    SlotDescription,
    TaskTypeDescription,
    WorkerAnnouncement,
    WorkerWelcome,
)
from eas.contracts.states import TaskState
from eas_scheduler.logic.ports import Clock
from eas_scheduler.main import create_app
from eas_scheduler.runtime import read_clock
from eas_scheduler.settings import SchedulerSettings
from tests.support.databases import Inspector


def describe(name: str, settings: dict[str, Any], *, required: list[str], inputs: list[str], outputs: list[str]) -> Any:
    return TaskTypeDescription(
        name=name,
        version="1",
        settings_schema={
            "type": "object",
            "properties": settings,
            "required": required,
            "additionalProperties": False,
        },
        inputs=[SlotDescription(name=slot) for slot in inputs],
        outputs=[SlotDescription(name=slot) for slot in outputs],
        open_outputs=name == "ingest",
    )


TASK_TYPES = [
    describe("null", {"duration": {"type": "number"}}, required=[], inputs=[], outputs=[]),
    describe("make", {"radius": {"type": "number"}}, required=[], inputs=[], outputs=["lightcurve"]),
    describe("find", {"lc_duration": {"type": "number"}}, required=[], inputs=["lightcurve"], outputs=[]),
    describe("ingest", {}, required=[], inputs=[], outputs=[]),
]


class Bench:
    """A scheduler with one worker's hands."""

    def __init__(self, client: SchedulerClient, http: httpx.AsyncClient, worker_id: str = "w1") -> None:
        self.client = client
        self.http = http
        self.worker_id = worker_id

    async def announce(self, worker_id: str | None = None) -> WorkerWelcome:
        return await self.client.announce(
            WorkerAnnouncement(
                worker_id=worker_id or self.worker_id, host="here", process_id=1, slots=1, task_types=TASK_TYPES
            )
        )

    async def submit(self, *tasks: dict[str, Any], **keys: Any) -> int:
        response = await self.http.post("/jobs", json={"task_list": list(tasks), **keys})
        assert response.status_code == 201, response.text
        job_id: int = response.json()["job_id"]
        return job_id

    async def refuse(self, *tasks: dict[str, Any], **keys: Any) -> dict[str, Any]:
        response = await self.http.post("/jobs", json={"task_list": list(tasks), **keys})
        assert response.status_code >= 400, response.text
        return {"status": response.status_code, **response.json()}

    async def claim(self, limit: int = 100, wait: float = 0.0, worker_id: str | None = None) -> list[ClaimedAttempt]:
        limits = {found.name: limit for found in TASK_TYPES}
        request = ClaimRequest(worker_id=worker_id or self.worker_id, per_type=limits, total=limit, wait=wait)
        return (await self.client.claim(request)).attempts

    async def report(
        self, attempt: ClaimedAttempt, state: str = "accepted", *, worker_id: str | None = None, **fields: Any
    ) -> ReportResponse:
        report = AttemptReport.model_validate(
            {"attempt_id": attempt.attempt_id, "lease_token": attempt.lease_token, "state": state, **fields}
        )
        return await self.client.report(ReportRequest(worker_id=worker_id or self.worker_id, reports=[report]))

    async def run_one(self, state: str = "accepted", **fields: Any) -> ClaimedAttempt:
        (attempt,) = await self.claim(1)
        response = await self.report(attempt, state, **fields)
        assert response.results[0].recorded, response
        return attempt

    async def settle(self) -> None:
        """Let calls that were begun before have their first look: commands are carried out in their order."""
        for _ in range(2):
            await self.announce("onlooker")

    async def counts(self, job_id: int) -> dict[str, int]:
        job = await self.client.get_job(job_id)
        return {state: count for state, count in job.counts.model_dump().items() if count}


def version(attempt: ClaimedAttempt, slot: str = "lightcurve", **fields: Any) -> OutputVersion:
    made: dict[str, Any] = {
        "slot": slot,
        "version_id": 1000 + attempt.attempt_id,
        "directory": attempt.working_directory,
        "filename": attempt.outputs.get(slot, "unnamed"),
        "md5": "0" * 32,
        "sha256": "0" * 64,
        "size": 1,
        "passed_qc": True,
    }
    return OutputVersion.model_validate(made | fields)


class MovableClock:
    """A clock that stands still until it is moved: leases end when the test says so, however busy the machine is."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 26, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        """Go on by a number of seconds."""
        self.now += timedelta(seconds=seconds)


OpenBench = Callable[..., AbstractAsyncContextManager[Bench]]


@pytest.fixture
def database_url(make_database: Callable[[str], str]) -> str:
    return make_database("scheduler")


@pytest.fixture
def inspector(database_url: str) -> Iterator[Inspector]:
    found = Inspector(database_url)
    yield found
    found.close()


def find_wrong_counts(inspector: Inspector) -> list[Any]:
    """List the jobs whose counts are not those of their rows."""
    states = [state.value for state in TaskState]
    counted = inspector.fetch("SELECT job_id, state, COUNT(*) FROM task GROUP BY job_id, state")
    rows = {(job_id, state): count for job_id, state, count in counted}
    jobs = inspector.fetch(f"SELECT id, {', '.join(states)} FROM job")
    return [job for job in jobs if list(job[1:]) != [rows.get((job[0], state), 0) for state in states]]


@pytest.fixture
def open_bench(database_url: str) -> OpenBench:
    @asynccontextmanager
    async def open_it(clock: Clock = read_clock, **settings: Any) -> AsyncIterator[Bench]:
        values: dict[str, Any] = {
            "database_url": database_url,
            "product_store_url": "http://127.0.0.1:9",
            "ids_patience_seconds": 0,
            "reap_seconds": 3600,
            "retry_delay_seconds": 0,
        }
        app = create_app(SchedulerSettings(**values | settings), clock)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            SchedulerClient("http://scheduler", None, transport=transport) as client,
            httpx.AsyncClient(transport=transport, base_url="http://scheduler") as http,
        ):
            yield Bench(client, http)

    return open_it


@pytest.fixture
async def bench(open_bench: OpenBench) -> AsyncIterator[Bench]:
    async with open_bench() as found:
        await found.announce()
        yield found
