"""Doorbells from a message broker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from shared.amqp.connection import BrokerConnection
from shared.amqp.consumer import QueueConsumer
from shared.amqp.ports import Delivery
from shared.amqp.topology import Topology
from shared.contracts.doorbells import read_doorbell
from shared.contracts.errors import InvalidInputError

logger = logging.getLogger(__name__)

#: How long a doorbell for which there was no room is kept before another worker may have it [s].
_KEEP_S = 0.05


class BrokerDoorbells:
    """`DoorbellSource` at a broker.

    Parameters
    ----------
    connection
        Started and closed by whoever made it.
    topology
        What queues are called.
    """

    def __init__(self, connection: BrokerConnection, topology: Topology) -> None:
        self._topology = topology
        self._consumer = QueueConsumer(connection, topology, self._handle, prefetch=0)
        self._hear: Callable[[int], Awaitable[bool]] | None = None

    async def listen(self, task_types: Sequence[str], hear: Callable[[int], Awaitable[bool]]) -> None:
        """Listen for ever to the doorbells of these task types."""
        self._hear = hear
        await self._consumer.start()
        try:
            for name in task_types:
                await self._consumer.add(self._topology.task_queue(name))
            await asyncio.Event().wait()
        finally:
            await self._consumer.close()

    async def set_room(self, room: int) -> None:
        """Be given at most so many doorbells that are not answered yet."""
        await self._consumer.set_prefetch(room)

    async def _handle(self, delivery: Delivery) -> None:
        try:
            attempt_id = read_doorbell(delivery.body)
        except InvalidInputError as error:
            logger.error("%s: %s", delivery.queue, error)
            await delivery.nack(requeue=False)
            return
        if self._hear is not None and await self._hear(attempt_id):
            await delivery.ack()
        else:
            await asyncio.sleep(_KEEP_S)
            await delivery.nack(requeue=True)
