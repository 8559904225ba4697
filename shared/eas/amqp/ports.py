"""What publishers, consumers and the inspection of queues promise, whatever is behind them.

`eas.amqp` keeps these promises with a real broker, `eas.testing.broker` in memory; the same tests hold for both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from eas.contracts.errors import EasError


@dataclass(frozen=True)
class Message:
    """Bytes for a queue. They carry ids, never arrays."""

    queue: str
    body: bytes


@dataclass(frozen=True)
class DeadMessage:
    """A message among the dead letters.

    Parameters
    ----------
    queue
        Where it was; None where the broker does not say.
    reason
        The broker's word for why it is there, such as ``rejected``.
    died_at
        Since when.
    """

    body: bytes
    queue: str | None
    reason: str | None = None
    died_at: datetime | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a published message. Without an error the broker has confirmed that it keeps the message."""

    error: EasError | None = None

    @property
    def is_confirmed(self) -> bool:
        """Whether the broker has the message, on disk. If not, it may have it all the same: publish it again."""
        return self.error is None

    @property
    def reason(self) -> str:
        """Why the message counts as not published; empty if it was confirmed."""
        return "" if self.error is None else self.error.message


class Delivery(Protocol):
    """A message that a consumer got. Until it is settled it counts against the prefetch."""

    @property
    def queue(self) -> str:
        """Where it came from."""
        ...

    @property
    def body(self) -> bytes:
        """What was published."""
        ...

    @property
    def is_redelivered(self) -> bool:
        """Whether the broker has delivered it before, to whomever."""
        ...

    async def ack(self) -> bool:
        """Take the message out of its queue.

        Returns
        -------
        bool
            False if that is not possible any more: the message was settled before, or the channel on which it came is
            gone, and the broker will deliver it again.
        """
        ...

    async def nack(self, *, requeue: bool) -> bool:
        """Give the message back to its queue, or (`requeue` False) to the dead-letter queue. Returns like `ack`."""
        ...


#: Gets each message. What it raises is logged; the message goes back to its queue, the second time to the dead letters.
Handler = Callable[[Delivery], Awaitable[None]]


class Publisher(Protocol):
    """Publishes to durable queues, and knows what the broker has confirmed."""

    async def publish(self, message: Message) -> None:
        """Publish one message and wait for its confirm.

        Raises
        ------
        BrokerUnavailableError
            It was not confirmed. The broker may have it all the same.
        QueueRefusedError, UnroutableError
            There is no such queue, and it cannot be declared.
        """
        ...

    async def publish_many(self, messages: Sequence[Message]) -> list[Outcome]:
        """Publish messages, many at a time, and tell for each, in their order, what became of it.

        They arrive in this order, except where a queue had to be declared first.
        """
        ...

    async def close(self) -> None:
        """Let go of the broker."""
        ...


class Consumer(Protocol):
    """Hands messages of some queues to a handler, and goes on by itself after whatever happens to the broker.

    A message is delivered at least once. Each is handled in a task of its own, at most `prefetch` at the same time.
    """

    async def start(self) -> None:
        """Begin to consume, in the background; with the broker away, as soon as it is there."""
        ...

    async def add(self, queue: str) -> None:
        """Consume from one more queue, which is declared if need be.

        Raises
        ------
        QueueRefusedError
            The queue exists with other arguments. It is not consumed from.
        """
        ...

    async def remove(self, queue: str) -> None:
        """Consume from a queue no longer. What was delivered from it can still be settled."""
        ...

    async def set_prefetch(self, prefetch: int) -> None:
        """Have at most so many unsettled messages from now on; with 0 nothing is delivered."""
        ...

    async def close(self) -> None:
        """Stop consuming, wait a while for handlers, and give back what is not settled."""
        ...


class Queues(Protocol):
    """Looks at queues without disturbing them, and does what an operator does by hand.

    Every call raises `BrokerUnavailableError`; those that need a queue to be there raise `NotFoundError`.
    """

    async def declare(self, name: str) -> None:
        """Make a durable queue unless it exists. Raises QueueRefusedError where it exists with other arguments."""
        ...

    async def length(self, name: str) -> int:
        """How many messages wait, without those that were delivered and not settled."""
        ...

    async def fetch_and_acknowledge(self, name: str) -> bytes | None:
        """Take the first message out of a queue; None if none waits."""
        ...

    async def list_messages(self, name: str, limit: int) -> list[bytes]:
        """Read up to `limit` messages from the front and leave them where they are.

        Consumers get nothing of them for that moment; afterwards they count as delivered before.
        """
        ...

    async def list_dead(self, name: str, limit: int) -> list[DeadMessage]:
        """Read up to `limit` messages of a dead-letter queue and leave them there, though perhaps in another order."""
        ...

    async def take_dead(self, name: str, wanted: Callable[[DeadMessage], bool], *, again: bool) -> int:
        """Take some messages out of a dead-letter queue, and tell how many.

        Parameters
        ----------
        wanted
            Tells of each message whether it is to be taken out.
        again
            Whether they go back to the queues where they were, each before it is taken out. One of which nobody knows
            where it was stays.
        """
        ...

    async def purge(self, name: str) -> int:
        """Remove the messages that wait, and tell how many those were."""
        ...

    async def publish(self, name: str, body: bytes) -> None:
        """Publish one message; see `Publisher.publish`."""
        ...

    async def close(self) -> None:
        """Let go of the broker."""
        ...
