"""Consumes from queues, and notices when the broker has stopped delivering.

RabbitMQ ends a consumer in several ways: it closes the channel when an acknowledgement takes longer than its
`consumer_timeout`, it cancels the consumer when its queue is deleted or its node goes down, it closes the connection,
or it vanishes. The library survives all of these in silence, and nothing is delivered again. So a consumer here lives
on a channel of its own, which is looked at: whether it is open and the library still knows the consumers, which costs
nothing, every second; whether the broker still knows them, which costs a question for each queue, every half minute.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from eas.amqp.channel_consumption import ChannelConsumption, QueueDelivery
from eas.amqp.connection import BrokerConnection, grow, spread, unavailable, wire_of
from eas.amqp.declaration import declare
from eas.amqp.errors import BrokerUnavailableError, QueueRefusedError
from eas.amqp.ports import Handler
from eas.amqp.topology import Topology
from eas.background import cancel_and_wait, keep_running

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
ASK_EVERY_S = 30.0


class QueueConsumer:
    """A `eas.amqp.ports.Consumer` at a real broker.

    Parameters
    ----------
    connection
        The connection. The caller starts and closes it.
    topology
        How queues are declared.
    handler
        Gets each message, in a task of its own.
    prefetch
        How many messages may be unsettled at the same time. With quorum queues, which know no common bound, the broker
        delivers as many from each queue; the handler gets no more than that from all together.
    look_every_s, ask_every_s
        How often to look at the channel, and to ask the broker whether it still has the consumers [s].
    """

    def __init__(
        self,
        connection: BrokerConnection,
        topology: Topology,
        handler: Handler,
        *,
        prefetch: int,
        look_every_s: float = LOOK_EVERY_S,
        ask_every_s: float = ASK_EVERY_S,
    ) -> None:
        self._connection = connection
        self._topology = topology
        self._handler = handler
        self._prefetch = prefetch
        self._look_every_s = look_every_s
        self._ask_every_s = ask_every_s
        self._queues: dict[str, None] = {}
        self._refused: dict[str, str] = {}
        self._consumption: ChannelConsumption | None = None
        self._handling: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to consume, in the background."""
        if self._task is None:
            self._task = asyncio.create_task(keep_running("consumer", self._run), name="queue-consumer")

    async def add(self, queue: str) -> None:
        """Consume from one more queue; at once if the broker is there. Raises QueueRefusedError."""
        if self._consumption is None and self._connection.is_up:
            with suppress(BrokerUnavailableError):
                await declare(self._connection, self._topology, queue)
        self._queues[queue] = None
        refusal = (await self._apply()).get(queue)
        if refusal is not None:
            self._queues.pop(queue, None)
            raise refusal

    async def remove(self, queue: str) -> None:
        """Consume from a queue no longer."""
        self._queues.pop(queue, None)
        await self._apply()

    async def set_prefetch(self, prefetch: int) -> None:
        """Have at most so many unsettled messages from now on; with 0 nothing is delivered."""
        self._prefetch = prefetch
        await self._apply()

    async def close(self) -> None:
        """Stop consuming, wait a while for handlers, and give back what is not settled."""
        self._queues.clear()
        await self._apply()
        if self._handling:
            await asyncio.wait(set(self._handling), timeout=self._connection.settings.timeout_s)
        await cancel_and_wait(self._handling)
        if self._task is not None:
            await cancel_and_wait([self._task])
            self._task = None

    async def _run(self) -> None:
        """Consume on one channel, and when that has ended, on another."""
        settings, clock = self._connection.settings, asyncio.get_running_loop().time
        pause = settings.first_pause_s
        while True:
            began = clock()
            try:
                await self._consume_on_one_channel()
            except BrokerUnavailableError as error:
                logger.info("consuming anew: %s", error.message)
            if clock() - began > settings.longest_pause_s:
                pause = settings.first_pause_s
            await asyncio.sleep(spread(pause))
            pause = grow(pause, settings.longest_pause_s)

    async def _consume_on_one_channel(self) -> None:
        """Consume until the channel has ended. Raises BrokerUnavailableError, saying why."""
        channel = await self._connection.open_channel()
        try:
            with unavailable("the channel"):
                wire = await wire_of(channel)
            consumption = ChannelConsumption(self._connection, self._topology, wire, self._begin_handling)
            self._consumption = consumption
            await self._watch(consumption)
        finally:
            self._consumption = None
            await self._connection.close_channel(channel)

    async def _watch(self, consumption: ChannelConsumption) -> None:
        clock = asyncio.get_running_loop().time
        ask_at = clock() + self._ask_every_s
        while True:
            self._say_refused(await consumption.apply(self._queues, self._prefetch))
            await consumption.wait_for_end(self._look_every_s)
            if clock() >= ask_at:
                await consumption.ask_broker()
                ask_at = clock() + self._ask_every_s

    async def _apply(self) -> dict[str, QueueRefusedError]:
        """Bring the present channel to what is wanted now; without one, the next begins with it."""
        consumption = self._consumption
        if consumption is None:
            return {}
        try:
            return await consumption.apply(self._queues, self._prefetch)
        except BrokerUnavailableError:
            return {}

    def _say_refused(self, refused: dict[str, QueueRefusedError]) -> None:
        """Say each refusal once, not every second."""
        for queue, error in refused.items():
            if self._refused.get(queue) != error.message:
                logger.error("not consuming: %s", error.message)
        self._refused = {queue: error.message for queue, error in refused.items()}

    def _begin_handling(self, delivery: QueueDelivery) -> None:
        # Not in the library's task for this message, which ends with the channel.
        task = asyncio.create_task(self._handle(delivery), name=f"message of {delivery.queue}")
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)

    async def _handle(self, delivery: QueueDelivery) -> None:
        try:
            await self._handler(delivery)
        except Exception:
            logger.exception("a message of %s could not be handled", delivery.queue)
            await delivery.nack(requeue=not delivery.is_redelivered)
