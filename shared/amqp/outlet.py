"""One queue to publish to, for those who have another way while the broker is away."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from shared.amqp.errors import BrokerUnavailableError
from shared.amqp.ports import Message, Publisher
from shared.contracts.errors import EasError

logger = logging.getLogger(__name__)

FIRST_REST_S = 1.0
LONGEST_REST_S = 30.0


class Link(Protocol):
    """A connection to a broker: `shared.amqp.connection.BrokerConnection`."""

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


class Outlet:
    """Publishes to one queue, and says at once where that is not to be had.

    After a failure it rests, longer and longer, so that whoever waits for confirms that do not come waits only now and
    then. An absence is said once.

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
        self._away = False

    async def start(self) -> None:
        """Begin to connect, in the background."""
        await self._link.start()

    async def close(self) -> None:
        """Let go of the broker."""
        await self._publisher.close()
        await self._link.close()

    async def put(self, body: bytes) -> None:
        """Publish, and wait until the broker has confirmed that it keeps the message.

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

    def _say_away(self, error: EasError) -> None:
        if not self._away:
            logger.warning("messages for the queue %r go another way: %s", self._queue, error.message)
        self._away = True
