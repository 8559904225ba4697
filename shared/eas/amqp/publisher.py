"""Publishes durable messages, many at a time, and knows which of them the broker has confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import aiormq
from aio_pika import DeliveryMode
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import DeliveryError, PublishError

from eas.amqp.connection import BrokerConnection, unavailable, wire_of
from eas.amqp.declaration import declare
from eas.amqp.errors import BrokerUnavailableError, UnroutableError
from eas.amqp.ports import Message, Outcome
from eas.amqp.topology import QueueType, Topology
from eas.contracts.errors import EasError

IN_FLIGHT = 200

#: How long RabbitMQ may take to tell consumers that their quorum queue was deleted. Where it is declared anew before
#: they are told, they count as its consumers and get nothing, and neither side can notice [s].
_DELETION_S = 0.5


class QueuePublisher:
    """A `eas.amqp.ports.Publisher` at a real broker.

    A queue that is not there is declared when the first message for it comes back, so nobody has to declare queues
    beforehand, and queues that the broker lost are made again.

    Parameters
    ----------
    connection
        The connection. The caller starts and closes it.
    topology
        How queues are declared.
    in_flight
        How many messages may wait for their confirms at the same time.
    """

    def __init__(self, connection: BrokerConnection, topology: Topology, *, in_flight: int = IN_FLIGHT) -> None:
        self._connection = connection
        self._topology = topology
        self._in_flight = in_flight
        self._free = asyncio.Semaphore(in_flight)
        self._opening = asyncio.Lock()
        self._declaring = asyncio.Lock()
        self._declared: dict[str, float] = {}
        self._channel: AbstractChannel | None = None

    async def publish(self, message: Message) -> None:
        """Publish one message and wait for its confirm; see the port for what it raises."""
        channel = await self._open()
        async with self._free:
            await self._publish(channel, message)

    async def publish_many(self, messages: Sequence[Message]) -> list[Outcome]:
        """Publish messages, up to `in_flight` at a time; tells for each, in their order, what became of it.

        When the channel is lost, or a confirm does not come in time, all that are not confirmed have failed: the call
        ends soon rather than waiting for each.
        """
        if not messages:
            return []
        try:
            channel = await self._open()
        except BrokerUnavailableError as error:
            return [Outcome(error)] * len(messages)
        outcomes: list[Outcome] = [Outcome()] * len(messages)
        rest = iter(enumerate(messages))
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._in_flight, len(messages))):
                group.create_task(self._publish_rest(channel, rest, outcomes))
        return outcomes

    async def close(self) -> None:
        """Close the channel."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await self._connection.close_channel(channel)

    async def _open(self) -> AbstractChannel:
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                self._channel = await self._connection.open_channel(confirms=True)
            return self._channel

    async def _publish_rest(
        self, channel: AbstractChannel, rest: Iterator[tuple[int, Message]], outcomes: list[Outcome]
    ) -> None:
        for place, message in rest:
            async with self._free:
                try:
                    await self._publish(channel, message)
                except EasError as error:
                    outcomes[place] = Outcome(error)

    async def _publish(self, channel: AbstractChannel, message: Message) -> None:
        """Publish, and once more if the queue had to be declared first."""
        began = asyncio.get_running_loop().time()
        try:
            await self._send(channel, message)
        except UnroutableError:
            await self._declare(message.queue, began)
            await self._send(channel, message)

    async def _declare(self, queue: str, missing_since: float) -> None:
        """Declare a queue unless that was done since somebody found it missing."""
        async with self._declaring:
            if self._declared.get(queue, missing_since) <= missing_since:
                if self._topology.queue_type is QueueType.QUORUM:
                    await asyncio.sleep(_DELETION_S)
                await declare(self._connection, self._topology, queue)
                self._declared[queue] = asyncio.get_running_loop().time()

    async def _send(self, channel: AbstractChannel, message: Message) -> None:
        if channel is not self._channel:
            raise BrokerUnavailableError(f"a message for {message.queue!r} was not sent: its channel was given up")
        with unavailable(f"a message for {message.queue!r} was not confirmed"):
            try:
                # The library makes up a message id: it needs one that is unique, to know what came back.
                wire = await wire_of(channel)
                await wire.basic_publish(
                    message.body,
                    routing_key=message.queue,
                    properties=aiormq.spec.Basic.Properties(delivery_mode=int(DeliveryMode.PERSISTENT)),
                    mandatory=True,
                    timeout=self._connection.settings.confirm_timeout_s,
                    wait=False,
                )
            except PublishError as error:
                raise UnroutableError(message.queue) from error
            except DeliveryError as error:
                raise BrokerUnavailableError(f"the broker refused a message for {message.queue!r}") from error
            except TimeoutError as error:
                await self._give_up(channel)
                limit = self._connection.settings.confirm_timeout_s
                raise BrokerUnavailableError(f"no confirm for {message.queue!r} within {limit:g} s") from error

    async def _give_up(self, channel: AbstractChannel) -> None:
        """Leave a channel on which the broker does not answer; all that waits on it fails."""
        if channel is self._channel:
            self._channel = None
            await self._connection.close_channel(channel)
