"""What the scheduler tells the product store, by broker or otherwise."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from eas.amqp.fallback_publisher import FallbackPublisher
from eas.amqp.topology import Topology
from eas.contracts.errors import UnavailableError
from eas.contracts.products import PlanMessage, ProductMessage, VerdictMessage
from eas.testing.broker import FakeBroker, FakeLink
from eas_scheduler.domain.changes import OutboxMessage
from eas_scheduler.storage.broker_announcer import MAX_MESSAGE_BYTES, BrokerAnnouncer

TOPOLOGY = Topology("test")
QUEUE = TOPOLOGY.queue("products")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
VERDICTS = OutboxMessage("verdicts", {"verdicts": [{"attempt_id": 7, "passed": True, "decided_at": NOON}]})


def plan(**metadata: str) -> OutboxMessage:
    product = {
        "directory": "d",
        "filename": "f",
        "semantic_type": "report",
        "generator_task_id": 3,
        "job_id": 1,
        "planned_at": NOON,
        "metadata": metadata,
    }
    return OutboxMessage("plan", {"products": [product]})


class OtherWay:
    """HTTP, with a store that can be away."""

    def __init__(self) -> None:
        self.told: list[OutboxMessage] = []
        self.is_up = True

    async def announce(self, message: OutboxMessage) -> None:
        if not self.is_up:
            raise UnavailableError("away")
        self.told.append(message)


def make(broker: FakeBroker, other: OtherWay) -> BrokerAnnouncer:
    publisher = FallbackPublisher(FakeLink(), broker.publisher(TOPOLOGY), QUEUE, first_rest_s=0)
    return BrokerAnnouncer(publisher, other.announce)


async def published(broker: FakeBroker) -> list[PlanMessage | VerdictMessage]:
    bodies = await broker.queues(TOPOLOGY).list_messages(QUEUE, 100)
    return [ProductMessage.model_validate_json(body).root for body in bodies]


async def test_messages_go_through_the_broker() -> None:
    broker, other = FakeBroker(), OtherWay()
    announcer = make(broker, other)
    for message in (plan(n="1"), VERDICTS):
        await announcer.announce(message)
    first, second = await published(broker)
    assert isinstance(first, PlanMessage)
    assert (first.payload.products[0].generator_task_id, first.payload.products[0].metadata) == (3, {"n": "1"})
    assert isinstance(second, VerdictMessage)
    assert (second.payload.verdicts[0].attempt_id, second.payload.verdicts[0].decided_at) == (7, NOON)
    assert other.told == []


async def test_without_the_broker_they_go_the_other_way_and_back_again() -> None:
    broker, other = FakeBroker(), OtherWay()
    announcer = make(broker, other)
    broker.stop()
    await announcer.announce(VERDICTS)
    broker.start()
    await announcer.announce(plan())
    assert other.told == [VERDICTS]
    assert [message.kind for message in await published(broker)] == ["plan"]


async def test_with_both_away_the_outbox_keeps_them() -> None:
    broker, other = FakeBroker(), OtherWay()
    broker.stop()
    other.is_up = False
    with pytest.raises(UnavailableError):
        await make(broker, other).announce(VERDICTS)


async def test_what_is_too_long_for_a_message_goes_the_other_way() -> None:
    broker, other = FakeBroker(), OtherWay()
    long = plan(**{f"n{number}": "x" * 1000 for number in range(MAX_MESSAGE_BYTES // 1000)})
    payload = {"products": [{**long.payload["products"][0], "filename": f"f{number}"} for number in range(2)]}
    await make(broker, other).announce(OutboxMessage("plan", payload))
    assert len(other.told) == 1
