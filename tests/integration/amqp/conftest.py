"""A real broker, and what talks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from pydantic import SecretStr

from eas.amqp.connection import BrokerConnection
from eas.amqp.consumer import QueueConsumer
from eas.amqp.errors import BrokerUnavailableError
from eas.amqp.inspection import QueueInspector
from eas.amqp.ports import Handler
from eas.amqp.publisher import QueuePublisher
from eas.amqp.settings import BrokerSettings
from eas.amqp.topology import QueueType, Topology
from tests.support.patience import PATIENCE_S
from tests.support.private_server import open_server
from tests.support.rabbitmq import RabbitmqServer

LOOK_EVERY_S = 0.2


@dataclass
class RealBroker:
    """Makes what talks to a broker, with queues of its own; see `tests.unit.amqp.conformance.BrokerUnderTest`."""

    url: str
    queue_type: QueueType = QueueType.CLASSIC
    timeout_s: float = PATIENCE_S
    heartbeat_s: int = 20
    settings: BrokerSettings = field(init=False)
    topology: Topology = field(init=False)
    connections: list[BrokerConnection] = field(default_factory=list)
    consumers: list[QueueConsumer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.settings = BrokerSettings(
            url=SecretStr(self.url),
            timeout_s=self.timeout_s,
            confirm_timeout_s=PATIENCE_S,
            heartbeat_s=self.heartbeat_s,
            first_pause_s=0.05,
            longest_pause_s=1,
        )
        self.topology = Topology(f"test_{uuid4().hex[:8]}", self.queue_type)

    async def start(self, *, wait: bool = True) -> None:
        for name in ("publisher", "consumer", "operator"):
            self.connections.append(BrokerConnection(self.settings, name=name))
            await self.connections[-1].start()
            if wait:
                await self.connections[-1].wait_until_up()

    def publisher(self, *, in_flight: int = 200) -> QueuePublisher:
        return QueuePublisher(self.connections[0], self.topology, in_flight=in_flight)

    def consumer(self, handler: Handler, *, prefetch: int, ask_every_s: float = 60) -> QueueConsumer:
        consumer = QueueConsumer(
            self.connections[1],
            self.topology,
            handler,
            prefetch=prefetch,
            look_every_s=LOOK_EVERY_S,
            ask_every_s=ask_every_s,
        )
        self.consumers.append(consumer)
        return consumer

    def queues(self, topology: Topology | None = None) -> QueueInspector:
        return QueueInspector(self.connections[2], topology or self.topology)

    async def close(self) -> None:
        for consumer in self.consumers:
            await consumer.close()
        for connection in self.connections:
            await connection.close()

    async def delete(self, queue: str) -> None:
        with suppress(BrokerUnavailableError):
            async with self.connections[2].channel() as channel:
                await channel.queue_delete(queue)


@asynccontextmanager
async def talk_to(
    url: str,
    queue_type: QueueType = QueueType.CLASSIC,
    *,
    wait: bool = True,
    timeout_s: float = PATIENCE_S,
    heartbeat_s: int = 20,
) -> AsyncIterator[RealBroker]:
    """Connect to a broker for a test, and wait until it is there unless told otherwise."""
    broker = RealBroker(url, queue_type, timeout_s, heartbeat_s)
    try:
        await broker.start(wait=wait)
        yield broker
    finally:
        await broker.close()


@pytest.fixture(scope="module")
def own_server() -> Iterator[RabbitmqServer]:
    """A server that tests of a module may kill."""
    with open_server(RabbitmqServer) as found:
        yield found


@pytest.fixture(scope="session")
def vhost(rabbitmq_server: RabbitmqServer) -> str:
    """The address of a virtual host of the shared server."""
    return rabbitmq_server.make_vhost()
