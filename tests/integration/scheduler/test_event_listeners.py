"""Listeners of live events that are quiet, slow, lost, or ahead of their time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from eas.client.scheduler import SchedulerClient
from eas.contracts.diagnostics import StateChange
from eas_scheduler.logic.events import BATCH
from eas_scheduler.main import create_app
from eas_scheduler.runtime import SchedulerRuntime
from eas_scheduler.settings import SchedulerSettings

from .conftest import Bench

pytestmark = pytest.mark.sqlite_only

NULL = {"task": "null"}
SECONDS = 20.0


class Listener:
    """One HTTP connection to a stream, whose every send waits until it may."""

    def __init__(self, app: FastAPI, path: str, **headers: str) -> None:
        self.parts: list[bytes] = []
        self.blocked = asyncio.Event()
        self._may_send = asyncio.Semaphore(0)
        self._gone = asyncio.Event()
        self._requested = False
        self._came = asyncio.Condition()
        fields = [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self._scope = {
            **{"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""},
            **{"headers": fields, "scheme": "http", "server": ("x", 80), "client": ("y", 1), "root_path": ""},
            **{"http_version": "1.1", "asgi": {"version": "3.0"}, "state": {}},
        }
        self.serving = asyncio.create_task(app(self._scope, self._receive, self._send))

    def read(self, times: int = 1_000_000) -> None:
        """Take the next messages as they come."""
        for _ in range(times):
            self._may_send.release()

    def leave(self) -> None:
        """Close the connection."""
        self._gone.set()

    async def wait_for(self, pattern: bytes) -> re.Match[bytes]:
        """Wait until what was read contains a pattern."""
        async with asyncio.timeout(SECONDS), self._came:
            while (match := re.search(pattern, b"".join(self.parts), re.DOTALL)) is None:
                await self._came.wait()
        return match

    @property
    def event_ids(self) -> list[int]:
        return [int(found) for found in re.findall(rb"^id: (\d+)$", b"".join(self.parts), re.MULTILINE)]

    async def _receive(self) -> dict[str, Any]:
        if not self._requested:
            self._requested = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if self._may_send.locked():
            self.blocked.set()
        await self._may_send.acquire()
        self.blocked.clear()
        self.parts.append(message.get("body", b""))
        async with self._came:
            self._came.notify_all()


class Hall:
    """A scheduler, a worker's hands, and a way to listen."""

    def __init__(self, app: FastAPI, bench: Bench) -> None:
        self.app = app
        self.bench = bench

    @property
    def followers(self) -> int:
        factory: SchedulerRuntime = self.app.state.factory
        return factory.events.followers

    def listen(self, path: str, **headers: str) -> Listener:
        return Listener(self.app, path, **headers)


OpenHall = Callable[..., AbstractAsyncContextManager[Hall]]


@pytest.fixture
def open_hall(database_url: str) -> OpenHall:
    @asynccontextmanager
    async def open_it(**more: Any) -> AsyncIterator[Hall]:
        settings = SchedulerSettings(
            database_url=database_url,
            product_store_url="http://127.0.0.1:9",
            reap_seconds=3600,
            ids_patience_seconds=0,
            **more,
        )
        app = create_app(settings)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            SchedulerClient("http://scheduler", None, transport=transport) as client,
            httpx.AsyncClient(transport=transport, base_url="http://scheduler") as http,
        ):
            bench = Bench(client, http)
            await bench.announce()
            yield Hall(app, bench)

    return open_it


@pytest.fixture
async def hall(open_hall: OpenHall) -> AsyncIterator[Hall]:
    async with open_hall() as found:
        yield found


async def test_a_quiet_stream_gives_signs_of_life(open_hall: OpenHall) -> None:
    async with open_hall(event_heartbeat_seconds=0.01) as hall:
        listener = hall.listen("/events")
        listener.read()
        await listener.wait_for(rb"retry: 1000\n\n(: nothing new\n\n){3}")
        await hall.bench.submit(NULL)
        await listener.wait_for(rb"event: change\n.*: nothing new\n\n")
        listener.leave()
        await asyncio.wait_for(listener.serving, SECONDS)


async def test_a_busy_stream_needs_no_signs_of_life(hall: Hall) -> None:
    listener = hall.listen("/events")
    listener.read()
    await listener.wait_for(rb"retry")
    for _ in range(20):
        await hall.bench.submit(NULL)
    await listener.wait_for(rb'"job_id":20,.*"task_type":"null"')
    assert b"nothing new" not in b"".join(listener.parts)
    listener.leave()
    await asyncio.wait_for(listener.serving, SECONDS)


async def test_listeners_that_go_away_leave_nothing_behind(hall: Hall) -> None:
    job_id = await hall.bench.submit(NULL)
    quiet = [hall.listen("/events"), hall.listen(f"/jobs/{job_id}/events")]
    for listener in quiet:
        listener.read()
        await listener.wait_for(rb"retry")
    stuck = hall.listen(f"/jobs/{job_id}/events")
    stuck.read(2)
    await asyncio.wait_for(stuck.blocked.wait(), SECONDS)
    assert hall.followers == 3
    for listener in (*quiet, stuck):
        listener.leave()
    stuck.read()  # a server lets writes to a closed connection through
    await asyncio.wait_for(asyncio.gather(*(listener.serving for listener in (*quiet, stuck))), SECONDS)
    assert hall.followers == 0


async def test_the_client_of_a_library_lets_go_of_its_stream(hall: Hall) -> None:
    job_id = await hall.bench.submit(NULL)
    await hall.bench.run_one()
    async with aclosing(hall.bench.client.follow(job_id)) as stream:
        assert isinstance(await anext(stream), StateChange)
    assert hall.followers == 0


async def test_a_listener_from_the_future_hears_what_happens_from_now_on(hall: Hall) -> None:
    job_id = await hall.bench.submit(NULL)
    for path in ("/events", f"/jobs/{job_id}/events"):
        listener = hall.listen(path, Last_Event_ID="999999")
        listener.read()
        await listener.wait_for(rb"retry")
        (attempt,) = await hall.bench.claim()
        await listener.wait_for(rb'"after":"running"')
        await hall.bench.report(attempt, "lost", reason="evicted")
        await listener.wait_for(rb'"after":"lost"')
        assert b'"before":null,"after":"running"' not in b"".join(listener.parts)
        listener.leave()
        await asyncio.wait_for(listener.serving, SECONDS)


async def test_a_job_that_has_ended_ends_the_stream_of_a_listener_from_the_future(hall: Hall) -> None:
    job_id = await hall.bench.submit(NULL)
    await hall.bench.run_one()
    listener = hall.listen(f"/jobs/{job_id}/events", Last_Event_ID="999999")
    listener.read()
    await asyncio.wait_for(listener.serving, SECONDS)
    assert b"".join(listener.parts).endswith(b'"state":"done"}\n\n')
    assert listener.event_ids == []


async def test_a_slow_listener_holds_nobody_up_and_misses_nothing(hall: Hall) -> None:
    bench = hall.bench
    job_id = await bench.submit(*[NULL] * 600)
    slow = hall.listen(f"/jobs/{job_id}/events")
    slow.read(3)
    await asyncio.wait_for(slow.blocked.wait(), SECONDS)
    while attempts := await bench.claim(200):
        for attempt in attempts[:5]:
            await bench.report(attempt)
        await bench.client.cancel_job(job_id)
        for attempt in attempts[5:]:
            await bench.report(attempt, "cancelled")

    await bench.client.get_job(job_id, wait=SECONDS)
    assert len(slow.event_ids) <= BATCH
    assert not slow.serving.done()

    slow.read()
    await asyncio.wait_for(slow.serving, SECONDS)
    assert slow.event_ids == sorted(set(slow.event_ids))
    everything = [change async for change in bench.client.follow(job_id)]
    assert slow.event_ids == [change.event_id for change in everything if isinstance(change, StateChange)]
    assert len(everything) > 3 * BATCH


@pytest.mark.every_database
async def test_excuses_and_pauses_are_events_too(hall: Hall) -> None:
    bench = hall.bench
    job_id = await bench.submit({"task": "null", "name": "bad"})
    await bench.client.pause_job(job_id)
    await bench.client.resume_job(job_id)
    attempt = await bench.run_one("failed", reason="science")
    await bench.client.excuse_task(attempt.task_id, "clouds")
    changes = [change async for change in bench.client.follow(job_id)]
    steps = [(change.after, change.reason) for change in changes if isinstance(change, StateChange)]
    assert ("paused", None) in steps
    assert steps[-1] == ("done", "excused")
