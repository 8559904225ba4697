"""Queues are declared by the first process that uses them: a publisher, a consumer or an operator."""

from __future__ import annotations

import asyncio

from aio_pika import ExchangeType
from aio_pika.exceptions import ChannelClosed

from eas.amqp.connection import BrokerConnection, unavailable
from eas.amqp.errors import QueueRefusedError
from eas.amqp.topology import Topology


async def declare(connection: BrokerConnection, topology: Topology, queue: str) -> None:
    """Make a durable queue, and the dead-letter queue, unless they exist.

    Raises
    ------
    QueueRefusedError
        One of them exists with other arguments, or the broker does not allow it.
    BrokerUnavailableError
        The broker is away.
    """
    # On a channel of its own, which a refusal takes with it.
    async with connection.channel() as channel:
        with unavailable(f"declaring the queue {queue!r}"):
            async with asyncio.timeout(connection.settings.timeout_s):
                name = topology.dead_letter_exchange
                try:
                    exchange = await channel.declare_exchange(name, ExchangeType.FANOUT, durable=True)
                    for name in dict.fromkeys([topology.dead_letter_queue, queue]):
                        made = await channel.declare_queue(name, durable=True, arguments=dict(topology.arguments(name)))
                        if name == topology.dead_letter_queue:
                            await made.bind(exchange)
                except ChannelClosed as error:
                    raise QueueRefusedError(name, str(error)) from error
