"""Polls for changes that other schedulers on the same database made, and wakes the waiters of this process."""

from __future__ import annotations

import asyncio
from typing import Protocol

from eas_scheduler.logic.wakeups import Wakeups


class ChangeCounter(Protocol):
    """Tells how far the history has come."""

    async def find_last(self) -> int:
        """Find the id of the newest change of state."""


class Peers:
    """Looks at the end of the history, which every change of state makes longer.

    If it grew only by this scheduler's own changes, no other scheduler has written.

    Parameters
    ----------
    changes
        The history.
    wakeups
        Of this scheduler.
    every
        How often to look [s].
    """

    def __init__(self, changes: ChangeCounter, wakeups: Wakeups, every: float) -> None:
        self._changes = changes
        self._wakeups = wakeups
        self._every = every

    async def run(self) -> None:
        """Look for ever."""
        others, again = 0, False
        while True:
            found = await self._changes.find_last() - self._wakeups.changes
            # Once more after each time: a change of this scheduler that was committed and not rung for may have hidden
            # one of another.
            if again or found != others:
                self._wakeups.wake_all()
            others, again = found, found != others
            await asyncio.sleep(self._every)
