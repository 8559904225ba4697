"""Doorbells bring idle workers to work that no long poll told them of, and do no harm otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from eas.amqp.ports import Message
from eas.amqp.topology import QueueType, Topology
from eas.contracts.products import VersionView
from eas.contracts.scheduler import ClaimRequest, ClaimResponse
from eas.testing.broker import FakeBroker
from eas.testing.product_store import FakeProductStore
from eas.testing.scheduler import FakeScheduler
from eas_worker.logic.claiming import MOST_STORING
from eas_worker.storage.doorbells import BrokerDoorbells

from .observation import appearance
from .trial import Trial, open_trial

TOPOLOGY = Topology("test")
QUEUE = TOPOLOGY.task_queue("act")


class DeafScheduler(FakeScheduler):
    """Its long polls hear nothing of new work, as those at another replica, and do not end while a test lasts."""

    async def claim(self, request: ClaimRequest) -> ClaimResponse:
        if request.wait:
            self._serve()
            await asyncio.Event().wait()
        return await super().claim(request)


class ClosedStore(FakeProductStore):
    """Is away at first, and remembers what it was brought."""

    def __init__(self) -> None:
        super().__init__(is_down=True)
        self.brought: set[str] = set()

    async def upload(self, path: Path, *, filename: str, **values: Any) -> VersionView:
        self.brought.add(filename)
        return await super().upload(path, filename=filename, **values)


class Room:
    """A worker, and the broker that it listens to."""

    def __init__(self, trial: Trial, broker: FakeBroker, queue: str) -> None:
        self.queue = queue
        self.scheduler = trial.scheduler
        self.broker = broker
        self.queues = broker.queues(TOPOLOGY)

    async def ring(self, *bodies: object) -> None:
        messages = [Message(self.queue, str(body).encode()) for body in bodies]
        assert all(found.is_confirmed for found in await self.broker.publisher(TOPOLOGY).publish_many(messages))

    async def until_waiting(self, number: int) -> None:
        for _ in range(12_000):
            if await self.queues.length(self.queue) == number:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"waited in vain until {number} messages wait in {self.queue}")


@asynccontextmanager
async def open_room(folder: Path, task_type: str = "act", **options: Any) -> AsyncIterator[Room]:
    broker = FakeBroker()
    doorbells = BrokerDoorbells(lambda handler: broker.consumer(TOPOLOGY, handler, prefetch=0), TOPOLOGY)
    async with open_trial(
        folder, scheduler=DeafScheduler(), doorbells=doorbells, preload=False, only=(task_type,), **options
    ) as trial:
        await trial.scheduler.until(lambda: bool(trial.scheduler.announcements))
        yield Room(trial, broker, TOPOLOGY.task_queue(task_type))


async def test_a_doorbell_brings_an_idle_worker_at_once_and_is_acknowledged(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        attempt = room.scheduler.add("act", {"act": "echo"})
        await room.ring(attempt)
        assert (await room.scheduler.report_of(attempt)).state == "accepted"
        await room.until_waiting(0)


async def test_a_doorbell_stays_with_the_broker_until_the_scheduler_answers(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        attempt = room.scheduler.add("act", {"act": "echo"})
        room.scheduler.is_down = True
        await room.ring(attempt)
        requests = room.scheduler.requests
        await room.scheduler.until(lambda: room.scheduler.requests >= requests + 3)
        room.scheduler.is_down = False
        assert (await room.scheduler.report_of(attempt)).state == "accepted"


async def test_a_busy_worker_leaves_doorbells_to_others(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        busy = room.scheduler.add("act", {"act": "wait", "note": str(tmp_path / "pid")})
        await room.ring(busy)
        await appearance(tmp_path / "pid")
        await room.until_waiting(0)
        attempt = room.scheduler.add("act", {"act": "echo"})
        await room.ring(attempt)
        claims = len(room.scheduler.claims)
        await room.until_waiting(1)
        assert len(room.scheduler.claims) == claims
        room.scheduler.cancel(busy)
        assert (await room.scheduler.report_of(attempt)).state == "accepted"
        await room.until_waiting(0)


async def test_a_worker_whose_results_wait_for_the_store_takes_no_more(tmp_path: Path) -> None:
    store = ClosedStore()
    async with open_room(tmp_path, "copy", store=store) as room:
        attempts = []
        for number in range(MOST_STORING):
            attempts.append(room.scheduler.add("copy", {"content": "x"}, outputs={"copy": f"{number}.txt"}))
            await room.ring(attempts[-1])
            await room.until_waiting(0)
        async with asyncio.timeout(120):
            await room.scheduler.until(lambda: len(store.brought) == MOST_STORING)
        attempts.append(room.scheduler.add("copy", {"content": "x"}, outputs={"copy": "one too many.txt"}))
        claims = len(room.scheduler.claims)
        await room.ring(attempts[-1])
        refused = store.refused
        await room.scheduler.until(lambda: store.refused > refused + 2 * MOST_STORING)
        assert len(room.scheduler.claims) == claims
        await room.until_waiting(1)
        store.is_down = False
        for attempt in attempts:
            assert (await room.scheduler.report_of(attempt)).state == "accepted"
        await room.until_waiting(0)


async def test_a_queue_of_another_kind_stops_nobody(tmp_path: Path) -> None:
    broker = FakeBroker()
    await broker.queues(Topology("test", QueueType.QUORUM)).declare(QUEUE)
    doorbells = BrokerDoorbells(lambda handler: broker.consumer(TOPOLOGY, handler, prefetch=0), TOPOLOGY)
    async with open_trial(tmp_path, doorbells=doorbells, preload=False, only=("act", "null")) as trial:
        report = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "echo"}))
        assert report.state == "accepted"


@pytest.mark.parametrize("bodies", [(1, 1, 1), (7, 1, 900), ("garbage", 1, "", "-5", "9" * 30)])
async def test_repeated_late_and_false_doorbells_run_nothing_twice(bodies: tuple[object, ...], tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        attempts = [room.scheduler.add("act", {"act": "echo"}) for _ in range(2)]
        await room.ring(*bodies, *reversed(attempts), *bodies)
        for attempt in attempts:
            assert (await room.scheduler.report_of(attempt)).state == "accepted"
        await room.until_waiting(0)
        assert sorted(room.scheduler.reports) == attempts
        garbage = [body for body in bodies * 2 if not str(body).isdigit() or len(str(body)) > 20]
        assert await room.queues.length(TOPOLOGY.dead_letter_queue) == len(garbage) if garbage else True
