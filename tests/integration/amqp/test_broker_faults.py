"""Whatever happens to RabbitMQ, publishers and consumers go on by themselves, and what was confirmed arrives."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from eas.amqp.errors import BrokerUnavailableError
from eas.amqp.ports import Delivery, Message
from eas.amqp.publisher import QueuePublisher
from eas.amqp.topology import QueueType
from tests.integration.amqp.conftest import RealBroker, talk_to
from tests.integration.amqp.frame_proxy import FrameProxy
from tests.support.rabbitmq import RabbitmqServer
from tests.unit.amqp.conformance import Collector, until

KILLS = int(os.environ.get("EAS_TEST_KILLS", "3"))


@pytest.fixture
def impatient(rabbitmq_server: RabbitmqServer) -> RabbitmqServer:
    """Make the shared server look at acknowledgements each second, for channels that are opened from now on."""
    rabbitmq_server.evaluate("application:set_env(rabbit, channel_tick_interval, 1000)")
    return rabbitmq_server


@pytest.fixture(params=list(QueueType))
async def broker(vhost: str, request: pytest.FixtureRequest) -> AsyncIterator[RealBroker]:
    async with talk_to(vhost, request.param) as found:
        yield found


async def publish_until_confirmed(publisher: QueuePublisher, message: Message) -> None:
    """Publish as a relay does: again and again."""

    async def is_confirmed() -> bool:
        [outcome] = await publisher.publish_many([message])
        return outcome.is_confirmed

    await until(is_confirmed, f"{message.body!r} is confirmed")


async def check_that_it_goes_on(broker: RealBroker, publisher: QueuePublisher, got: Collector, queue: str) -> None:
    """Publish something and wait until it has come."""
    body = f"news {random.random()}".encode()
    await publish_until_confirmed(publisher, Message(queue, body))
    await until(lambda: body in got.bodies, "the consumer hears of it")


async def test_a_consumer_that_acknowledged_too_late_goes_on(impatient: RabbitmqServer, broker: RealBroker) -> None:
    impatient.evaluate("application:set_env(rabbit, consumer_timeout, 2000)")
    try:
        queue = broker.topology.task_queue("null")
        got = Collector(hold=True)
        consumer = broker.consumer(got, prefetch=1)
        await consumer.start()
        await consumer.add(queue)
        publisher = broker.publisher()
        await publisher.publish(Message(queue, b"slow"))
        await until(lambda: len(got.deliveries) == 1, "it has arrived")
        # A channel keeps the limit with which it was opened. The next one gets all the time it wants.
        impatient.evaluate("application:set_env(rabbit, consumer_timeout, 1800000)")
        await until(lambda: len(got.deliveries) == 2, "it has arrived again, on another channel")
        assert not await got.deliveries[0].ack()
        assert await got.deliveries[1].ack()
        got.hold = False
        await check_that_it_goes_on(broker, publisher, got, queue)
    finally:
        impatient.evaluate("application:set_env(rabbit, consumer_timeout, 1800000)")


async def test_a_consumer_whose_queue_was_deleted_makes_it_anew(broker: RealBroker) -> None:
    deleted, other = broker.topology.task_queue("deleted"), broker.topology.task_queue("other")
    got = Collector()
    consumer = broker.consumer(got, prefetch=5)
    await consumer.start()
    for queue in (deleted, other):
        await consumer.add(queue)
    publisher = broker.publisher()
    for queue in (deleted, other):
        await check_that_it_goes_on(broker, publisher, got, queue)
    await broker.delete(deleted)
    for queue in (deleted, other):
        await check_that_it_goes_on(broker, publisher, got, queue)


async def test_a_consumer_that_was_cancelled_unheard_asks_and_goes_on(vhost: str) -> None:
    async with FrameProxy(vhost) as proxy, talk_to(proxy.url) as broker:
        queue = broker.topology.task_queue("null")
        got = Collector()
        consumer = broker.consumer(got, prefetch=5, ask_every_s=0.5)
        await consumer.start()
        await consumer.add(queue)
        publisher = broker.publisher()
        await check_that_it_goes_on(broker, publisher, got, queue)
        proxy.swallow_cancels = True
        await broker.delete(queue)
        await broker.queues().declare(queue)
        await check_that_it_goes_on(broker, publisher, got, queue)
        assert proxy.swallowed == 1


async def test_closed_connections_come_back(rabbitmq_server: RabbitmqServer, broker: RealBroker) -> None:
    queue = broker.topology.task_queue("null")
    got = Collector(hold=True)
    consumer = broker.consumer(got, prefetch=5)
    await consumer.start()
    await consumer.add(queue)
    publisher = broker.publisher()
    await publisher.publish(Message(queue, b"held"))
    await until(lambda: len(got.deliveries) == 1, "it has arrived")
    await asyncio.to_thread(rabbitmq_server.control, "close_all_connections", "--global", "for a test")
    await until(lambda: len(got.deliveries) == 2, "it has arrived again")
    assert not await got.deliveries[0].ack()
    got.hold = False
    await check_that_it_goes_on(broker, publisher, got, queue)


async def test_a_silent_broker_is_given_up_and_found_again(own_server: RabbitmqServer) -> None:
    async with talk_to(own_server.url, heartbeat_s=1) as broker:
        queue = broker.topology.task_queue("null")
        got = Collector()
        consumer = broker.consumer(got, prefetch=5)
        await consumer.start()
        await consumer.add(queue)
        publisher = broker.publisher()
        await check_that_it_goes_on(broker, publisher, got, queue)
        own_server.suspend()
        try:
            with pytest.raises(BrokerUnavailableError):
                await publisher.publish(Message(queue, b"unheard"))
            await until(lambda: not broker.connections[1].is_up, "the consumer has noticed")
        finally:
            own_server.resume()
        await check_that_it_goes_on(broker, publisher, got, queue)


async def test_all_goes_on_when_the_broker_has_lost_its_queues(own_server: RabbitmqServer) -> None:
    async with talk_to(own_server.url) as broker:
        queue = broker.topology.task_queue("null")
        got = Collector()
        consumer = broker.consumer(got, prefetch=5)
        await consumer.start()
        await consumer.add(queue)
        publisher = broker.publisher()
        await check_that_it_goes_on(broker, publisher, got, queue)
        await asyncio.to_thread(own_server.reset)
        await check_that_it_goes_on(broker, publisher, got, queue)


async def test_a_consumer_waits_for_a_broker_that_is_not_there_yet(own_server: RabbitmqServer) -> None:
    await asyncio.to_thread(own_server.stop)
    async with talk_to(own_server.url, wait=False) as broker:
        queue = broker.topology.task_queue("null")
        got = Collector()
        consumer = broker.consumer(got, prefetch=5)
        await consumer.start()
        await consumer.add(queue)
        async with talk_to(own_server.url, wait=False, timeout_s=1) as hasty:
            outcomes = await hasty.publisher().publish_many([Message(queue, b"1")] * 3)
        assert [type(outcome.error) for outcome in outcomes] == [BrokerUnavailableError] * 3
        assert "has not been reached" in outcomes[0].reason
        publisher = broker.publisher()
        await asyncio.to_thread(own_server.start)
        await check_that_it_goes_on(broker, publisher, got, queue)


async def test_what_was_confirmed_arrives_though_the_broker_is_killed_under_load(own_server: RabbitmqServer) -> None:
    # With classic queues: a quorum queue needs several nodes. On a single one, RabbitMQ 3.10 now and then elects no
    # leader after it was killed, and the queue answers nobody.
    seed = int(os.environ.get("EAS_TEST_SEED", str(random.randrange(10**6))))
    print(f"\nEAS_TEST_SEED={seed}")
    chance = random.Random(seed)
    async with talk_to(own_server.url) as broker:
        queue = broker.topology.task_queue("null")
        confirmed: set[bytes] = set()
        failed = 0
        got: Counter[bytes] = Counter()
        numbers = itertools.count()

        async def keep(delivery: Delivery) -> None:
            got[delivery.body] += 1
            await delivery.ack()

        consumer = broker.consumer(keep, prefetch=50)
        await consumer.start()
        await consumer.add(queue)
        publisher = broker.publisher()

        async def publish_for_ever() -> None:
            nonlocal failed
            while True:
                messages = [Message(queue, b"%d" % next(numbers)) for _ in range(100)]
                outcomes = await publisher.publish_many(messages)
                confirmed.update(
                    message.body for message, outcome in zip(messages, outcomes, strict=True) if outcome.is_confirmed
                )
                failed += sum(not outcome.is_confirmed for outcome in outcomes)

        publishing = asyncio.create_task(publish_for_ever())
        for _ in range(KILLS):
            there = len(confirmed)
            await until(lambda there=there: len(confirmed) > there + 500, "it is under load")  # type: ignore[misc]
            await asyncio.sleep(chance.random() / 2)  # somewhere in the midst of it
            await asyncio.to_thread(own_server.kill)
            await asyncio.to_thread(own_server.start)
        there = len(confirmed)
        await until(lambda: len(confirmed) > there + 500, "it is under load again")
        publishing.cancel()
        await asyncio.wait([publishing])
        await until(lambda: confirmed <= got.keys(), "all that was confirmed has arrived")
        twice = sum(number > 1 for number in got.values())
        print(f"{len(confirmed)} confirmed, {failed} not, {len(got)} arrived, {twice} more than once")
        assert failed


async def test_the_password_is_not_logged(own_server: RabbitmqServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    address = own_server.url.partition("@")[2]
    async with talk_to(f"amqp://nobody:geheim@{address}", wait=False, timeout_s=3) as refused:
        await until(lambda: "trying again" in caplog.text, "the refusal is logged")
        with pytest.raises(BrokerUnavailableError) as caught:
            await refused.connections[0].wait_until_up()
    assert "geheim" not in str(caught.value)
    async with talk_to(own_server.url) as broker:
        await broker.queues().declare(broker.topology.queue("logs"))
    assert "Connecting to" in caplog.text
    assert "geheim" not in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.replace(":secret@", ":wrong@"), "refuses the user 'eas' or the password"),
        (lambda url: f"{url.rpartition('/')[0]}/nowhere", "has no such virtual host, or 'eas' may not use it"),
    ],
)
async def test_what_an_operator_can_mend_is_said_in_words(
    change: Callable[[str], str], words: str, own_server: RabbitmqServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with talk_to(change(own_server.make_vhost()), wait=False) as broker:
        await until(lambda: words in caplog.text, f"the log says {words!r}")
        assert not any(connection.is_up for connection in broker.connections)


async def test_an_absence_is_said_once(own_server: RabbitmqServer, caplog: pytest.LogCaptureFixture) -> None:
    async with talk_to(own_server.url) as broker:
        await asyncio.to_thread(own_server.kill)
        await until(lambda: not any(connection.is_up for connection in broker.connections), "all have noticed")
        await asyncio.to_thread(own_server.start)
        await until(lambda: all(connection.is_up for connection in broker.connections), "all are back")
    warnings = [record.name for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == ["eas.amqp.connection"] * len(broker.connections)
