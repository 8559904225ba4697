"""RabbitMQ does what every broker does, with classic and with quorum queues."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from eas.amqp.ports import Message
from eas.amqp.topology import QueueType
from tests.integration.amqp.conftest import RealBroker, talk_to
from tests.unit.amqp.conformance import BrokerConformance, Collector, until, until_waiting


@pytest.fixture(params=list(QueueType))
async def broker(vhost: str, request: pytest.FixtureRequest) -> AsyncIterator[RealBroker]:
    async with talk_to(vhost, request.param) as found:
        yield found


class TestRealBroker(BrokerConformance):
    """What every broker does."""


async def test_a_handler_gets_no_more_than_the_prefetch_from_all_queues_together(broker: RealBroker) -> None:
    names = [broker.topology.task_queue(f"type_{number}") for number in range(3)]
    await broker.publisher().publish_many([Message(name, b"%d" % number) for name in names for number in range(4)])
    got = Collector(hold=True)
    consumer = broker.consumer(got, prefetch=3)
    await consumer.start()
    for name in names:
        await consumer.add(name)
    for number in range(12):
        there = min(number + 3, 12)
        await until(lambda there=there: len(got.deliveries) == there, "there are as many as may be")  # type: ignore[misc]
        assert await got.deliveries[number].ack()
    assert len(got.deliveries) == 12


async def test_a_message_without_a_queue_makes_its_queue(broker: RealBroker) -> None:
    queue = broker.topology.task_queue("null")
    publisher = broker.publisher()
    await publisher.publish(Message(queue, b"1"))
    await broker.delete(queue)
    outcomes = await publisher.publish_many([Message(queue, b"2"), Message(queue, b"3")])
    assert all(outcome.is_confirmed for outcome in outcomes)
    await until_waiting(broker.queues(), queue, 2)


async def test_a_name_that_the_broker_keeps_for_itself_is_refused(broker: RealBroker) -> None:
    [refused, good] = await broker.publisher().publish_many([Message("amq.mine", b"1"), Message("test_good", b"1")])
    assert not refused.is_confirmed
    assert "amq.mine" in refused.reason
    assert good.is_confirmed or "dead_letters" in good.reason
    await broker.delete("test_good")


async def test_messages_survive_on_disk_only(broker: RealBroker) -> None:
    queue = broker.topology.task_queue("null")
    await broker.publisher().publish(Message(queue, b"1"))
    async with broker.connections[2].channel() as channel:
        found = await (await channel.get_queue(queue)).get(no_ack=True)
    assert found is not None
    assert found.delivery_mode == 2


async def test_confirms_in_flight_are_faster_than_one_by_one(broker: RealBroker) -> None:
    queue = broker.topology.task_queue("null")
    rates: dict[int, float] = {}
    for in_flight, number in ((1, 300), (20, 1000), (200, 2000)):
        publisher = broker.publisher(in_flight=in_flight)
        began = time.perf_counter()
        outcomes = await publisher.publish_many([Message(queue, b"x" * 40)] * number)
        rates[in_flight] = number / (time.perf_counter() - began)
        assert all(outcome.is_confirmed for outcome in outcomes)
        await publisher.close()
    figures = ", ".join(f"{rate:.0f}/s with {in_flight} in flight" for in_flight, rate in rates.items())
    print(f"\n{broker.queue_type}: {figures}")
