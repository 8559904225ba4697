"""Queues of doorbells keep the same promises in the database, at a real broker, and at the one of tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from eas.amqp.settings import BrokerSettings
from eas.amqp.topology import QueueType, Topology
from eas.database.committer import Database
from eas.testing.broker import FakeBroker
from eas_scheduler.logic.ports import TaskQueues
from eas_scheduler.storage.broker_queues import BrokerTaskQueues, ConnectedTaskQueues
from eas_scheduler.storage.sql_queues import SqlTaskQueues
from tests.support.databases import KINDS, Inspector

from .conftest import Bench, OpenBench

QUEUES = [
    *((kind, "database") for kind in KINDS),
    ("sqlite", "classic"),
    ("sqlite", "quorum"),
    ("sqlite", "fake"),
]
NULL, MAKE = {"task": "null"}, {"task": "make", "outputs": {"lightcurve": "'a.gz'"}}


@pytest.fixture(params=QUEUES, ids=lambda found: "-".join(found))
def kinds(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def database_kind(kinds: tuple[str, str]) -> str:
    return kinds[0]


@pytest.fixture
async def bench(open_bench: OpenBench) -> AsyncIterator[Bench]:
    async with open_bench() as found:
        await found.announce()
        yield found


@pytest.fixture
async def attempts(bench: Bench, inspector: Inspector) -> list[int]:
    """Five attempts of `null` and one of `make`, which nobody has claimed."""
    await bench.submit(*[NULL] * 5, MAKE)
    return [row[0] for row in inspector.fetch("SELECT id FROM attempt WHERE state = 'queued' ORDER BY id")]


@pytest.fixture
async def queues(
    kinds: tuple[str, str], attempts: list[int], database_url: str, request: pytest.FixtureRequest
) -> AsyncIterator[TaskQueues]:
    async with AsyncExitStack() as stack:
        topology = Topology(f"test_{uuid4().hex[:8]}")
        found: TaskQueues
        if kinds[1] == "database":
            database = Database(database_url)
            await database.start()
            stack.push_async_callback(database.stop)
            found = SqlTaskQueues(database, lambda: datetime.now(UTC))
        elif kinds[1] == "fake":
            broker = FakeBroker()
            found = BrokerTaskQueues(broker.publisher(topology), broker.queues(topology), topology)
        else:
            url = request.getfixturevalue("rabbitmq_server").make_vhost()
            topology = Topology(topology.prefix, QueueType(kinds[1]))
            connected = found = ConnectedTaskQueues(BrokerSettings(url=SecretStr(url)), topology)
            await connected.start()
        stack.push_async_callback(found.close)
        await found.purge("null")
        await found.purge("make")
        yield found


def of_null(attempts: list[int]) -> list[tuple[int, str]]:
    return [(attempt_id, "null") for attempt_id in attempts[:5]]


async def test_what_is_published_is_in_its_queue_in_order(queues: TaskQueues, attempts: list[int]) -> None:
    assert await queues.length("null") == 0
    assert await queues.publish([*of_null(attempts), (attempts[5], "make")]) == set(attempts)
    assert (await queues.length("null"), await queues.length("make")) == (5, 1)
    assert await queues.list_attempts("null", 100) == attempts[:5]
    assert await queues.list_attempts("make", 100) == attempts[5:]


async def test_to_list_disturbs_nothing(queues: TaskQueues, attempts: list[int]) -> None:
    await queues.publish(of_null(attempts))
    for _ in range(3):
        assert await queues.list_attempts("null", 2) == attempts[:2]
    assert await queues.length("null") == 5
    assert await queues.fetch_and_acknowledge("null") == attempts[0]


async def test_each_is_fetched_once_and_then_there_is_none(queues: TaskQueues, attempts: list[int]) -> None:
    await queues.publish(of_null(attempts))
    assert [await queues.fetch_and_acknowledge("null") for _ in range(6)] == [*attempts[:5], None]
    assert await queues.length("null") == 0


async def test_what_was_fetched_can_be_published_again(queues: TaskQueues, attempts: list[int]) -> None:
    await queues.publish(of_null(attempts)[:1])
    assert await queues.fetch_and_acknowledge("null") == attempts[0]
    await queues.publish(of_null(attempts)[:1])
    assert await queues.list_attempts("null", 9) == attempts[:1]


async def test_a_purge_empties_one_queue_and_counts(queues: TaskQueues, attempts: list[int], bench: Bench) -> None:
    await queues.publish([*of_null(attempts), (attempts[5], "make")])
    assert await queues.purge("null") == 5
    assert (await queues.length("null"), await queues.length("make")) == (0, 1)
    assert await queues.purge("null") == 0
    assert len(await bench.claim()) == 6  # a doorbell is not the work


async def test_a_queue_that_nobody_used_is_empty(queues: TaskQueues) -> None:
    await queues.declare("find")
    await queues.declare("find")
    unused: list[Any] = [await queues.length("find"), await queues.list_attempts("find", 5)]
    assert [*unused, await queues.fetch_and_acknowledge("find"), await queues.purge("find")] == [0, [], None, 0]
