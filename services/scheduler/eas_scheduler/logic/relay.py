"""Tells the product store what it must hear, in order, as often as it takes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial

from eas.contracts.errors import ForbiddenError, UnauthenticatedError, UnavailableError
from eas.isolation import describe_error, handle_each, is_passing
from eas_scheduler.domain.changes import OutboxMessage
from eas_scheduler.domain.message_parts import describe_message, join_messages, split_message
from eas_scheduler.logic.ports import ProductAnnouncer, Transactor, UnitOfWork
from eas_scheduler.logic.wakeups import Wakeups

logger = logging.getLogger(__name__)

_AT_ONCE = 100
_LONGEST_PAUSE_S = 10.0
_LOOK_EVERY_S = 10.0


class Relay:
    """Empties the outbox."""

    def __init__(self, transactor: Transactor, wakeups: Wakeups, announcer: ProductAnnouncer) -> None:
        self._transactor = transactor
        self._wakeups = wakeups
        self._announcer = announcer

    async def run(self) -> None:
        """Deliver for ever. While the store cannot be reached, wait longer and longer, and keep everything."""
        pause = 0.1
        while True:
            self._wakeups.outbox.clear()
            try:
                while await self.deliver():
                    pause = 0.1
            except UnavailableError as error:
                logger.warning("the product store cannot be told: %s; next try in %.1f s", error, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                continue
            try:
                await asyncio.wait_for(self._wakeups.outbox.wait(), _LOOK_EVERY_S)
            except TimeoutError:
                continue

    async def deliver(self) -> int:
        """Deliver the oldest messages. Returns how many are dealt with.

        Of a message that the store refuses, or that cannot be sent, whatever is raised, those products or verdicts that
        are at fault are kept among the dead letters. The others, and the messages behind it, are delivered.

        Raises
        ------
        UnavailableError
            The store is away, or does not let the scheduler in. What was not delivered is delivered later.
        """
        messages = await self._transactor.run(lambda unit: unit.outbox.find_oldest(_AT_ONCE))
        delivered: list[int] = []
        dead: dict[int, list[tuple[OutboxMessage, str]]] = {}
        try:
            for message_id, message in messages:
                try:
                    await self._announce(message)
                except Exception as error:
                    if is_passing(error):
                        raise
                    dead[message_id] = await self._announce_parts(message)
                delivered.append(message_id)
        finally:
            if delivered:
                await self._transactor.run(partial(self._settle, delivered=delivered, dead=dead))
        return len(delivered)

    @staticmethod
    def _settle(
        unit: UnitOfWork, delivered: Sequence[int], dead: Mapping[int, Sequence[tuple[OutboxMessage, str]]]
    ) -> None:
        for message_id, parts in dead.items():
            if parts:
                unit.outbox.bury(message_id, parts, unit.changes.at)
        unit.outbox.remove(delivered)

    async def _announce(self, message: OutboxMessage) -> None:
        try:
            await self._announcer.announce(message)
        except (UnauthenticatedError, ForbiddenError) as error:
            raise UnavailableError(f"it does not let the scheduler in: {error.message}") from error

    async def _announce_parts(self, message: OutboxMessage) -> list[tuple[OutboxMessage, str]]:
        """Deliver what can be delivered of a message. Returns the rest, each part with the reason."""
        dead: list[tuple[OutboxMessage, str]] = []

        async def bury(part: OutboxMessage, error: Exception) -> None:
            logger.error("a dead letter, %s: %s", describe_message(part.kind, part.payload), describe_error(error))
            dead.append((part, describe_error(error)))

        await handle_each(split_message(message), lambda parts: self._announce(join_messages(parts)), bury)
        return dead
