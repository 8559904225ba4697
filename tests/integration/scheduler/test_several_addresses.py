"""A worker that knows several schedulers loses nothing while one of them stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from eas.client.scheduler import SchedulerClient
from eas.client.several import SeveralSchedulers
from eas.contracts.errors import UnavailableError
from eas.contracts.scheduler import (
    AttemptReport,
    ClaimRequest,
    HeartbeatRequest,
    LeasedAttempt,
    ReportRequest,
    WorkerAnnouncement,
)
from eas.contracts.states import AttemptState
from tests.support.databases import SERVER_KINDS

from .conftest import TASK_TYPES, Bench, MovableClock, OpenBench

#: A scheduler has a sixth of it to answer, of real time; leases end by the clock of the test [s].
LEASE = 6.0


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """Of a SQLite file there is one scheduler only."""
    kind: str = request.param
    return kind


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def pair(open_bench: OpenBench, clock: MovableClock) -> AsyncIterator[tuple[Bench, Bench]]:
    terms = {"lease_seconds": LEASE, "reap_seconds": 0.1, "leader_lease_seconds": 3600}
    # The second leads, and so reaps: it does not stand still.
    async with open_bench(clock, replica="b", **terms) as second, open_bench(clock, replica="a", **terms) as first:
        yield first, second


class StandingStill(httpx.AsyncBaseTransport):
    """The way to a scheduler that can stand still: it takes requests and answers nothing."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.still = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.still:
            await asyncio.Event().wait()
        return await self._bench.http._transport.handle_async_request(request)


async def beat_for_two_leases(source: SeveralSchedulers, held: list[LeasedAttempt], clock: MovableClock) -> None:
    """Beat as a worker does."""
    for _ in range(8):
        clock.move(LEASE / 4)
        with suppress(UnavailableError):
            await source.beat(HeartbeatRequest(worker_id="w1", attempts=held))


@pytest.mark.parametrize("database_kind", SERVER_KINDS[:1], indirect=True)
@pytest.mark.parametrize("addresses", [1, 2])
async def test_nothing_is_lost_while_one_of_two_schedulers_stands_still(
    pair: tuple[Bench, Bench], addresses: int, clock: MovableClock
) -> None:
    """With one address all is lost: the other scheduler ends the leases that nobody renews."""
    ways = [StandingStill(bench) for bench in pair]
    clients = [SchedulerClient("http://scheduler", None, transport=way) for way in ways[:addresses]]
    source = SeveralSchedulers(clients, ["http://a", "http://b"][:addresses])
    await pair[1].announce("w2")
    await source.announce(WorkerAnnouncement(worker_id="w1", host="h", process_id=1, slots=2, task_types=TASK_TYPES))
    job_id = await pair[1].submit({"task": "null"}, {"task": "null"})
    claim = ClaimRequest(worker_id="w1", per_type={"null": 2}, total=2)
    attempts = (await source.claim(claim)).attempts
    held = [LeasedAttempt(attempt_id=found.attempt_id, lease_token=found.lease_token) for found in attempts]
    ways[0].still = True
    await beat_for_two_leases(source, held, clock)
    await pair[1].claim(1, wait=60 if addresses == 1 else 0, worker_id="w2")  # until the reaper has looked
    states = {(await pair[1].client.get_attempt(found.attempt_id)).state for found in attempts}
    if addresses == 1:
        assert states == {AttemptState.LOST}
    else:
        assert states == {AttemptState.RUNNING}
        reports = [
            AttemptReport(attempt_id=found.attempt_id, lease_token=found.lease_token, state="accepted")
            for found in attempts
        ]
        response = await source.report(ReportRequest(worker_id="w1", reports=reports, claim=claim))
        assert [result.recorded for result in response.results] == [True, True]
        assert await pair[1].counts(job_id) == {"done": 3}
    for client in clients:
        await client.close()


async def call_and_go(bench: Bench, path: str, body: bytes) -> None:
    """Send a request as somebody does who has closed the connection before it is read."""
    app = bench.http._transport.app  # type: ignore[attr-defined]
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": body, "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(_message: dict[str, Any]) -> None:
        pass

    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    await app({**scope, "headers": headers, "http_version": "1.1", "scheme": "http", "client": ("c", 1)}, receive, send)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("way", ["claim", "report"])
async def test_what_a_scheduler_hands_out_to_somebody_who_went_elsewhere_goes_back(
    open_bench: OpenBench, way: str
) -> None:
    """A scheduler that stood still carries out what was asked of it before, when it goes on."""
    async with open_bench() as bench:
        await bench.announce()
        await bench.submit({"task": "null"})
        claim = ClaimRequest(worker_id="w1", per_type={"null": 1}, total=1)
        request = claim if way == "claim" else ReportRequest(worker_id="w1", reports=[], claim=claim)
        await call_and_go(bench, f"/attempts/{way}", request.model_dump_json().encode())
        (attempt,) = await bench.claim(1, wait=60)
        assert attempt.number == 2
