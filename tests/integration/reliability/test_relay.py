"""One message that the product store cannot be told becomes a dead letter, and all others are delivered."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from eas.amqp.fallback_publisher import FallbackPublisher
from eas.amqp.ports import Delivery
from eas.amqp.topology import Topology
from eas.contracts.errors import ForbiddenError, InvalidInputError, NotFoundError, UnavailableError
from eas.database.committer import Database
from eas.testing.broker import FakeBroker, FakeLink
from eas_scheduler.domain.changes import OutboxMessage
from eas_scheduler.logic.dead_letters import DeadLetters
from eas_scheduler.logic.relay import Relay
from eas_scheduler.storage.broker_announcer import BrokerAnnouncer
from eas_scheduler.storage.broker_dead_letters import BrokerDeadLetters
from eas_scheduler.storage.dead_letters import SqlDeadLetters

from .conftest import Scheduler

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Store:
    """A product store that raises if it hears of something bad."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error or InvalidInputError("no such product can be")
        self.told: list[str] = []
        self.requests = 0

    async def announce(self, message: OutboxMessage) -> None:
        self.requests += 1
        names = [part["filename"] for part in message.payload["products"]]
        if any(name.startswith("bad") for name in names):
            raise self.error
        self.told += names


def plan(*names: str) -> OutboxMessage:
    products = [{"directory": "d", "filename": name, "generator_task_id": 3} for name in names]
    return OutboxMessage("plan", {"products": products})


async def leave(scheduler: Scheduler, *messages: OutboxMessage) -> None:
    await scheduler.transactor.run(lambda unit: unit.changes.messages.extend(messages))


def make_relay(scheduler: Scheduler, store: Any) -> Relay:
    return Relay(scheduler.transactor, scheduler.wakeups, store)


@pytest.fixture
def letters(scheduler: Scheduler, database: Database) -> DeadLetters:
    return DeadLetters([SqlDeadLetters(database)], scheduler.wakeups)


@pytest.mark.parametrize("error", [InvalidInputError("no such product"), TypeError("a defect"), ValueError("another")])
async def test_one_bad_product_of_a_plan_dies_and_the_rest_is_delivered(
    scheduler: Scheduler, letters: DeadLetters, error: Exception
) -> None:
    store = Store(error)
    await leave(scheduler, plan("a"), plan("b", "c", "bad.gz", "d"), plan("e"), plan("bad2"), plan("f"))
    relay = make_relay(scheduler, store)
    assert await relay.deliver() == 5
    assert await relay.deliver() == 0
    assert store.told == ["a", "b", "c", "d", "e", "f"]
    found = (await letters.select(10)).items
    assert [letter.subject for letter in found] == [
        "product 'bad.gz' in directory 'd' of task 3",
        "product 'bad2' in directory 'd' of task 3",
    ]
    assert [letter.reason for letter in found] == [f"{type(error).__name__}: {error}"] * 2
    assert [(letter.created_at, letter.died_at) for letter in found] == [(NOON, NOON)] * 2
    content = await letters.read(found[0].letter_id)
    assert [part["filename"] for part in content.content["products"]] == ["bad.gz"]


async def test_a_verdict_that_no_message_can_carry_does_not_stop_the_relay(
    scheduler: Scheduler, letters: DeadLetters
) -> None:
    topology = Topology("test")
    broker = FakeBroker()
    publisher = FallbackPublisher(FakeLink(), broker.publisher(topology), topology.queue("products"), first_rest_s=0)
    relay = make_relay(scheduler, BrokerAnnouncer(publisher, Store().announce))
    verdicts = [{"attempt_id": number, "passed": False, "reason": "x"} for number in range(1, 4)]
    await leave(
        scheduler,
        OutboxMessage("verdicts", {"verdicts": [verdicts[0], verdicts[1] | {"passed": "perhaps"}, verdicts[2]]}),
        OutboxMessage("verdicts", {"verdicts": [verdicts[0]]}),
    )
    assert await relay.deliver() == 2
    assert len(await broker.queues(topology).list_messages(topology.queue("products"), 10)) == 3
    (letter,) = (await letters.select(10)).items
    assert letter.subject == "attempt 2, output None: passed"
    assert letter.reason.startswith("ValidationError")


@pytest.mark.parametrize("error", [UnavailableError("away"), ForbiddenError("the token lacks a scope")])
async def test_nothing_dies_while_the_store_is_away_or_does_not_let_us_in(
    scheduler: Scheduler, letters: DeadLetters, error: Exception
) -> None:
    store = Store(error)
    await leave(scheduler, plan("a"), plan("b", "bad"), plan("c"))
    relay = make_relay(scheduler, store)
    with pytest.raises(UnavailableError):
        await relay.deliver()
    assert (await letters.select(10)).items == []
    store.error = InvalidInputError("bad")
    assert await relay.deliver() == 2
    assert store.told == ["a", "b", "c"]
    assert len((await letters.select(10)).items) == 1


async def bury(broker: FakeBroker, topology: Topology, queue: str, *bodies: bytes) -> None:
    """Let a reader of a queue refuse messages."""
    refused: list[bytes] = []
    done = asyncio.Event()

    async def refuse(delivery: Delivery) -> None:
        await delivery.nack(requeue=False)
        refused.append(delivery.body)
        if len(refused) == len(bodies):
            done.set()

    consumer = broker.consumer(topology, refuse, prefetch=1)
    await consumer.add(queue)
    await consumer.start()
    for body in bodies:
        await broker.queues(topology).publish(queue, body)
    await asyncio.wait_for(done.wait(), 120)
    await consumer.close()


async def test_the_brokers_dead_letters_are_listed_sent_again_and_discarded(
    scheduler: Scheduler, database: Database
) -> None:
    topology, broker = Topology("test"), FakeBroker()
    queue = topology.queue("products")
    box = BrokerDeadLetters(broker.queues(topology), topology)
    letters = DeadLetters([SqlDeadLetters(database), box], scheduler.wakeups)
    assert (await letters.select(10)).items == []
    text = b'{"kind": "plan", "payload": {"products": [{"filename": "a", "directory": "d", "generator_task_id": 3}]}}'
    await bury(broker, topology, queue, text, b"\xff nonsense")
    await leave(scheduler, plan("bad"))
    await make_relay(scheduler, Store()).deliver()
    own, first, second = (await letters.select(10)).items
    assert own.place == "database"
    assert (first.place, first.kind, first.subject) == ("broker", queue, "product 'a' in directory 'd' of task 3")
    assert second.subject == "10 bytes"
    assert (await letters.read(first.letter_id)).content["kind"] == "plan"
    assert (await letters.read(second.letter_id)).content == "\\xff nonsense"
    assert await letters.send_again([first.letter_id], by="ada") == 1
    assert await broker.queues(topology).list_messages(queue, 10) == [text]
    assert await letters.discard([second.letter_id, own.letter_id], by="ada") == 2
    assert (await letters.select(10)).items == []
    broker.stop()
    table = await letters.select(10)
    assert table.missing is not None
    assert "away" in table.missing


async def test_dead_letters_are_sent_again_or_discarded(scheduler: Scheduler, letters: DeadLetters) -> None:
    store = Store()
    await leave(scheduler, plan("bad1"), plan("bad2"), plan("bad3"), plan("bad4"))
    relay = make_relay(scheduler, store)
    await relay.deliver()
    first, second, *_ = [letter.letter_id for letter in (await letters.select(10)).items]
    assert await letters.discard([first, "d999", "nonsense"], by="ada") == 1
    assert await letters.discard([first], by="ada") == 0
    scheduler.wakeups.outbox.clear()
    assert await letters.send_again([second], by="ada") == 1
    assert scheduler.wakeups.outbox.is_set()
    assert await relay.deliver() == 1
    assert len((await letters.select(10)).items) == 3  # it is still bad
    assert await letters.send_again(None, by="ada") == 3
    store.error = UnavailableError("away")
    with pytest.raises(UnavailableError):
        await relay.deliver()
    assert (await letters.select(10)).items == []
    with pytest.raises(NotFoundError):
        await letters.read(first)
    assert await letters.discard(None, by="ada") == 0
