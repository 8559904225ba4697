"""State changes as they happen, over a real connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import httpx
import pytest
import uvicorn

from eas.client.scheduler import SchedulerClient
from eas.contracts.diagnostics import JobEnd, StateChange
from eas.contracts.errors import NotFoundError, UnavailableError
from eas.contracts.states import JobState
from eas_scheduler.main import create_app
from eas_scheduler.settings import SchedulerSettings

from .conftest import Bench

pytestmark = pytest.mark.sqlite_only

NULL = {"task": "null"}
SECONDS = 20.0

OpenServer = Callable[[], AbstractAsyncContextManager[Bench]]


class QuietServer(uvicorn.Server):
    """Leaves signals to the test runner, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        serving = asyncio.create_task(self._serve())
        try:
            await asyncio.wait_for(self.listens.wait(), SECONDS)
            host, port = self.servers[0].sockets[0].getsockname()
            yield f"http://{host}:{port}"
        finally:
            self.should_exit = True
            await asyncio.wait_for(serving, SECONDS)

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup()
        self.listens.set()


@pytest.fixture
def open_server(database_url: str) -> OpenServer:
    @asynccontextmanager
    async def open_it() -> AsyncIterator[Bench]:
        settings = SchedulerSettings(
            database_url=database_url, product_store_url="http://127.0.0.1:9", reap_seconds=3600, ids_patience_seconds=0
        )
        config = uvicorn.Config(create_app(settings), port=0, log_config=None, timeout_graceful_shutdown=1)
        async with (
            QuietServer(config).running() as url,
            SchedulerClient(url, None) as client,
            httpx.AsyncClient(base_url=url) as http,
        ):
            bench = Bench(client, http)
            await bench.announce()
            yield bench

    return open_it


@pytest.fixture
async def served(open_server: OpenServer) -> AsyncIterator[Bench]:
    async with open_server() as bench:
        yield bench


async def take(bench: Bench, count: int, job_id: int | None = None, after: int | None = None) -> list[StateChange]:
    """Take so many changes off a stream and leave it."""
    found: list[StateChange] = []
    async with aclosing(bench.client.follow(job_id, after=after)) as stream, asyncio.timeout(SECONDS):
        async for change in stream:
            assert isinstance(change, StateChange)
            found.append(change)
            if len(found) == count:
                break
    return found


async def take_all(bench: Bench, job_id: int) -> list[StateChange | JobEnd]:
    async with asyncio.timeout(SECONDS):
        return [change async for change in bench.client.follow(job_id)]


async def test_a_jobs_changes_come_in_order_and_end_with_the_job(bench: Bench) -> None:
    job_id = await bench.submit({"task": "null", "name": "mine"})
    await bench.submit(NULL)
    await bench.run_one("lost", reason="evicted")
    for attempt in await bench.claim():
        await bench.report(attempt)
    *changes, end = await take_all(bench, job_id)
    assert end == JobEnd(job_id=job_id, state=JobState.DONE)
    found = [change for change in changes if isinstance(change, StateChange)]
    mine = [(change.before, change.after, change.reason) for change in found if change.task_name == "mine"]
    assert mine == [
        (None, "queued", None),
        ("queued", "running", None),
        ("running", "lost", "evicted"),
        (None, "queued", None),
        ("queued", "running", None),
        ("running", "checking", None),
        ("checking", "accepted", None),
    ]
    ids = [change.event_id for change in found]
    assert ids == sorted(set(ids))
    assert {change.job_id for change in found} == {job_id}


async def test_a_listener_goes_on_where_it_was(bench: Bench) -> None:
    job_id = await bench.submit(NULL)
    await bench.run_one()
    whole = await take_all(bench, job_id)
    place = whole[2]
    assert isinstance(place, StateChange)
    headers = {"Last-Event-ID": str(place.event_id)}
    text = (await bench.http.get(f"/jobs/{job_id}/events", headers=headers)).text
    ids = [int(line.removeprefix("id: ")) for line in text.splitlines() if line.startswith("id: ")]
    assert ids == [change.event_id for change in whole[3:] if isinstance(change, StateChange)]
    assert text.endswith(f'event: end\ndata: {{"job_id":{job_id},"state":"done"}}\n\n')
    params = {"after": place.event_id}
    assert (await bench.http.get(f"/jobs/{job_id}/events", params=params)).text == text


async def test_more_changes_than_one_read_takes_all_arrive(bench: Bench) -> None:
    job_id = await bench.submit(*[NULL] * 300)
    for attempt in await bench.claim(300):
        await bench.report(attempt)
    changes = await take_all(bench, job_id)
    accepted = [change for change in changes if isinstance(change, StateChange) and change.after == "accepted"]
    assert len(accepted) == 301
    assert len(changes) > 1200


@pytest.mark.every_database
async def test_what_cannot_be_followed_is_refused(bench: Bench) -> None:
    assert (await bench.http.get("/jobs/99/events")).status_code == 404
    job_id = await bench.submit(NULL)
    for wrong in ("soon", "-1", "9" * 30):
        response = await bench.http.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": wrong})
        assert (response.status_code, response.json()["where"]) == (422, "header.Last-Event-ID")
    with pytest.raises(NotFoundError):
        await take(bench, 1, job_id=99)


async def test_changes_arrive_while_they_happen(served: Bench) -> None:
    job_id = await served.submit(NULL)
    seen = [change async for change in _first(served, job_id)]
    waiting = asyncio.create_task(take(served, 1, job_id, after=seen[-1].event_id))
    await served.client.list_jobs()
    assert not waiting.done()
    (attempt,) = await served.claim(1)
    (change,) = await waiting
    assert (change.attempt_id, change.before, change.after) == (attempt.attempt_id, "queued", "running")


async def _first(bench: Bench, job_id: int) -> AsyncIterator[StateChange]:
    """Take what has happened so far: until the job's only attempt of a worker is queued."""
    async with aclosing(bench.client.follow(job_id)) as stream, asyncio.timeout(SECONDS):
        async for change in stream:
            assert isinstance(change, StateChange)
            yield change
            if change.task_type == "null":
                return


async def test_all_jobs_are_followed_from_now_on(served: Bench) -> None:
    await served.submit(NULL)
    async with served.http.stream("GET", "/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        lines = response.aiter_lines()
        assert await anext(lines) == "retry: 1000"
        first, second = await served.submit(NULL), await served.submit(NULL)
        jobs = set()
        async with asyncio.timeout(SECONDS):
            async for line in lines:
                if line.startswith("data: "):
                    jobs.add(StateChange.model_validate_json(line.removeprefix("data: ")).job_id)
                if jobs >= {first, second}:
                    break
    assert jobs == {first, second}


async def test_a_stream_ends_when_the_service_stops_and_goes_on_after_its_restart(open_server: OpenServer) -> None:
    async with open_server() as bench:
        job_id = await bench.submit(NULL)
        seen: list[StateChange] = []
        arrived = asyncio.Event()

        async def listen() -> None:
            async for change in bench.client.follow(job_id):
                assert isinstance(change, StateChange)
                seen.append(change)
                if change.task_type == "null":
                    arrived.set()

        listening = asyncio.create_task(listen())
        await asyncio.wait_for(arrived.wait(), SECONDS)
    with pytest.raises(UnavailableError):
        await asyncio.wait_for(listening, SECONDS)
    async with open_server() as bench:
        await bench.run_one()
        changes = await take(bench, 3, job_id, after=seen[-1].event_id)
        assert [change.after for change in changes] == ["running", "checking", "accepted"]
