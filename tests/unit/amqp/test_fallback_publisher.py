"""A queue for those who have another way while the broker is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from eas.amqp.errors import BrokerUnavailableError
from eas.amqp.fallback_publisher import FallbackPublisher
from eas.amqp.ports import Message, Outcome
from eas.amqp.replay_buffer import ReplayBuffer
from eas.amqp.topology import QueueType, Topology
from eas.contracts.errors import InvalidInputError, UnavailableError
from eas.testing.broker import FakeBroker, FakeLink

TOPOLOGY = Topology("test")
QUEUE = TOPOLOGY.queue("logs")


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


async def bring_nothing() -> None:
    raise AssertionError("nothing was lost")


class OtherWay:
    """Brings things, once it is there."""

    def __init__(self) -> None:
        self.brought = asyncio.Queue[bytes]()
        self.errors: list[Exception] = []

    def bringing(self, body: bytes) -> Callable[[], Awaitable[None]]:
        async def bring() -> None:
            if self.errors:
                raise self.errors.pop()
            self.brought.put_nowait(body)

        return bring

    async def take(self) -> bytes:
        return await asyncio.wait_for(self.brought.get(), 60)


async def test_what_was_put_is_in_the_queue() -> None:
    broker = FakeBroker()
    await FallbackPublisher(FakeLink(), Publisher(broker), QUEUE).put(b"x", bring_nothing)
    assert await broker.queues(TOPOLOGY).fetch_and_acknowledge(QUEUE) == b"x"


async def test_without_a_connection_nobody_waits_for_one() -> None:
    publisher = Publisher(FakeBroker())
    with pytest.raises(BrokerUnavailableError):
        await FallbackPublisher(FakeLink(is_up=False), publisher, QUEUE).put(b"x", bring_nothing)
    assert publisher.asked == []


async def test_after_a_failure_the_broker_is_left_alone_for_a_while() -> None:
    broker = FakeBroker()
    publisher = Publisher(broker)
    fallback = FallbackPublisher(FakeLink(), publisher, QUEUE, first_rest_s=60)
    broker.stop()
    for _ in range(3):
        with pytest.raises(BrokerUnavailableError):
            await fallback.put(b"x", bring_nothing)
    assert len(publisher.asked) == 1


async def test_it_comes_back_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    broker = FakeBroker()
    publisher = FallbackPublisher(FakeLink(), Publisher(broker), QUEUE, first_rest_s=0)
    broker.stop()
    for _ in range(3):
        with pytest.raises(BrokerUnavailableError):
            await publisher.put(b"x", bring_nothing)
    broker.start()
    for _ in range(3):
        await publisher.put(b"x", bring_nothing)
    assert await broker.queues(TOPOLOGY).length(QUEUE) == 3
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_queue_of_another_kind_is_as_good_as_none() -> None:
    broker = FakeBroker()
    broker.declare(Topology("test", QueueType.QUORUM), QUEUE)
    with pytest.raises(BrokerUnavailableError, match="quorum"):
        await FallbackPublisher(FakeLink(), Publisher(broker), QUEUE).put(b"x", bring_nothing)


@pytest.mark.parametrize("error", [None, UnavailableError("away"), InvalidInputError("no"), RuntimeError("a bug")])
async def test_what_a_lost_broker_may_have_lost_is_brought_the_other_way(error: Exception | None) -> None:
    link, other = FakeLink(), OtherWay()
    publisher = FallbackPublisher(link, Publisher(FakeBroker()), QUEUE, first_rest_s=0)
    await publisher.start()
    for body in (b"1", b"2"):
        await publisher.put(body, other.bringing(body))
    assert other.brought.empty()
    other.errors = [error] if error else []
    link.lose()
    brought = {await other.take()} if isinstance(error, InvalidInputError) else {await other.take(), await other.take()}
    assert brought == ({b"2"} if isinstance(error, InvalidInputError) else {b"1", b"2"})
    # and only what may have been lost since
    await publisher.put(b"3", other.bringing(b"3"))
    link.lose()
    assert await other.take() == b"3"
    await publisher.close()
    assert other.brought.empty()


async def test_what_could_not_be_brought_is_tried_once_more_at_the_end() -> None:
    link, other = FakeLink(), OtherWay()
    publisher = FallbackPublisher(link, Publisher(FakeBroker()), QUEUE, first_rest_s=600)
    await publisher.start()
    tried = asyncio.Event()

    async def bring() -> None:
        if not tried.is_set():
            tried.set()
            raise UnavailableError("away")
        await other.bringing(b"1")()

    await publisher.put(b"1", bring)
    link.lose()
    await asyncio.wait_for(tried.wait(), 60)
    await publisher.close()
    assert await other.take() == b"1"


async def test_no_more_is_kept_than_a_bound() -> None:
    recent, other = ReplayBuffer(most_bytes=10), OtherWay()
    for number in range(5):
        recent.add(4, other.bringing(b"%d" % number))
    await recent.bring()
    assert [await other.take(), await other.take()] == [b"3", b"4"]
    assert other.brought.empty()
