"""Doorbells ring for what is queued, once it is committed, and again where nobody came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from eas.amqp.ports import Delivery
from eas.amqp.topology import Topology
from eas.background import cancel_and_wait
from eas.contracts.errors import UnavailableError
from eas.database.committer import Database
from eas.testing.broker import FakeBroker
from eas_scheduler.domain.changes import Changes
from eas_scheduler.logic.doorbell_relay import MOST_WAITING, DoorbellRelay, DoorbellSweeper
from eas_scheduler.logic.wakeups import Wakeups
from eas_scheduler.storage.broker_queues import BrokerTaskQueues
from eas_scheduler.storage.sql_queues import SqlTaskQueues
from tests.support.databases import Inspector

from .conftest import Bench

NULL = {"task": "null"}
TOPOLOGY = Topology("test")


class Belfry:
    """The outbox of a scheduler's database, and a broker in memory."""

    def __init__(self, database: Database) -> None:
        self.now = datetime.now(UTC)
        self.fake = FakeBroker()
        self.wakeups = Wakeups()
        self.outbox = SqlTaskQueues(database, self.tell_time)
        self.broker = BrokerTaskQueues(self.fake.publisher(TOPOLOGY), self.fake.queues(TOPOLOGY), TOPOLOGY)
        self.ringer = DoorbellRelay(self.outbox, self.broker, self.wakeups, self.tell_time)
        self.sweeper = DoorbellSweeper(self.outbox, self.broker, self.wakeups, self.tell_time, patience=10, every=3600)

    def tell_time(self) -> datetime:
        return self.now

    async def heard(self) -> list[int]:
        return await self.broker.list_attempts("null", 100)


@pytest.fixture
async def belfry(bench: Bench, database_url: str) -> AsyncIterator[Belfry]:
    database = Database(database_url)
    await database.start()
    yield Belfry(database)
    await database.stop()


async def test_each_queued_attempt_is_rung_for_once(bench: Bench, belfry: Belfry, inspector: Inspector) -> None:
    await bench.submit(*[NULL] * 3)
    assert await belfry.ringer.ring_some() == 3
    assert await belfry.ringer.ring_some() == 0
    queued = inspector.fetch("SELECT id FROM attempt WHERE state = 'queued' ORDER BY id")
    assert await belfry.heard() == [row[0] for row in queued]


async def test_what_was_claimed_meanwhile_and_what_is_held_back_is_not_rung_for(bench: Bench, belfry: Belfry) -> None:
    paused = await bench.submit(NULL)
    await bench.client.pause_job(paused)
    await bench.submit(NULL)
    assert len(await bench.claim()) == 1
    assert await belfry.ringer.ring_some() == 0
    await bench.client.resume_job(paused)
    assert await belfry.ringer.ring_some() == 1


async def test_no_more_doorbells_wait_than_are_of_use_and_other_types_are_not_behind_them(
    bench: Bench, belfry: Belfry
) -> None:
    await bench.submit(*[NULL] * 230, {"task": "make", "outputs": {"lightcurve": "'a.gz'"}})
    while await belfry.ringer.ring_some():
        pass
    assert await belfry.broker.length("null") == MOST_WAITING
    assert await belfry.broker.length("make") == 1
    for _ in range(50):
        await belfry.broker.fetch_and_acknowledge("null")
    assert await belfry.ringer.ring_some() == 0  # the broker was asked a moment ago
    belfry.now += timedelta(seconds=2)
    while await belfry.ringer.ring_some():
        pass
    assert await belfry.broker.length("null") == 230 - 50


async def test_a_broker_that_is_away_costs_no_doorbell(bench: Bench, belfry: Belfry) -> None:
    await bench.submit(*[NULL] * 3)
    belfry.fake.stop()
    with pytest.raises(UnavailableError):
        await belfry.ringer.ring_some()
    belfry.fake.start()
    assert await belfry.ringer.ring_some() == 3


async def test_a_commit_wakes_the_ringer(belfry: Belfry, bench: Bench) -> None:
    rung: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def hear(delivery: Delivery) -> None:
        await delivery.ack()
        rung.set_result(int(delivery.body))

    consumer = belfry.fake.consumer(TOPOLOGY, hear, prefetch=1)
    await consumer.start()
    await consumer.add(TOPOLOGY.task_queue("null"))
    ringing = asyncio.create_task(belfry.ringer.run())
    await bench.submit(NULL)
    changes = Changes(belfry.now)
    changes.queued["null"] = 1
    belfry.wakeups.wake(changes)
    async with asyncio.timeout(60):
        await rung
    await cancel_and_wait([ringing])
    await consumer.close()


async def test_doorbells_that_the_broker_lost_ring_again_after_some_time(bench: Bench, belfry: Belfry) -> None:
    await bench.submit(*[NULL] * 2)
    await belfry.ringer.ring_some()
    before = await belfry.heard()
    belfry.fake.lose_queues()
    assert await belfry.sweeper.sweep() == 0  # patience
    belfry.now += timedelta(seconds=11)
    assert await belfry.sweeper.sweep() == 2
    await belfry.ringer.ring_some()
    assert await belfry.heard() == before


async def test_doorbells_that_still_wait_are_not_doubled(bench: Bench, belfry: Belfry) -> None:
    await bench.submit(*[NULL] * 2)
    await belfry.ringer.ring_some()
    belfry.now += timedelta(hours=1)
    assert await belfry.sweeper.sweep() == 0
    assert len(await belfry.heard()) == 2


async def test_what_nobody_can_hear_any_more_is_not_rung_for_again(
    bench: Bench, belfry: Belfry, make_database: Callable[[str], str]
) -> None:
    await bench.submit(NULL)
    await belfry.ringer.ring_some()
    await bench.claim()
    belfry.fake.lose_queues()
    belfry.now += timedelta(hours=1)
    assert await belfry.sweeper.sweep() == 0
