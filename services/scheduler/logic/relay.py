"""Tells the product store what it must hear, in order, as often as it takes."""

from __future__ import annotations

import asyncio
import logging

from services.scheduler.logic.bells import Bells
from services.scheduler.logic.ports import ProductAnnouncer, Transactor
from shared.contracts.errors import EasError, UnavailableError

logger = logging.getLogger(__name__)

_AT_ONCE = 100
_LONGEST_PAUSE_S = 10.0
_LOOK_EVERY_S = 10.0


class Relay:
    """Empties the outbox."""

    def __init__(self, transactor: Transactor, bells: Bells, announcer: ProductAnnouncer) -> None:
        self._transactor = transactor
        self._bells = bells
        self._announcer = announcer

    async def run(self) -> None:
        """Deliver for ever. While the store cannot be reached, wait longer and longer, and keep everything."""
        pause = 0.1
        while True:
            self._bells.outbox.clear()
            try:
                while await self.deliver():
                    pause = 0.1
            except UnavailableError as error:
                logger.warning("the product store cannot be told: %s; next try in %.1f s", error, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                continue
            try:
                await asyncio.wait_for(self._bells.outbox.wait(), _LOOK_EVERY_S)
            except TimeoutError:
                continue

    async def deliver(self) -> int:
        """Deliver the oldest messages. Returns how many were delivered.

        A message that the store refuses for good is logged and dropped; it would block all others for ever.
        """
        messages = await self._transactor.run(lambda unit: unit.outbox.find_oldest(_AT_ONCE))
        delivered: list[int] = []
        try:
            for message_id, message in messages:
                try:
                    await self._announcer.announce(message)
                except UnavailableError:
                    raise
                except EasError as error:
                    logger.error("the product store refuses a %s message: %s: %s", message.kind, error, message.payload)
                delivered.append(message_id)
        finally:
            if delivered:
                await self._transactor.run(lambda unit: unit.outbox.remove(delivered))
        return len(delivered)
