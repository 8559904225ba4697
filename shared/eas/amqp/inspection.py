"""Looking at queues without disturbing them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import aiormq
from aiormq import Channel
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelNotFoundEntity

from eas.amqp.connection import BrokerConnection, unavailable, wire_of
from eas.amqp.declaration import declare
from eas.amqp.ports import DeadMessage, Message
from eas.amqp.publisher import QueuePublisher
from eas.amqp.topology import QueueType, Topology
from eas.contracts.errors import NotFoundError

#: The broker counts no further in a prefetch.
_MOST_LISTED = 65535

#: After how much silence no more messages are expected, and not even a first one: a broker with other work takes its
#: time to begin, with quorum queues above all [s].
_QUIET_S = 0.5
_FIRST_S = 3.0

#: How long a quorum queue may take to take messages back, and how often to look [s].
_RETURN_S = 2.0
_LOOK_AGAIN_S = 0.02


class QueueInspector:
    """`eas.amqp.ports.Queues` at a real broker, each call on a channel of its own.

    Parameters
    ----------
    connection
        The connection. The caller starts and closes it.
    topology
        How queues are declared.
    """

    def __init__(self, connection: BrokerConnection, topology: Topology) -> None:
        self._connection = connection
        self._topology = topology
        self._publisher = QueuePublisher(connection, topology)

    async def declare(self, name: str) -> None:
        """Make a durable queue unless it exists. Raises QueueRefusedError."""
        await declare(self._connection, self._topology, name)

    async def length(self, name: str) -> int:
        """How many messages wait."""
        async with self._look_at(name) as channel:
            answer = await channel.queue_declare(name, passive=True)
            return answer.message_count or 0

    async def fetch_and_acknowledge(self, name: str) -> bytes | None:
        """Take the first message out of a queue; None if none waits."""
        async with self._look_at(name) as channel:
            found = await channel.basic_get(name)
            if isinstance(found.delivery, aiormq.spec.Basic.GetEmpty):
                return None
            await channel.basic_ack(found.delivery_tag or 0)
            # The acknowledgement has no answer. This has, and comes after it.
            await channel.basic_qos(prefetch_count=1)
            return found.body

    async def list_messages(self, name: str, limit: int) -> list[bytes]:
        """Read up to `limit` messages from the front and leave them where they are."""
        is_quorum = self._topology.queue_type is QueueType.QUORUM
        async with self._look_at(name) as channel:
            waiting = (await channel.queue_declare(name, passive=True)).message_count or 0
            if limit <= 0 or not waiting:
                return []
            # A quorum queue puts what comes back behind what came back earlier. All together keep their order.
            wanted = min(waiting, _MOST_LISTED, *([] if is_quorum else [limit]))
            arrived: asyncio.Queue[bytes] = asyncio.Queue()
            await channel.basic_qos(prefetch_count=wanted)

            async def keep(message: DeliveredMessage) -> None:
                arrived.put_nowait(message.body)

            await channel.basic_consume(name, keep)
            # They go back to their places when the channel closes. Had we given them back ourselves, a quorum queue
            # would put them at its end; had we fetched them one by one, it would mix them up.
            found = await _collect(arrived, wanted)
        if is_quorum:
            await self._wait_for_return(name, len(found))
        return found[:limit]

    async def list_dead(self, name: str, limit: int) -> list[DeadMessage]:
        """Read messages of a dead-letter queue and leave them there, though perhaps in another order."""
        found: list[DeadMessage] = []
        async with self._look_at(name) as channel:
            while len(found) < limit and (message := await _get(channel, name)) is not None:
                found.append(_read_dead(message))
        return found  # what was fetched is back in its queue by now

    async def take_dead(self, name: str, wanted: Callable[[DeadMessage], bool], *, again: bool) -> int:
        """Take some messages out of a dead-letter queue, and tell how many; see the port."""
        taken = 0
        async with self._look_at(name) as channel:
            left = (await channel.queue_declare(name, passive=True)).message_count or 0
            while left > 0 and (message := await _get(channel, name)) is not None:
                left -= 1
                dead = _read_dead(message)
                if not wanted(dead) or (again and dead.queue is None):
                    continue
                if again and dead.queue is not None:
                    await self._publisher.publish(Message(dead.queue, dead.body))
                await channel.basic_ack(message.delivery_tag or 0)
                taken += 1
            # Acknowledgements have no answer. This has, and comes after them.
            await channel.basic_qos(prefetch_count=1)
        return taken

    async def purge(self, name: str) -> int:
        """Remove the messages that wait, and tell how many those were."""
        async with self._look_at(name) as channel:
            return (await channel.queue_purge(name)).message_count or 0

    async def _wait_for_return(self, name: str, number: int) -> None:
        """Wait until messages that were read can be fetched again: a quorum queue takes them back after the close."""
        with suppress(TimeoutError):  # other consumers may have taken some of them
            async with asyncio.timeout(_RETURN_S):
                while await self.length(name) < number:  # noqa: ASYNC110 - the broker does not tell when
                    await asyncio.sleep(_LOOK_AGAIN_S)

    async def publish(self, name: str, body: bytes) -> None:
        """Publish one message; see `eas.amqp.ports.Publisher.publish`."""
        await self._publisher.publish(Message(name, body))

    async def close(self) -> None:
        """Let go of the broker."""
        await self._publisher.close()

    @asynccontextmanager
    async def _look_at(self, name: str) -> AsyncIterator[Channel]:
        """Have a channel; when it closes, what was fetched and not settled is back in its place."""
        async with self._connection.channel() as channel:
            with unavailable(f"looking at the queue {name!r}"):
                try:
                    async with asyncio.timeout(self._connection.settings.timeout_s):
                        yield await wire_of(channel)
                except ChannelNotFoundEntity as error:
                    raise NotFoundError(f"there is no queue {name!r}", where=name) from error


async def _get(channel: Channel, name: str) -> DeliveredMessage | None:
    found = await channel.basic_get(name)
    return None if isinstance(found.delivery, aiormq.spec.Basic.GetEmpty) else found


def _read_dead(message: DeliveredMessage) -> DeadMessage:
    """Read what the broker says of a dead letter's last death."""
    headers: Any = message.header.properties.headers or {}
    deaths = headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
    died_at = last.get("time")
    return DeadMessage(
        message.body,
        _as_text(last.get("queue")),
        _as_text(last.get("reason")),
        died_at.replace(tzinfo=died_at.tzinfo or UTC) if isinstance(died_at, datetime) else None,
    )


def _as_text(value: object) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else None


async def _collect(arrived: asyncio.Queue[bytes], wanted: int) -> list[bytes]:
    """Gather what arrives: as many as wanted, or fewer where other consumers have taken the rest."""
    found: list[bytes] = []
    with suppress(TimeoutError):
        while len(found) < wanted:
            found.append(await asyncio.wait_for(arrived.get(), _QUIET_S if found else _FIRST_S))
    return found
