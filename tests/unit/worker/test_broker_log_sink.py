"""How a worker's log records go to the log service where there is a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import orjson
import pytest

from eas.amqp.fallback_publisher import FallbackPublisher
from eas.amqp.topology import Topology
from eas.contracts.errors import InvalidInputError, UnavailableError
from eas.contracts.logs import LogBatch
from eas.journal.journal import REJECTED_NAME, list_segments
from eas.journal.shipper import Shipper
from eas.testing.broker import FakeBroker, FakeLink
from eas_worker.storage.broker_log_sink import MAX_MESSAGE_BYTES, BrokerLineSink

TOPOLOGY = Topology("test")
QUEUE = TOPOLOGY.queue("logs")


@dataclass
class OtherWay:
    """HTTP, with a log service that can be away."""

    taken: list[bytes] = field(default_factory=list)
    is_up: bool = True

    async def ingest_lines(self, lines: Sequence[bytes]) -> None:
        if not self.is_up:
            raise UnavailableError("away")
        self.taken += lines


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def other() -> OtherWay:
    return OtherWay()


@pytest.fixture
def sink(broker: FakeBroker, other: OtherWay) -> BrokerLineSink:
    return BrokerLineSink(FallbackPublisher(FakeLink(), broker.publisher(TOPOLOGY), QUEUE, first_rest_s=0), other)


def line(sequence: int, message: str = "x") -> bytes:
    record = {"stream": "w", "sequence": sequence, "time": "2026-03-01T00:00:00Z", "level": 20, "message": message}
    return orjson.dumps(record)


async def published(broker: FakeBroker) -> list[list[int]]:
    """The sequence numbers in each message."""
    bodies = await broker.queues(TOPOLOGY).list_messages(QUEUE, 1000)
    assert all(len(body) <= MAX_MESSAGE_BYTES for body in bodies)
    return [[record.sequence for record in LogBatch.model_validate_json(body).records] for body in bodies]


async def test_lines_go_through_the_broker(broker: FakeBroker, other: OtherWay, sink: BrokerLineSink) -> None:
    await sink.ingest_lines([line(0), line(1), b'{"emitted":2,"attempt_id":1,"stream":"w"}'])
    (body,) = await broker.queues(TOPOLOGY).list_messages(QUEUE, 9)
    batch = LogBatch.model_validate_json(body)
    assert ([record.sequence for record in batch.records], [one.emitted for one in batch.endings]) == ([0, 1], [2])
    assert other.taken == []


async def test_without_the_broker_they_go_the_other_way_and_back_again(
    broker: FakeBroker, other: OtherWay, sink: BrokerLineSink
) -> None:
    broker.stop()
    await sink.ingest_lines([line(0)])
    broker.start()
    await sink.ingest_lines([line(1)])
    assert other.taken == [line(0)]
    assert await published(broker) == [[1]]


async def test_with_both_away_the_writer_keeps_them(broker: FakeBroker, other: OtherWay, sink: BrokerLineSink) -> None:
    broker.stop()
    other.is_up = False
    with pytest.raises(UnavailableError):
        await sink.ingest_lines([line(0)])


async def test_a_line_that_is_no_record_is_refused_before_it_is_sent(broker: FakeBroker, sink: BrokerLineSink) -> None:
    with pytest.raises(InvalidInputError):
        await sink.ingest_lines([line(0), b'{"sequence":1}'])
    broker.declare(TOPOLOGY, QUEUE)
    assert await published(broker) == []


async def test_a_journal_goes_in_messages_of_bounded_size_without_what_is_refused(
    broker: FakeBroker, other: OtherWay, sink: BrokerLineSink, tmp_path: Path
) -> None:
    longest = line(40, "y" * MAX_MESSAGE_BYTES)
    lines = [*(line(number, "z" * 60_000) for number in range(40)), longest, b'{"sequence":41}', line(42)]
    (tmp_path / "writer.0001.ndjson").write_bytes(b"".join(one + b"\n" for one in lines))
    assert list_segments(tmp_path)
    shipper = Shipper(tmp_path, sink)
    assert await shipper.drain(60)
    await shipper.stop()
    assert sorted(chain.from_iterable(await published(broker))) == [*range(40), 42]
    assert other.taken == [longest]
    assert (tmp_path / REJECTED_NAME).read_bytes() == b'{"sequence":41}\n'
    assert list_segments(tmp_path) == []


async def test_after_the_broker_was_lost_the_last_lines_go_the_other_way_too(
    broker: FakeBroker, other: OtherWay
) -> None:
    link = FakeLink()
    publisher = FallbackPublisher(link, broker.publisher(TOPOLOGY), QUEUE, first_rest_s=0)
    await publisher.start()
    await BrokerLineSink(publisher, other).ingest_lines([line(0)])
    broker.lose_queues()
    link.lose()
    async with asyncio.timeout(120):
        while not other.taken:  # noqa: ASYNC110 - the publisher does it by itself
            await asyncio.sleep(0)
    await publisher.close()
    assert other.taken == [line(0)]
