"""Hears of what other schedulers on the same database have done, and wakes whoever waits for it here."""

from __future__ import annotations

import asyncio
from typing import Protocol

from services.scheduler.logic.bells import Bells


class ChangeCounter(Protocol):
    """Tells how far the history has come."""

    async def find_last(self) -> int:
        """Find the id of the newest change of state."""


class Peers:
    """Looks at the end of the history, which every change of state makes longer.

    Parameters
    ----------
    changes
        The history.
    bells
        Of this scheduler. They ring for its own changes, too: a bell that is rung for nothing is harmless.
    every
        How often to look [s].
    """

    def __init__(self, changes: ChangeCounter, bells: Bells, every: float) -> None:
        self._changes = changes
        self._bells = bells
        self._every = every

    async def run(self) -> None:
        """Look for ever."""
        seen = await self._changes.find_last()
        while True:
            await asyncio.sleep(self._every)
            last = await self._changes.find_last()
            if last != seen:
                seen = last
                self._bells.ring_all()
