"""What the scheduler tells the product store through a real broker, with the broker and its queues lost on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from pydantic import SecretStr

from eas.amqp.connection import BrokerConnection
from eas.amqp.inspection import QueueInspector
from eas.amqp.settings import BrokerSettings
from eas.amqp.topology import Topology
from eas.contracts.products import ProductView, VersionView
from tests.support.databases import Inspector
from tests.support.private_server import open_server
from tests.support.rabbitmq import RabbitmqServer

from .conftest import Bench, OpenBench
from .served_store import ServedStore, serve_store

TOPOLOGY = Topology()
QUEUE = TOPOLOGY.queue("products")
_names = count(1)

#: It is about the way of the messages, not about what the outbox is kept in.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@dataclass
class Observer:
    """Looks at the outbox and at queues."""

    inspector: Inspector
    queues: QueueInspector

    async def wait_until_told(self) -> None:
        """Wait until the outbox is empty."""
        async with asyncio.timeout(60):
            while self.inspector.fetch("SELECT id FROM outbox"):  # noqa: ASYNC110 - the relay empties it
                await asyncio.sleep(0.05)

    async def wait_for_length(self, queue: str, length: int) -> None:
        async with asyncio.timeout(60):
            while await self.queues.length(queue) != length:  # noqa: ASYNC110 - the store empties it
                await asyncio.sleep(0.05)


@asynccontextmanager
async def observe(url: str, inspector: Inspector) -> AsyncIterator[Observer]:
    settings = BrokerSettings(url=SecretStr(url), first_pause_s=0.05, longest_pause_s=0.5)
    connection = BrokerConnection(settings, name="test")
    await connection.start()
    try:
        await connection.wait_until_up()
        queues = QueueInspector(connection, TOPOLOGY)
        await queues.declare(QUEUE)
        yield Observer(inspector, queues)
    finally:
        await connection.close()


async def make_version(bench: Bench, store: ServedStore) -> VersionView:
    """Run a job whose version quality control accepts."""
    await bench.submit({"task": "make", "outputs": {"lightcurve": f"curve_{next(_names)}"}})
    (attempt,) = await bench.claim(1)
    made = await store.upload(attempt, f"made by {attempt.attempt_id}".encode())
    await bench.report(attempt, outputs=[made])
    return await store.client.get_version(made.version_id)


async def wait_for_verdict(store: ServedStore, version: VersionView, passed: bool) -> None:
    async with asyncio.timeout(60):
        while (await store.client.get_version(version.version_id)).passed_qc is not passed:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def wait_for_plan(store: ServedStore, uploaded: ProductView) -> None:
    """Wait until a product is as it was planned, which was before it was uploaded."""
    async with asyncio.timeout(60):
        while (await store.client.get_product(uploaded.product_id)).planned_at >= uploaded.planned_at:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.fixture
def vhost(rabbitmq_server: RabbitmqServer) -> str:
    return rabbitmq_server.make_vhost()


@pytest.fixture(scope="module")
def own_server() -> Iterator[RabbitmqServer]:
    """A server that tests of this module may kill."""
    with open_server(RabbitmqServer) as found:
        yield found


async def test_plans_and_verdicts_wait_at_the_broker_for_the_store(
    open_bench: OpenBench, inspector: Inspector, vhost: str, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    async with observe(vhost, inspector) as observer:
        async with (
            serve_store(root) as store,
            open_bench(product_store_url=store.url, broker_url=SecretStr(vhost)) as bench,
        ):
            await bench.announce()
            # Until the scheduler has found the broker it speaks over HTTP.
            first = await make_version(bench, store)
            await observer.wait_until_told()
            async with asyncio.timeout(60):
                while not await observer.queues.length(QUEUE):
                    first = await make_version(bench, store)
                    await observer.wait_until_told()
            await observer.queues.purge(QUEUE)
            version = await make_version(bench, store)
            await bench.client.judge_version(version.version_id, passed=False, reason="looked at it")
            await observer.wait_until_told()
            await observer.wait_for_length(QUEUE, 3)
            assert version.version_id != first.version_id
            uploaded = await store.client.get_product(version.product_id)
            assert (await store.client.get_version(version.version_id)).passed_qc is None
            plan, accepted, rejected = await observer.queues.list_messages(QUEUE, 3)
        async with serve_store(root, broker_url=vhost) as store:
            await observer.wait_for_length(QUEUE, 0)
            await wait_for_verdict(store, version, False)
            await wait_for_plan(store, uploaded)
            # Late, twice, and with what can never be taken in between.
            for body in (accepted, b"hello", plan, rejected, accepted):
                await observer.queues.publish(QUEUE, body)
            await observer.wait_for_length(TOPOLOGY.dead_letter_queue, 1)
            await observer.wait_for_length(QUEUE, 0)
            other = version.model_copy(update={"version_id": first.version_id})
            message = json.loads(accepted)
            message["payload"]["verdicts"][0] |= {"attempt_id": first.attempt_id, "version_id": first.version_id}
            await observer.queues.publish(QUEUE, json.dumps(message).encode())
            await wait_for_verdict(store, other, True)
            assert (await store.client.get_version(version.version_id)).passed_qc is False
            assert await observer.queues.list_messages(TOPOLOGY.dead_letter_queue, 9) == [b"hello"]


async def test_a_broker_that_loses_its_queues_costs_no_verdict(
    open_bench: OpenBench, inspector: Inspector, own_server: RabbitmqServer, tmp_path: Path
) -> None:
    root, url = tmp_path / "store", own_server.url
    async with (
        observe(url, inspector) as observer,
        serve_store(root) as store,
        open_bench(product_store_url=store.url, broker_url=SecretStr(url)) as bench,
    ):
        await bench.announce()
        versions = []
        async with asyncio.timeout(60):
            while not await observer.queues.length(QUEUE):
                versions.append(await make_version(bench, store))
                await observer.wait_until_told()
        versions.append(await make_version(bench, store))
        await observer.wait_until_told()
        assert (await store.client.get_version(versions[-1].version_id)).passed_qc is None
        own_server.kill()
        versions.append(await make_version(bench, store))
        for version in versions:
            await wait_for_verdict(store, version, True)
        own_server.start()
        own_server.reset()
        async with asyncio.timeout(60):
            await observer.queues.declare(QUEUE)
            while not await observer.queues.length(QUEUE):
                versions.append(await make_version(bench, store))
                await observer.wait_until_told()
        async with serve_store(tmp_path / "another", broker_url=url):
            await observer.wait_for_length(QUEUE, 0)
