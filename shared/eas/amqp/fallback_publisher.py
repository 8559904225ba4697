"""One queue to publish to, for those who have another way while the broker is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from eas.amqp.errors import BrokerUnavailableError
from eas.amqp.ports import Message, Publisher
from eas.amqp.replay_buffer import ReplayBuffer
from eas.background import cancel_and_wait, keep_running
from eas.contracts.errors import EasError, UnavailableError

logger = logging.getLogger(__name__)

FIRST_REST_S = 1.0
LONGEST_REST_S = 30.0

#: What is kept of what was published.
REPLAY_BYTES = 16_000_000


class Link(Protocol):
    """A connection to a broker: `eas.amqp.connection.BrokerConnection`."""

    @property
    def is_up(self) -> bool:
        """Whether there is one now, as far as is known."""
        ...

    async def start(self) -> None:
        """Begin to connect, in the background."""
        ...

    async def close(self) -> None:
        """Close it for good."""
        ...

    async def wait_until_lost(self, known: int) -> int:
        """Wait until it has been lost more often than `known` times, and tell how often that is."""
        ...


class FallbackPublisher:
    """Publishes to one queue, and says at once where that is not to be had.

    A broker that comes back may have lost its disk, or its queues. So what was published last is kept here, and when
    the connection was lost it is brought once more, the other way; receivers do not mind what comes twice.

    After a failure it does not try the broker for a while, with exponential back-off, so that few callers wait for
    confirms that do not come. Each outage is logged once.

    Parameters
    ----------
    link
        The connection, which starts and ends with this.
    publisher
        Publishes on it.
    queue
        Where to.
    first_rest_s
        How long to rest after the first failure; after each further one twice as long, up to `LONGEST_REST_S` [s].
    """

    def __init__(self, link: Link, publisher: Publisher, queue: str, *, first_rest_s: float = FIRST_REST_S) -> None:
        self._link = link
        self._publisher = publisher
        self._queue = queue
        self._first_rest = self._rest = first_rest_s
        self._rests_until = 0.0
        self._replay_buffer = ReplayBuffer(REPLAY_BYTES)
        self._losses = 0
        self._is_owing = False
        self._watching: asyncio.Task[None] | None = None
        self._away = False

    async def start(self) -> None:
        """Begin to connect, in the background."""
        await self._link.start()
        self._watching = asyncio.create_task(keep_running(f"outlet {self._queue}", self._watch), name="outlet")

    async def close(self) -> None:
        """Let go of the broker."""
        if self._watching is not None:
            await cancel_and_wait([self._watching])
        if self._is_owing:
            await self._bring_again()
        await self._publisher.close()
        await self._link.close()

    async def put(self, body: bytes, bring: Callable[[], Awaitable[object]]) -> None:
        """Publish, and wait until the broker has confirmed that it keeps the message.

        Parameters
        ----------
        body
            What to publish.
        bring
            Brings the same the other way.

        Raises
        ------
        BrokerUnavailableError
            It did not, or is not there, or there is no such queue. It may have the message all the same.
        """
        clock = asyncio.get_running_loop().time
        if not self._link.is_up or clock() < self._rests_until:
            raise BrokerUnavailableError(f"the queue {self._queue!r} cannot be reached")
        try:
            await self._publisher.publish(Message(self._queue, body))
        except EasError as error:
            self._say_away(error)
            self._rests_until = clock() + self._rest
            self._rest = min(2 * self._rest, LONGEST_REST_S)
            raise BrokerUnavailableError(error.message) from error
        if self._away:
            logger.info("messages for the queue %r go through the broker again", self._queue)
        self._away, self._rest = False, self._first_rest
        self._replay_buffer.add(len(body), bring)

    async def _watch(self) -> None:
        """Bring again what was published last, whenever the connection was lost."""
        while True:
            if not self._is_owing:
                self._losses = await self._link.wait_until_lost(self._losses)
                self._is_owing = True
            pause = self._first_rest
            while not await self._bring_again():
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_REST_S)

    async def _bring_again(self) -> bool:
        try:
            await self._replay_buffer.bring()
        except UnavailableError as error:
            logger.warning("what was published last to the queue %r cannot be brought again: %s", self._queue, error)
            return False
        self._is_owing = False
        return True

    def _say_away(self, error: EasError) -> None:
        if not self._away:
            logger.warning("messages for the queue %r go another way: %s", self._queue, error.message)
        self._away = True
