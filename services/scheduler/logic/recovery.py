"""The reaper: an attempt whose lease expired is lost, and its task is tried again up to its limits."""

from __future__ import annotations

import asyncio
import logging

from services.scheduler.domain.changes import Changes
from services.scheduler.domain.policies import RetryLimits
from services.scheduler.logic.bells import Bells
from services.scheduler.logic.ports import Clock, Transactor, UnitOfWork
from services.scheduler.logic.progress import lose

logger = logging.getLogger(__name__)

_AT_ONCE = 500


class Recovery:
    """Finds attempts that nobody works on any more."""

    def __init__(self, transactor: Transactor, bells: Bells, clock: Clock, limits: RetryLimits, every: float) -> None:
        self._transactor = transactor
        self._bells = bells
        self._clock = clock
        self._limits = limits
        self._every = every

    async def run(self) -> None:
        """Reap for ever. The first look comes a full period after the start, so that workers can be heard first.

        A scheduler that was down for longer than a lease would otherwise take work away from workers that are well.
        """
        while True:
            await asyncio.sleep(self._every)
            while await self.reap() == _AT_ONCE:
                pass

    async def reap(self) -> int:
        """End expired attempts. Returns how many there were, at most so many as are taken at once.

        A heartbeat that commits first saves its attempt: the reaper then no longer finds its lease expired.
        """
        changes = Changes(self._clock())

        def command(unit: UnitOfWork) -> int:
            expired = unit.attempts.find_expired(changes.at, _AT_ONCE)
            lose(unit, changes, expired, "its lease expired: nothing was heard from its worker", self._limits)
            unit.save(changes)
            return len(expired)

        count = await self._transactor.run(command)
        if count:
            logger.warning("%d attempts were lost: their leases expired", count)
            self._bells.ring(changes)
        return count
