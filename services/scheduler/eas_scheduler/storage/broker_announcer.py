"""The product store as the scheduler speaks to it through a broker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from eas.amqp.errors import BrokerUnavailableError
from eas.amqp.fallback_publisher import FallbackPublisher
from eas.contracts.products import ProductMessage
from eas_scheduler.domain.changes import OutboxMessage

#: The longest message; what is longer goes the other way [bytes].
MAX_MESSAGE_BYTES = 8_000_000


class BrokerAnnouncer:
    """Publishes outbox messages, and has another way for what cannot be published.

    Parameters
    ----------
    publisher
        The queue of the product store.
    announce_otherwise
        Delivers a message while the broker cannot be reached.
    """

    def __init__(
        self, publisher: FallbackPublisher, announce_otherwise: Callable[[OutboxMessage], Awaitable[None]]
    ) -> None:
        self._publisher = publisher
        self._announce_otherwise = announce_otherwise

    async def announce(self, message: OutboxMessage) -> None:
        """Deliver one message: when this returns, broker or store keep it. Raises the store's errors."""
        told = ProductMessage.model_validate({"kind": message.kind, "payload": message.payload})
        body = told.model_dump_json().encode()
        try:
            if len(body) > MAX_MESSAGE_BYTES:
                raise BrokerUnavailableError(f"{len(body)} bytes are too long a message")
            await self._publisher.put(body, partial(self._announce_otherwise, message))
        except BrokerUnavailableError:
            await self._announce_otherwise(message)
