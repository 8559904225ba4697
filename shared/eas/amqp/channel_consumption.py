"""Consuming on one channel, for as long as that lives."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial

from aiormq import Channel
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from eas.amqp.connection import BrokerConnection, unavailable
from eas.amqp.declaration import declare
from eas.amqp.errors import BrokerUnavailableError, QueueRefusedError
from eas.amqp.topology import QueueType, Topology


@dataclass(eq=False)
class QueueDelivery:
    """A message that came on a channel; see `eas.amqp.ports.Delivery`."""

    queue: str
    body: bytes
    is_redelivered: bool
    _tag: int
    _channel: ChannelConsumption = field(repr=False)
    _is_settled: bool = False

    async def ack(self) -> bool:
        """Take the message out of its queue. False if that is not possible any more."""
        return await self._settle(Basic.Ack(delivery_tag=self._tag))

    async def nack(self, *, requeue: bool) -> bool:
        """Give the message back, or to the dead letters. False if that is not possible any more."""
        return await self._settle(Basic.Nack(delivery_tag=self._tag, requeue=requeue))

    async def _settle(self, word: Basic.Ack | Basic.Nack) -> bool:
        if self._is_settled:  # a second word for one message would make the broker close the channel
            return False
        self._is_settled = True
        return await self._channel.settle(word)


class ChannelConsumption:
    """The consumers on one channel, what they got, and whether they still get anything.

    Parameters
    ----------
    begin_handling
        Gets each message, and must not wait.
    """

    def __init__(
        self,
        connection: BrokerConnection,
        topology: Topology,
        channel: Channel,
        begin_handling: Callable[[QueueDelivery], None],
    ) -> None:
        self._connection = connection
        self._topology = topology
        self._channel = channel
        self._begin_handling = begin_handling
        self._closing = channel.closing
        self._turn = asyncio.Lock()
        self._tags: dict[str, str] = {}
        self._wanted: frozenset[str] = frozenset()
        self._prefetch = 0
        self._waiting: deque[QueueDelivery] = deque()
        self._handled = 0

    async def apply(self, queues: Collection[str], prefetch: int) -> dict[str, QueueRefusedError]:
        """Consume from these queues, with this prefetch, and from no others.

        Returns
        -------
        dict
            The queues that cannot be had, and why. The others are consumed from all the same.

        Raises
        ------
        BrokerUnavailableError
            The channel has come to its end, or the broker has cancelled a consumer on it.
        """
        async with self._turn:
            self._wanted = frozenset(queues) if prefetch else frozenset()
            self._check_consumers()
            if prefetch != self._prefetch:
                await self._change_prefetch(prefetch)
            for queue in self._tags.keys() - self._wanted:
                await self._cancel(queue)
            await self._give_back()
            refused = {}
            for queue in [queue for queue in queues if queue in self._wanted and queue not in self._tags]:
                try:
                    await self._consume(queue)
                except QueueRefusedError as error:
                    refused[queue] = error
            return refused

    async def wait_for_end(self, seconds: float) -> None:
        """Wait a while for the end of the channel. Raises BrokerUnavailableError if it has come."""
        await asyncio.wait([self._closing], timeout=seconds)
        self._check_open()

    async def ask_broker(self) -> None:
        """Ask on this channel whether the broker has a consumer for each queue.

        Raises
        ------
        BrokerUnavailableError
            It does not, or does not answer; the channel is of no use.
        """
        async with self._turn:
            for queue in list(self._tags):
                with unavailable(f"asking about the queue {queue!r}"):
                    answer = await self._channel.queue_declare(
                        queue, passive=True, timeout=self._connection.settings.timeout_s
                    )
                if not answer.consumer_count:
                    raise BrokerUnavailableError(f"the broker no longer delivers from {queue!r}")

    async def settle(self, word: Basic.Ack | Basic.Nack) -> bool:
        """Send an acknowledgement; False if the channel is gone, so that the broker delivers the message again."""
        self._handled -= 1
        sent = await self._send(word)
        self._hand_over()
        return sent

    async def _send(self, word: Basic.Ack | Basic.Nack) -> bool:
        tag = word.delivery_tag or 0
        try:
            self._check_open()
            with unavailable("settling a message"):
                if isinstance(word, Basic.Ack):
                    await self._channel.basic_ack(tag, wait=False)
                else:
                    await self._channel.basic_nack(tag, requeue=word.requeue, wait=False)
        except BrokerUnavailableError:
            return False
        return True

    async def _change_prefetch(self, prefetch: int) -> None:
        # Classic queues share a bound among the consumers of a channel, which can be changed at any time. Quorum queues
        # have one for each consumer, fixed when it begins.
        is_common = self._topology.queue_type is QueueType.CLASSIC
        if not is_common:
            for queue in list(self._tags):
                await self._cancel(queue)
        if prefetch:
            with unavailable("changing the prefetch"):
                await self._channel.basic_qos(
                    prefetch_count=prefetch, global_=is_common, timeout=self._connection.settings.timeout_s
                )
        self._prefetch = prefetch
        self._hand_over()

    async def _consume(self, queue: str) -> None:
        await declare(self._connection, self._topology, queue)
        self._check_open()
        with unavailable(f"consuming from {queue!r}"):
            answer = await self._channel.basic_consume(
                queue, partial(self._arrive, queue), timeout=self._connection.settings.timeout_s
            )
        self._tags[queue] = str(answer.consumer_tag)

    async def _cancel(self, queue: str) -> None:
        with unavailable(f"no longer consuming from {queue!r}"):
            await self._channel.basic_cancel(self._tags.pop(queue), timeout=self._connection.settings.timeout_s)

    async def _arrive(self, queue: str, message: DeliveredMessage) -> None:
        is_redelivered = bool(getattr(message.delivery, "redelivered", False))
        delivery = QueueDelivery(queue, message.body, is_redelivered, message.delivery_tag or 0, self)
        self._waiting.append(delivery)
        if queue in self._wanted:
            self._hand_over()
        else:  # it was under way when its consumer was cancelled
            await self._give_back()

    def _hand_over(self) -> None:
        while self._waiting and self._handled < self._prefetch:
            self._handled += 1
            self._begin_handling(self._waiting.popleft())

    async def _give_back(self) -> None:
        """Return messages that nobody has begun to handle, of queues that are not wanted any more."""
        unwanted = [delivery for delivery in self._waiting if delivery.queue not in self._wanted]
        self._waiting = deque(delivery for delivery in self._waiting if delivery.queue in self._wanted)
        for delivery in unwanted:
            self._handled += 1
            await delivery.nack(requeue=True)

    def _check_consumers(self) -> None:
        """Raise BrokerUnavailableError if the broker has cancelled a consumer.

        It cannot be made again on this channel: there RabbitMQ delivers nothing from a quorum queue that was deleted
        and declared anew.
        """
        for queue, tag in self._tags.items():
            if tag not in self._channel.consumers:
                raise BrokerUnavailableError(f"the broker has cancelled the consumer of {queue!r}")

    def _check_open(self) -> None:
        if self._closing.done():
            reason = None if self._closing.cancelled() else self._closing.exception()
            raise BrokerUnavailableError(f"the channel was closed: {reason or 'nobody said why'}")
        if self._channel.is_closed:
            raise BrokerUnavailableError("the channel was closed")
