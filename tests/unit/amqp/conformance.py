"""What every broker has to do, the real one and the one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import pytest

from eas.amqp.errors import QueueRefusedError
from eas.amqp.ports import Consumer, Delivery, Handler, Message, Publisher, Queues
from eas.amqp.topology import QueueType, Topology
from eas.contracts.errors import NotFoundError

PATIENCE_S = 60


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str) -> None:
    """Wait for something to become true."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = condition()
                if found if isinstance(found, bool) else await found:
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited {PATIENCE_S} s in vain until {what}") from None


async def until_waiting(queues: Queues, queue: str, number: int) -> None:
    """Wait until so many messages wait. A quorum queue says so a little later than it is true."""

    async def are_waiting() -> bool:
        return await queues.length(queue) == number

    await until(are_waiting, f"{number} messages wait in {queue}")


class Collector:
    """A handler that keeps what it gets, and settles it unless told to hold it."""

    def __init__(self, *, hold: bool = False) -> None:
        self.hold = hold
        self.deliveries: list[Delivery] = []

    async def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        if not self.hold:
            await delivery.ack()

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.deliveries]


class BrokerUnderTest(Protocol):
    """Makes what talks to a broker, and closes it at the end of the test."""

    topology: Topology

    def publisher(self) -> Publisher: ...

    def consumer(self, handler: Handler, *, prefetch: int) -> Consumer: ...

    def queues(self, topology: Topology | None = None) -> Queues: ...


class BrokerConformance:
    """Tests for any broker; whoever inherits them has a fixture `broker`."""

    @pytest.fixture
    async def queues(self, broker: BrokerUnderTest) -> AsyncIterator[Queues]:
        found = broker.queues()
        yield found
        await found.close()

    async def test_what_is_published_is_consumed_once(self, broker: BrokerUnderTest, queues: Queues) -> None:
        queue = broker.topology.task_queue("null")
        await queues.declare(queue)
        sent = [b"%d" % number for number in range(2000)]
        outcomes = await broker.publisher().publish_many([Message(queue, body) for body in sent])
        assert all(outcome.is_confirmed for outcome in outcomes)
        await until_waiting(queues, queue, 2000)
        got = Collector()
        consumer = broker.consumer(got, prefetch=100)
        await consumer.start()
        await consumer.add(queue)
        await until(lambda: len(got.deliveries) >= 2000, "all has arrived")
        assert got.bodies == sent
        assert not any(delivery.is_redelivered for delivery in got.deliveries)
        await consumer.close()
        await until_waiting(queues, queue, 0)

    async def test_messages_of_several_queues_arrive_with_their_queue(self, broker: BrokerUnderTest) -> None:
        names = [broker.topology.task_queue("search"), broker.topology.queue("logs")]
        got = Collector()
        consumer = broker.consumer(got, prefetch=10)
        await consumer.start()
        for name in names:
            await consumer.add(name)
        await broker.publisher().publish_many([Message(name, name.encode()) for name in names])
        await until(lambda: len(got.deliveries) == 2, "both have arrived")
        assert {(found.queue, found.body) for found in got.deliveries} == {(name, name.encode()) for name in names}

    async def test_no_more_is_delivered_than_the_prefetch_allows(self, broker: BrokerUnderTest, queues: Queues) -> None:
        queue = broker.topology.task_queue("null")
        await queues.declare(queue)
        await broker.publisher().publish_many([Message(queue, b"%d" % number) for number in range(50)])
        got = Collector(hold=True)
        consumer = broker.consumer(got, prefetch=5)
        await consumer.start()
        await consumer.add(queue)
        await until(lambda: len(got.deliveries) == 5, "five have arrived")
        await until_waiting(queues, queue, 45)
        await consumer.set_prefetch(8)
        await until(lambda: len(got.deliveries) == 8, "eight have arrived")
        await consumer.set_prefetch(2)
        for delivery in got.deliveries[:6]:
            assert await delivery.ack()
        if broker.topology.queue_type is QueueType.CLASSIC:  # a quorum queue delivers in advance what waits here
            await until_waiting(queues, queue, 42)
            assert await queues.fetch_and_acknowledge(queue) == b"8"  # none of them made room
        assert len(got.deliveries) == 8
        assert await got.deliveries[6].ack()
        await until(lambda: len(got.deliveries) == 9, "one more has arrived")

    async def test_prefetch_of_nothing_pauses_a_consumer(self, broker: BrokerUnderTest, queues: Queues) -> None:
        queue = broker.topology.task_queue("null")
        got = Collector()
        consumer = broker.consumer(got, prefetch=0)
        await consumer.start()
        await consumer.add(queue)
        publisher = broker.publisher()
        await publisher.publish(Message(queue, b"1"))
        await consumer.set_prefetch(3)
        await until(lambda: got.bodies == [b"1"], "it has arrived")
        await consumer.set_prefetch(0)
        await publisher.publish(Message(queue, b"2"))
        await until_waiting(queues, queue, 1)
        assert await queues.fetch_and_acknowledge(queue) == b"2"
        await consumer.set_prefetch(1)
        await publisher.publish(Message(queue, b"3"))
        await until(lambda: got.bodies == [b"1", b"3"], "it goes on")

    async def test_nothing_arrives_from_a_removed_queue(self, broker: BrokerUnderTest, queues: Queues) -> None:
        kept, removed = broker.topology.task_queue("kept"), broker.topology.task_queue("removed")
        got = Collector(hold=True)
        consumer = broker.consumer(got, prefetch=10)
        await consumer.start()
        await consumer.add(kept)
        await consumer.add(removed)
        publisher = broker.publisher()
        await publisher.publish(Message(removed, b"before"))
        await until(lambda: got.bodies == [b"before"], "it has arrived")
        await consumer.remove(removed)
        assert await got.deliveries[0].ack()
        await publisher.publish(Message(removed, b"after"))
        await publisher.publish(Message(kept, b"kept"))
        await until(lambda: len(got.deliveries) == 2, "the other queue goes on")
        assert got.bodies == [b"before", b"kept"]
        await until_waiting(queues, removed, 1)

    async def test_what_is_given_back_is_delivered_again(self, broker: BrokerUnderTest) -> None:
        queue = broker.topology.task_queue("null")
        got = Collector(hold=True)
        consumer = broker.consumer(got, prefetch=1)
        await consumer.start()
        await consumer.add(queue)
        await broker.publisher().publish(Message(queue, b"again"))
        await until(lambda: len(got.deliveries) == 1, "it has arrived")
        assert await got.deliveries[0].nack(requeue=True)
        await until(lambda: len(got.deliveries) == 2, "it has arrived again")
        assert got.bodies == [b"again", b"again"]
        assert [delivery.is_redelivered for delivery in got.deliveries] == [False, True]

    async def test_a_message_is_settled_once(self, broker: BrokerUnderTest) -> None:
        queue = broker.topology.task_queue("null")
        got = Collector(hold=True)
        consumer = broker.consumer(got, prefetch=1)
        await consumer.start()
        await consumer.add(queue)
        publisher = broker.publisher()
        await publisher.publish(Message(queue, b"1"))
        await until(lambda: len(got.deliveries) == 1, "it has arrived")
        assert await got.deliveries[0].ack()
        assert not await got.deliveries[0].ack()
        assert not await got.deliveries[0].nack(requeue=True)
        await publisher.publish(Message(queue, b"2"))
        await until(lambda: got.bodies == [b"1", b"2"], "the next has arrived, once")
        assert not got.deliveries[1].is_redelivered

    async def test_what_is_refused_for_good_is_a_dead_letter(self, broker: BrokerUnderTest, queues: Queues) -> None:
        queue = broker.topology.task_queue("null")
        got = Collector(hold=True)
        consumer = broker.consumer(got, prefetch=1)
        await consumer.start()
        await consumer.add(queue)
        await broker.publisher().publish(Message(queue, b"poison"))
        await until(lambda: len(got.deliveries) == 1, "it has arrived")
        assert await got.deliveries[0].nack(requeue=False)
        dead = broker.topology.dead_letter_queue
        await until_waiting(queues, dead, 1)
        assert await queues.fetch_and_acknowledge(dead) == b"poison"
        await until_waiting(queues, queue, 0)

    async def test_dead_letters_say_where_they_were_and_are_sent_there_again(
        self, broker: BrokerUnderTest, queues: Queues
    ) -> None:
        queue, dead = broker.topology.task_queue("null"), broker.topology.dead_letter_queue
        got = Collector(hold=True)
        consumer = broker.consumer(got, prefetch=3)
        await consumer.start()
        await consumer.add(queue)
        for body in (b"1", b"2", b"3"):
            await broker.publisher().publish(Message(queue, body))
        await until(lambda: len(got.deliveries) == 3, "they have arrived")
        for delivery in got.deliveries:
            assert await delivery.nack(requeue=False)
        await until_waiting(queues, dead, 3)
        await consumer.close()
        listed = await queues.list_dead(dead, 10)
        assert sorted((found.body, found.queue, found.reason) for found in listed) == [
            (body, queue, "rejected") for body in (b"1", b"2", b"3")
        ]
        assert len(await queues.list_dead(dead, 2)) == 2
        await until_waiting(queues, dead, 3)
        assert await queues.take_dead(dead, lambda found: found.body == b"2", again=True) == 1
        await until_waiting(queues, queue, 1)
        assert await queues.take_dead(dead, lambda found: found.body != b"1", again=False) == 1
        assert [found.body for found in await queues.list_dead(dead, 10)] == [b"1"]

    async def test_what_cannot_be_handled_is_tried_twice_and_then_dead(
        self, broker: BrokerUnderTest, queues: Queues
    ) -> None:
        queue = broker.topology.task_queue("null")
        tried: list[bool] = []

        async def fail(delivery: Delivery) -> None:
            tried.append(delivery.is_redelivered)
            raise ValueError(delivery.body)

        consumer = broker.consumer(fail, prefetch=1)
        await consumer.start()
        await consumer.add(queue)
        await broker.publisher().publish(Message(queue, b"poison"))
        await until_waiting(queues, broker.topology.dead_letter_queue, 1)
        assert tried == [False, True]

    async def test_a_closed_consumer_gives_back_what_it_has(self, broker: BrokerUnderTest, queues: Queues) -> None:
        queue = broker.topology.task_queue("null")
        await queues.declare(queue)
        await broker.publisher().publish_many([Message(queue, b"1"), Message(queue, b"2")])
        got = Collector(hold=True)
        consumer = broker.consumer(got, prefetch=2)
        await consumer.start()
        await consumer.add(queue)
        await until(lambda: len(got.deliveries) == 2, "both have arrived")
        await consumer.close()
        assert not await got.deliveries[0].ack()
        await until_waiting(queues, queue, 2)
        assert await queues.list_messages(queue, 5) == [b"1", b"2"]

    async def test_looking_at_a_queue_leaves_it_as_it_is(self, broker: BrokerUnderTest, queues: Queues) -> None:
        queue = broker.topology.task_queue("null")
        await queues.declare(queue)
        sent = [b"%d" % number for number in range(30)]
        await broker.publisher().publish_many([Message(queue, body) for body in sent])
        for limit in (0, 7, 12, 100, 3, 30):
            assert await queues.list_messages(queue, limit) == sent[:limit]
            await until_waiting(queues, queue, 30)
        assert [await queues.fetch_and_acknowledge(queue) for _ in range(31)] == [*sent, None]

    async def test_queues_are_published_to_purged_and_missed(self, broker: BrokerUnderTest, queues: Queues) -> None:
        queue = broker.topology.queue("logs")
        with pytest.raises(NotFoundError, match="logs"):
            await queues.length(queue)
        await queues.declare(queue)
        await queues.declare(queue)
        assert await queues.fetch_and_acknowledge(queue) is None
        await queues.publish(queue, b"1")
        await queues.publish(queue, b"2")
        assert await queues.fetch_and_acknowledge(queue) == b"1"
        assert await queues.purge(queue) == 1
        await until_waiting(queues, queue, 0)

    async def test_a_queue_with_other_arguments_is_refused(self, broker: BrokerUnderTest, queues: Queues) -> None:
        other = QueueType.QUORUM if broker.topology.queue_type is QueueType.CLASSIC else QueueType.CLASSIC
        queue, good = broker.topology.task_queue("null"), broker.topology.task_queue("good")
        await broker.queues(Topology(broker.topology.prefix, other)).declare(broker.topology.dead_letter_queue)
        with pytest.raises(QueueRefusedError, match="dead_letters"):
            await queues.declare(queue)
        got = Collector()
        consumer = broker.consumer(got, prefetch=1)
        await consumer.start()
        with pytest.raises(QueueRefusedError, match="delete it"):
            await consumer.add(queue)
        [outcome] = await broker.publisher().publish_many([Message(good, b"1")])
        assert not outcome.is_confirmed
        assert "dead_letters" in outcome.reason
