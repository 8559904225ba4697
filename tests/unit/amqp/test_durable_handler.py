"""What becomes of messages, by what taking them in raises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from eas.amqp.durable_handler import DurableHandler
from eas.amqp.ports import Delivery
from eas.amqp.topology import Topology
from eas.contracts.errors import BusyError, InvalidInputError, UnavailableError
from eas.testing.broker import FakeBroker

TOPOLOGY = Topology("test")
QUEUE = TOPOLOGY.queue("logs")
DEAD = TOPOLOGY.dead_letter_queue


async def attend(
    broker: FakeBroker, take: Callable[[bytes], Awaitable[object]], *, patience_s: float = 600
) -> DurableHandler:
    handler = DurableHandler(take, patience_s=patience_s)
    consumer = broker.consumer(TOPOLOGY, handler.handle, prefetch=1)
    await consumer.add(QUEUE)
    await consumer.start()
    return handler


async def test_a_message_is_gone_after_it_was_taken_and_not_before() -> None:
    broker = FakeBroker()
    begun, taken = asyncio.Queue[bytes](), asyncio.Queue[bytes]()
    go_on = asyncio.Event()

    async def take(body: bytes) -> None:
        begun.put_nowait(body)
        await go_on.wait()
        taken.put_nowait(body)

    await attend(broker, take)
    await broker.queues(TOPOLOGY).publish(QUEUE, b"x")
    for _ in range(2):
        assert await asyncio.wait_for(begun.get(), 60) == b"x"
        broker.stop()  # what is not acknowledged comes again
        broker.start()
    go_on.set()
    for _ in range(3):
        await asyncio.wait_for(taken.get(), 60)
    broker.stop()
    broker.start()
    assert await broker.queues(TOPOLOGY).length(QUEUE) == 0
    assert begun.qsize() == 1


async def test_what_can_never_be_taken_goes_to_the_dead_letters_and_holds_up_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = FakeBroker()
    taken = asyncio.Queue[bytes]()

    async def take(body: bytes) -> None:
        if body == b"bad":
            raise InvalidInputError("no batch")
        taken.put_nowait(body)

    await attend(broker, take)
    for body in (b"bad", b"good"):
        await broker.queues(TOPOLOGY).publish(QUEUE, body)
    assert await asyncio.wait_for(taken.get(), 60) == b"good"
    assert await broker.queues(TOPOLOGY).list_messages(DEAD, 10) == [b"bad"]
    assert "no batch" in caplog.text


@pytest.mark.parametrize("error", [BusyError("too much"), UnavailableError("the database is away")])
async def test_what_cannot_be_taken_now_is_taken_later(error: UnavailableError) -> None:
    broker = FakeBroker()
    taken = asyncio.Queue[bytes]()
    tries = 0

    async def take(body: bytes) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise error
        taken.put_nowait(body)

    await attend(broker, take)
    await broker.queues(TOPOLOGY).publish(QUEUE, b"x")
    assert await asyncio.wait_for(taken.get(), 60) == b"x"
    assert tries == 3
    assert await broker.queues(TOPOLOGY).length(DEAD) == 0


async def test_a_service_that_ends_leaves_in_the_queue_what_it_could_not_take() -> None:
    broker = FakeBroker()
    tried = asyncio.Event()

    async def take(body: bytes) -> None:
        tried.set()
        raise UnavailableError("away")

    handler, left = DurableHandler(take), asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        await handler.handle(delivery)
        left.set()

    consumer = broker.consumer(TOPOLOGY, handle, prefetch=1)
    await consumer.add(QUEUE)
    await consumer.start()
    await broker.queues(TOPOLOGY).publish(QUEUE, b"x")
    await tried.wait()
    await consumer.remove(QUEUE)
    handler.stop()
    await asyncio.wait_for(left.wait(), 60)
    assert await broker.queues(TOPOLOGY).list_messages(QUEUE, 10) == [b"x"]


async def test_a_message_goes_back_when_patience_has_ended() -> None:
    broker = FakeBroker()
    tries = asyncio.Queue[int]()
    seen = 0

    async def take(body: bytes) -> None:
        nonlocal seen
        seen += 1
        tries.put_nowait(seen)
        raise UnavailableError("away")

    handler = await attend(broker, take, patience_s=0)
    await broker.queues(TOPOLOGY).publish(QUEUE, b"x")
    while await asyncio.wait_for(tries.get(), 60) < 3:
        pass
    handler.stop()
    assert await broker.queues(TOPOLOGY).length(DEAD) == 0
