"""Queues of doorbells at a message broker: one for each task type. Messages carry attempt ids and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from eas.amqp.connection import BrokerConnection
from eas.amqp.inspection import QueueInspector
from eas.amqp.ports import Message, Publisher, Queues
from eas.amqp.publisher import QueuePublisher
from eas.amqp.settings import BrokerSettings
from eas.amqp.topology import Topology
from eas.contracts.doorbells import read_doorbell, write_doorbell
from eas.contracts.errors import NotFoundError
from eas_scheduler.storage.broker_dead_letters import BrokerDeadLetters


class BrokerTaskQueues:
    """`TaskQueues` at a broker.

    Parameters
    ----------
    publisher
        Publishes, and knows what was confirmed.
    queues
        Looks into queues.
    topology
        What queues are called.
    """

    def __init__(self, publisher: Publisher, queues: Queues, topology: Topology) -> None:
        self._publisher = publisher
        self._queues = queues
        self._topology = topology

    @property
    def dead_letters(self) -> BrokerDeadLetters:
        """The dead letters at the same broker."""
        return BrokerDeadLetters(self._queues, self._topology)

    async def declare(self, task_type: str) -> None:
        """Make the queue unless it exists."""
        await self._queues.declare(self._topology.task_queue(task_type))

    async def length(self, task_type: str) -> int:
        """How many doorbells wait; 0 where there is no such queue."""
        try:
            return await self._queues.length(self._topology.task_queue(task_type))
        except NotFoundError:
            return 0

    async def publish(self, attempts: Sequence[tuple[int, str]]) -> set[int]:
        """Ring for attempts. Returns those whose doorbell the broker keeps."""
        messages = [Message(self._topology.task_queue(name), write_doorbell(number)) for number, name in attempts]
        outcomes = await self._publisher.publish_many(messages)
        return {attempt_id for (attempt_id, _), outcome in zip(attempts, outcomes, strict=True) if outcome.is_confirmed}

    async def fetch_and_acknowledge(self, task_type: str) -> int | None:
        """Take the first doorbell out of its queue; None where it is empty."""
        try:
            body = await self._queues.fetch_and_acknowledge(self._topology.task_queue(task_type))
        except NotFoundError:
            return None
        return None if body is None else read_doorbell(body)

    async def list_attempts(self, task_type: str, limit: int) -> list[int]:
        """List the attempts of the first doorbells, which stay in their queue."""
        try:
            bodies = await self._queues.list_messages(self._topology.task_queue(task_type), limit)
        except NotFoundError:
            return []
        return [read_doorbell(body) for body in bodies]

    async def purge(self, task_type: str) -> int:
        """Empty a queue. Returns how many doorbells were in it."""
        try:
            return await self._queues.purge(self._topology.task_queue(task_type))
        except NotFoundError:
            return 0

    async def close(self) -> None:
        """Let go of the broker."""
        await self._queues.close()
        await self._publisher.close()


class ConnectedTaskQueues(BrokerTaskQueues):
    """`TaskQueues` at a broker with connections of their own, which come back however often they are lost.

    Parameters
    ----------
    settings
        Where the broker is.
    topology
        What queues are called.
    """

    def __init__(self, settings: BrokerSettings, topology: Topology) -> None:
        self._connections = [BrokerConnection(settings, name=f"scheduler {part}") for part in ("doorbells", "queues")]
        doorbells, looks = self._connections
        super().__init__(QueuePublisher(doorbells, topology), QueueInspector(looks, topology), topology)

    async def start(self) -> None:
        """Connect, in the background."""
        for connection in self._connections:
            await connection.start()

    async def close(self) -> None:
        """Let go of the broker."""
        await super().close()
        for connection in self._connections:
            await connection.close()
