"""The reaper: an attempt whose lease expired is lost, and its task is tried again up to its limits."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from eas_scheduler.domain.policies import RetryLimits
from eas_scheduler.logic.losses import Losses
from eas_scheduler.logic.ports import Clock, Transactor

logger = logging.getLogger(__name__)

_AT_ONCE = 500


class Reaper:
    """Finds attempts that nobody works on any more."""

    def __init__(
        self,
        transactor: Transactor,
        clock: Clock,
        limits: RetryLimits,
        every: float,
        lease: timedelta = timedelta(seconds=30),
    ) -> None:
        self._losses = Losses(transactor, clock, limits, lease)
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
        count = await self._losses.lose(
            lambda unit: unit.attempts.find_expired(unit.changes.at, _AT_ONCE),
            "its lease expired: nothing was heard from its worker",
        )
        if count:
            logger.warning("%d attempts were lost: their leases expired", count)
        return count
