"""What a process gets of a broker, if it has one: only here is the broker's library imported, and only then."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from eas.amqp.durable_handler import DurableHandler
from eas.amqp.fallback_publisher import FallbackPublisher
from eas.amqp.settings import BrokerChoice


def make_fallback_publisher(choice: BrokerChoice, kind: str, *, name: str) -> FallbackPublisher | None:
    """Make an outlet, to be started and closed; None where there is no broker.

    Parameters
    ----------
    choice
        The process's settings.
    kind
        Of the queue, such as ``logs``.
    name
        Of the connection, for operators.
    """
    settings, topology = choice.choose_broker(), choice.choose_topology()
    if settings is None:
        return None
    from eas.amqp.connection import BrokerConnection
    from eas.amqp.publisher import QueuePublisher

    connection = BrokerConnection(settings, name=name)
    return FallbackPublisher(connection, QueuePublisher(connection, topology), topology.queue(kind))


@asynccontextmanager
async def consume_queue(
    choice: BrokerChoice, kind: str, take: Callable[[bytes], Awaitable[object]], *, name: str, prefetch: int
) -> AsyncIterator[None]:
    """Take in what comes to a queue for as long as this lasts; nothing where there is no broker.

    Parameters
    ----------
    take
        See `eas.amqp.durable_handler.DurableHandler`.
    prefetch
        How many messages are handled at the same time.
    """
    settings, topology = choice.choose_broker(), choice.choose_topology()
    if settings is None:
        yield
        return
    from eas.amqp.connection import BrokerConnection
    from eas.amqp.consumer import QueueConsumer

    async with AsyncExitStack() as stack:
        connection = BrokerConnection(settings, name=name)
        handler = DurableHandler(take)
        consumer = QueueConsumer(connection, topology, handler.handle, prefetch=prefetch)
        await consumer.add(topology.queue(kind))
        stack.push_async_callback(connection.close)
        await connection.start()
        stack.push_async_callback(consumer.close)
        await consumer.start()
        stack.callback(handler.stop)
        yield
