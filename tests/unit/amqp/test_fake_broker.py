"""The broker in memory does what the real one does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from eas.amqp.errors import BrokerUnavailableError
from eas.amqp.ports import Consumer, Handler, Message
from eas.amqp.topology import Topology
from eas.testing.broker import FakeBroker, FakeConsumer, FakePublisher, FakeQueues
from tests.unit.amqp.conformance import BrokerConformance, Collector, until


class BrokerInMemory:
    def __init__(self) -> None:
        self.topology = Topology()
        self.broker = FakeBroker()
        self.consumers: list[Consumer] = []

    def publisher(self) -> FakePublisher:
        return self.broker.publisher(self.topology)

    def consumer(self, handler: Handler, *, prefetch: int) -> FakeConsumer:
        consumer = self.broker.consumer(self.topology, handler, prefetch=prefetch)
        self.consumers.append(consumer)
        return consumer

    def queues(self, topology: Topology | None = None) -> FakeQueues:
        return self.broker.queues(topology or self.topology)


@pytest.fixture
async def broker() -> AsyncIterator[BrokerInMemory]:
    found = BrokerInMemory()
    yield found
    for consumer in found.consumers:
        await consumer.close()


class TestFakeBroker(BrokerConformance):
    """What every broker does."""


async def test_while_it_is_away_nothing_is_published_and_afterwards_all_is_delivered_again(
    broker: BrokerInMemory,
) -> None:
    queue = broker.topology.task_queue("null")
    got = Collector(hold=True)
    consumer = broker.consumer(got, prefetch=5)
    await consumer.start()
    await consumer.add(queue)
    publisher = broker.publisher()
    await publisher.publish(Message(queue, b"1"))
    await until(lambda: got.bodies == [b"1"], "it has arrived")
    broker.broker.stop()
    [outcome] = await publisher.publish_many([Message(queue, b"2")])
    assert isinstance(outcome.error, BrokerUnavailableError)
    with pytest.raises(BrokerUnavailableError):
        await publisher.publish(Message(queue, b"2"))
    with pytest.raises(BrokerUnavailableError):
        await broker.queues().length(queue)
    assert not await got.deliveries[0].ack()
    await consumer.add(broker.topology.queue("logs"))
    broker.broker.start()
    await until(lambda: got.bodies == [b"1", b"1"], "it has arrived again")
    assert await broker.queues().length(broker.topology.queue("logs")) == 0


async def test_consumers_declare_queues_that_were_lost(broker: BrokerInMemory) -> None:
    queue = broker.topology.task_queue("null")
    got = Collector()
    consumer = broker.consumer(got, prefetch=5)
    await consumer.start()
    await consumer.add(queue)
    broker.broker.lose_queues()
    assert await broker.queues().length(queue) == 0
    await broker.publisher().publish(Message(queue, b"1"))
    await until(lambda: got.bodies == [b"1"], "it has arrived")
