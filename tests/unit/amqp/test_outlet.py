"""A queue for those who have another way while the broker is away."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest

from shared.amqp.errors import BrokerUnavailableError
from shared.amqp.outlet import Outlet
from shared.amqp.ports import Message, Outcome
from shared.amqp.topology import QueueType, Topology
from shared.testing.broker import FakeBroker

TOPOLOGY = Topology("test")
QUEUE = TOPOLOGY.queue("logs")


@dataclass
class FakeLink:
    is_up: bool = True

    async def start(self) -> None:
        self.is_up = True

    async def close(self) -> None:
        self.is_up = False


@dataclass
class Publisher:
    """Counts how often it is asked."""

    broker: FakeBroker
    asked: list[Message] = field(default_factory=list)

    async def publish(self, message: Message) -> None:
        self.asked.append(message)
        await self.broker.publisher(TOPOLOGY).publish(message)

    async def publish_many(self, messages: object) -> list[Outcome]:
        raise NotImplementedError

    async def close(self) -> None: ...


async def test_what_was_put_is_in_the_queue() -> None:
    broker = FakeBroker()
    await Outlet(FakeLink(), Publisher(broker), QUEUE).put(b"x")
    assert await broker.queues(TOPOLOGY).fetch_and_acknowledge(QUEUE) == b"x"


async def test_without_a_connection_nobody_waits_for_one() -> None:
    publisher = Publisher(FakeBroker())
    with pytest.raises(BrokerUnavailableError):
        await Outlet(FakeLink(is_up=False), publisher, QUEUE).put(b"x")
    assert publisher.asked == []


async def test_after_a_failure_the_broker_is_left_alone_for_a_while() -> None:
    broker = FakeBroker()
    publisher = Publisher(broker)
    outlet = Outlet(FakeLink(), publisher, QUEUE, first_rest_s=60)
    broker.stop()
    for _ in range(3):
        with pytest.raises(BrokerUnavailableError):
            await outlet.put(b"x")
    assert len(publisher.asked) == 1


async def test_it_comes_back_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    broker = FakeBroker()
    outlet = Outlet(FakeLink(), Publisher(broker), QUEUE, first_rest_s=0)
    broker.stop()
    for _ in range(3):
        with pytest.raises(BrokerUnavailableError):
            await outlet.put(b"x")
    broker.start()
    for _ in range(3):
        await outlet.put(b"x")
    assert await broker.queues(TOPOLOGY).length(QUEUE) == 3
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_queue_of_another_kind_is_as_good_as_none() -> None:
    broker = FakeBroker()
    broker.declare(Topology("test", QueueType.QUORUM), QUEUE)
    with pytest.raises(BrokerUnavailableError, match="quorum"):
        await Outlet(FakeLink(), Publisher(broker), QUEUE).put(b"x")
