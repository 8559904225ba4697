"""What happens at set times: pauses between attempts end, and what nobody takes in time is given up."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from services.scheduler.domain.changes import Changes
from services.scheduler.logic.bells import Bells
from services.scheduler.logic.polls import Polls
from services.scheduler.logic.ports import Clock, Transactor, UnitOfWork
from services.scheduler.logic.progress import give_up_overdue

_AT_ONCE = 500
#: Looks at least this often, should clocks jump [s].
_LONGEST_SLEEP = 60.0


class Timers:
    """Sleeps until the next set time, or until a commit sets an earlier one.

    Parameters
    ----------
    transactor, bells, clock, polls
        As everywhere.
    """

    def __init__(self, transactor: Transactor, bells: Bells, clock: Clock, polls: Polls) -> None:
        self._transactor = transactor
        self._bells = bells
        self._clock = clock
        self._polls = polls

    async def run(self) -> None:
        """Do for ever what is due."""
        while True:
            self._bells.timers.clear()
            seconds = await self.do_due()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._bells.timers.wait(), seconds)

    async def do_due(self) -> float:
        """Do what is due. Returns how long there is nothing more to do [s]."""
        changes = Changes(self._clock())
        delivery = self._polls.prepare()

        def command(unit: UnitOfWork) -> float:
            released = unit.attempts.release_due(changes.at, _AT_ONCE)
            changes.queued.update(released)
            give_up_overdue(unit, changes, unit.attempts.find_overdue(changes.at, _AT_ONCE))
            if released:
                delivery.serve(unit, changes)
            unit.save(changes)
            following = unit.attempts.find_next_time()
            if following is None:
                return _LONGEST_SLEEP
            return min(max((following - changes.at).total_seconds(), 0.0), _LONGEST_SLEEP)

        with delivery:
            seconds = await self._transactor.run(command)
        self._bells.ring(changes)
        return seconds
