"""A broker in memory, for tests of those who publish and consume. It passes the tests that the real one passes."""

from __future__ import annotations

import asyncio
import logging
from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from eas.amqp.errors import BrokerUnavailableError, QueueRefusedError
from eas.amqp.ports import DeadMessage, Handler, Message, Outcome
from eas.amqp.topology import QueueType, Topology
from eas.background import cancel_and_wait
from eas.contracts.errors import EasError, NotFoundError

logger = logging.getLogger(__name__)


@dataclass
class _Stored:
    number: int
    body: bytes
    is_redelivered: bool = False
    was_in: str | None = None


@dataclass
class _Queue:
    kind: QueueType
    waiting: list[_Stored] = field(default_factory=list)

    def put_back(self, message: _Stored) -> None:
        """Return a message to its place."""
        message.is_redelivered = True
        insort(self.waiting, message, key=lambda found: found.number)


class FakeBroker:
    """Keeps queues in memory. Nothing is delivered twice, except after `stop`, `lose_queues` and `nack`."""

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}
        self._consumers: list[FakeConsumer] = []
        self._numbers = count(1)
        self._is_up = True

    def publisher(self, topology: Topology) -> FakePublisher:
        """Make a `eas.amqp.ports.Publisher`."""
        return FakePublisher(self, topology)

    def consumer(self, topology: Topology, handler: Handler, *, prefetch: int) -> FakeConsumer:
        """Make a `eas.amqp.ports.Consumer`."""
        return FakeConsumer(self, topology, handler, prefetch)

    def queues(self, topology: Topology) -> FakeQueues:
        """Make a `eas.amqp.ports.Queues`."""
        return FakeQueues(self, topology)

    def stop(self) -> None:
        """Be away: every call fails as if the broker could not be reached, and what was unsettled is so no more."""
        self._is_up = False
        for consumer in self._consumers:
            consumer.lose_channel()

    def start(self) -> None:
        """Be there again, with all that was confirmed."""
        self._is_up = True
        self.deliver()

    def lose_queues(self) -> None:
        """Lose all queues and messages, as a broker whose disk was lost. Consumers declare theirs anew."""
        self._queues.clear()
        for consumer in self._consumers:
            consumer.lose_channel()
        self.deliver()

    def check_up(self) -> None:
        """Raise BrokerUnavailableError if the broker is away."""
        if not self._is_up:
            raise BrokerUnavailableError("the broker is away")

    def declare(self, topology: Topology, name: str) -> None:
        """Make a queue, and the dead-letter queue, unless they exist. Raises QueueRefusedError."""
        self.check_up()
        for wanted in (topology.dead_letter_queue, name):
            found = self._queues.setdefault(wanted, _Queue(topology.queue_type))
            if found.kind is not topology.queue_type:
                raise QueueRefusedError(wanted, f"it is a {found.kind} queue, not a {topology.queue_type} one")

    def queue(self, name: str) -> _Queue:
        """Look up a queue. Raises NotFoundError."""
        self.check_up()
        if name not in self._queues:
            raise NotFoundError(f"there is no queue {name!r}", where=name)
        return self._queues[name]

    def put(self, topology: Topology, message: Message, *, was_in: str | None = None) -> None:
        """Keep a message, declaring its queue if need be. A dead letter was in another queue before."""
        self.declare(topology, message.queue)
        self._queues[message.queue].waiting.append(_Stored(next(self._numbers), message.body, was_in=was_in))
        self.deliver()

    def give_back(self, name: str, message: _Stored) -> None:
        """Return a message to its queue, if that still exists."""
        if name in self._queues:
            self._queues[name].put_back(message)

    def attach(self, consumer: FakeConsumer) -> None:
        """Deliver to a consumer from now on."""
        self._consumers.append(consumer)
        self.deliver()

    def detach(self, consumer: FakeConsumer) -> None:
        """Deliver to a consumer no longer."""
        if consumer in self._consumers:
            self._consumers.remove(consumer)
        consumer.lose_channel()
        self.deliver()

    def deliver(self) -> None:
        """Hand waiting messages to consumers that have room, to one after another."""
        if not self._is_up:
            return
        for consumer in self._consumers:
            consumer.declare_queues()
        while [consumer for consumer in self._consumers if self._deliver_to(consumer)]:
            pass

    def _deliver_to(self, consumer: FakeConsumer) -> bool:
        for name in consumer.list_queues():
            waiting = self._queues[name].waiting if name in self._queues else []
            if waiting and consumer.has_room():
                consumer.take(name, waiting.pop(0))
                return True
        return False


@dataclass(eq=False)
class FakeDelivery:
    """A message that a consumer got; see `eas.amqp.ports.Delivery`."""

    queue: str
    body: bytes
    is_redelivered: bool
    _stored: _Stored
    _consumer: FakeConsumer = field(repr=False)

    async def ack(self) -> bool:
        """Take the message out of its queue."""
        return self._consumer.settle(self, self._stored, None)

    async def nack(self, *, requeue: bool) -> bool:
        """Give the message back, or to the dead letters."""
        return self._consumer.settle(self, self._stored, requeue)


class FakeConsumer:
    """See `eas.amqp.ports.Consumer`."""

    def __init__(self, broker: FakeBroker, topology: Topology, handler: Handler, prefetch: int) -> None:
        self._broker = broker
        self._topology = topology
        self._handler = handler
        self._prefetch = prefetch
        self._wanted: dict[str, None] = {}
        self._unsettled: dict[FakeDelivery, _Stored] = {}
        self._handling: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to consume."""
        self._broker.attach(self)

    async def add(self, queue: str) -> None:
        """Consume from one more queue."""
        try:
            self._broker.declare(self._topology, queue)
        except BrokerUnavailableError:
            logger.info("consuming from %s as soon as the broker is there", queue)
        self._wanted[queue] = None
        self._broker.deliver()

    async def remove(self, queue: str) -> None:
        """Consume from a queue no longer."""
        self._wanted.pop(queue, None)

    async def set_prefetch(self, prefetch: int) -> None:
        """Have at most so many unsettled messages from now on."""
        self._prefetch = prefetch
        self._broker.deliver()

    async def close(self) -> None:
        """Stop consuming, and give back what is not settled."""
        self._wanted.clear()
        await cancel_and_wait(self._handling)
        self._broker.detach(self)

    def declare_queues(self) -> None:
        """Make the queues that are missing."""
        for queue in self._wanted:
            self._broker.declare(self._topology, queue)

    def list_queues(self) -> list[str]:
        """The queues to deliver from."""
        return list(self._wanted)

    def has_room(self) -> bool:
        """Whether another message may be delivered."""
        return len(self._unsettled) < self._prefetch

    def take(self, queue: str, stored: _Stored) -> None:
        """Begin to handle a message."""
        delivery = FakeDelivery(queue, stored.body, stored.is_redelivered, stored, self)
        self._unsettled[delivery] = stored
        task = asyncio.get_running_loop().create_task(self._handle(delivery))
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)

    def settle(self, delivery: FakeDelivery, stored: _Stored, requeue: bool | None) -> bool:
        """Carry out an acknowledgement (`requeue` None) or a refusal."""
        if self._unsettled.pop(delivery, None) is None:
            return False
        if requeue:
            self._broker.give_back(delivery.queue, stored)
        elif requeue is False:
            dead = Message(self._topology.dead_letter_queue, stored.body)
            self._broker.put(self._topology, dead, was_in=delivery.queue)
        self._broker.deliver()
        return True

    def lose_channel(self) -> None:
        """Have everything that is unsettled go back."""
        unsettled, self._unsettled = self._unsettled, {}
        for delivery, stored in unsettled.items():
            self._broker.give_back(delivery.queue, stored)

    async def _handle(self, delivery: FakeDelivery) -> None:
        try:
            await self._handler(delivery)
        except Exception:
            logger.exception("a message of %s could not be handled", delivery.queue)
            await delivery.nack(requeue=not delivery.is_redelivered)


class FakePublisher:
    """See `eas.amqp.ports.Publisher`."""

    def __init__(self, broker: FakeBroker, topology: Topology) -> None:
        self._broker = broker
        self._topology = topology

    async def publish(self, message: Message) -> None:
        """Publish one message."""
        self._broker.put(self._topology, message)

    async def publish_many(self, messages: Sequence[Message]) -> list[Outcome]:
        """Publish messages, and tell for each what became of it."""
        return [self._publish(message) for message in messages]

    async def close(self) -> None:
        """Nothing to let go of."""

    def _publish(self, message: Message) -> Outcome:
        try:
            self._broker.put(self._topology, message)
        except EasError as error:
            return Outcome(error)
        return Outcome()


class FakeLink:
    """See `eas.amqp.fallback_publisher.Link`."""

    def __init__(self, *, is_up: bool = True) -> None:
        self.is_up = is_up
        self._losses = 0
        self._lost_again = asyncio.Event()

    async def start(self) -> None:
        """It is there, or not."""

    async def close(self) -> None:
        """It is gone."""
        self.is_up = False

    def lose(self) -> None:
        """Be lost, and there again."""
        self._losses += 1
        self._lost_again.set()
        self._lost_again = asyncio.Event()

    async def wait_until_lost(self, known: int) -> int:
        """Wait until it has been lost more often than `known` times, and tell how often that is."""
        while self._losses <= known:
            await self._lost_again.wait()
        return self._losses


class FakeQueues:
    """See `eas.amqp.ports.Queues`."""

    def __init__(self, broker: FakeBroker, topology: Topology) -> None:
        self._broker = broker
        self._topology = topology

    async def declare(self, name: str) -> None:
        """Make a queue unless it exists."""
        self._broker.declare(self._topology, name)

    async def length(self, name: str) -> int:
        """How many messages wait."""
        return len(self._broker.queue(name).waiting)

    async def fetch_and_acknowledge(self, name: str) -> bytes | None:
        """Take the first message out of a queue."""
        waiting = self._broker.queue(name).waiting
        return waiting.pop(0).body if waiting else None

    async def list_messages(self, name: str, limit: int) -> list[bytes]:
        """Read messages from the front."""
        listed = self._broker.queue(name).waiting[: max(limit, 0)]
        for message in listed:
            message.is_redelivered = True
        return [message.body for message in listed]

    async def list_dead(self, name: str, limit: int) -> list[DeadMessage]:
        """Read messages of a dead-letter queue."""
        return [_as_dead(message) for message in self._broker.queue(name).waiting[: max(limit, 0)]]

    async def take_dead(self, name: str, wanted: Callable[[DeadMessage], bool], *, again: bool) -> int:
        """Take some messages out of a dead-letter queue."""
        waiting = self._broker.queue(name).waiting
        taken = 0
        for message in list(waiting):
            dead = _as_dead(message)
            if not wanted(dead) or (again and dead.queue is None):
                continue
            if again and dead.queue is not None:
                self._broker.put(self._topology, Message(dead.queue, dead.body))
            waiting.remove(message)
            taken += 1
        return taken

    async def purge(self, name: str) -> int:
        """Remove the messages that wait."""
        waiting = self._broker.queue(name).waiting
        removed = len(waiting)
        waiting.clear()
        return removed

    async def publish(self, name: str, body: bytes) -> None:
        """Publish one message."""
        self._broker.put(self._topology, Message(name, body))

    async def close(self) -> None:
        """Nothing to let go of."""


def _as_dead(message: _Stored) -> DeadMessage:
    return DeadMessage(message.body, message.was_in, None if message.was_in is None else "rejected")
