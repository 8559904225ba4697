"""Doorbells from a message broker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from eas.amqp.ports import Consumer, Delivery, Handler
from eas.amqp.topology import Topology
from eas.contracts.doorbells import read_doorbell
from eas.contracts.errors import InvalidInputError
from eas.isolation import is_passing

logger = logging.getLogger(__name__)

#: How long a doorbell for which there was no room is kept before another worker may have it [s].
_KEEP_S = 0.05


class BrokerDoorbells:
    """`DoorbellSource` at a broker.

    Parameters
    ----------
    make_consumer
        Makes a consumer of what the handler gets, to which nothing is delivered yet.
    topology
        What queues are called.
    """

    def __init__(self, make_consumer: Callable[[Handler], Consumer], topology: Topology) -> None:
        self._topology = topology
        self._consumer = make_consumer(self._handle)
        self._hear: Callable[[int], Awaitable[bool]] | None = None

    async def listen(self, task_types: Sequence[str], hear: Callable[[int], Awaitable[bool]]) -> None:
        """Listen for ever to the doorbells of these task types."""
        self._hear = hear
        await self._consumer.start()
        try:
            for name in task_types:
                try:
                    await self._consumer.add(self._topology.task_queue(name))
                except Exception as error:  # this name's alone: the others are listened to
                    if is_passing(error):
                        raise
                    logger.error("no doorbells for %r, which is asked for all the same: %s", name, error)
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
