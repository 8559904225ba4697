"""Takes each message in for good, leaves it in its queue, or gives it to the dead letters."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from eas.amqp.ports import Delivery
from eas.contracts.errors import EasError, UnavailableError

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0

#: How long a message is tried without giving it back: not as long as RabbitMQ's `consumer_timeout` of half an hour, and
#: not less, for newer versions give messages of quorum queues that came back too often to the dead letters [s].
PATIENCE_S = 600.0


class DurableHandler:
    """A `eas.amqp.ports.Handler` that knows what becomes of a message by what taking it in raises.

    Nothing: it is acknowledged. `UnavailableError`: it is tried again, with longer and longer pauses, then goes back to
    its queue. Another `EasError`: it can never be taken, and goes to the dead letters.

    Parameters
    ----------
    take
        Takes a body in; when it returns, what was in it is durable. Bodies can come again.
    """

    def __init__(self, take: Callable[[bytes], Awaitable[object]], *, patience_s: float = PATIENCE_S) -> None:
        self._take = take
        self._patience_s = patience_s
        self._stopping = asyncio.Event()
        self._away = False

    def stop(self) -> None:
        """Wait for nothing any more: what cannot be taken now goes back to its queue."""
        self._stopping.set()

    async def handle(self, delivery: Delivery) -> None:
        """Take one message, and settle it."""
        try:
            taken = await self._persist(delivery.body)
        except EasError as error:
            logger.error("a message of %s goes to the dead letters: %s: %.200r", delivery.queue, error, delivery.body)
            await delivery.nack(requeue=False)
        else:
            await (delivery.ack() if taken else delivery.nack(requeue=True))

    async def _persist(self, body: bytes) -> bool:
        """Take a body in, as often as it takes; False if it is to be left. Raises EasError for what is wrong."""
        pause, waited = FIRST_PAUSE_S, 0.0
        while True:
            try:
                await self._take(body)
            except UnavailableError as error:
                self._say_away(error)
            else:
                self._away = False
                return True
            if waited >= self._patience_s or await self._is_stopped_within(pause):
                return False
            waited += pause
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _is_stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    def _say_away(self, error: UnavailableError) -> None:
        if not self._away:
            logger.warning("messages wait in their queue: %s", error)
        self._away = True
