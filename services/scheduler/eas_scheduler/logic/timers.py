"""What happens at set times: pauses between attempts end, and what nobody takes in time is given up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from eas.contracts.states import FailureReason
from eas.isolation import handle_each, is_passing
from eas_scheduler.domain.attempt import KnownAttempt
from eas_scheduler.logic.faulty_attempts import FaultyAttempts
from eas_scheduler.logic.polls import Delivery, Polls
from eas_scheduler.logic.ports import Transactor, UnitOfWork
from eas_scheduler.logic.progress import give_up_overdue
from eas_scheduler.logic.wakeups import Wakeups

logger = logging.getLogger(__name__)

_AT_ONCE = 500
#: Looks at least this often, should clocks jump [s].
_LONGEST_SLEEP = 60.0


class Timers:
    """Sleeps until the next set time, or until a commit sets an earlier one.

    Parameters
    ----------
    transactor, wakeups, polls
        Of the scheduler.
    """

    def __init__(self, transactor: Transactor, wakeups: Wakeups, polls: Polls) -> None:
        self._faulty = FaultyAttempts(transactor, polls.rules.limits)
        self._transactor = transactor
        self._wakeups = wakeups
        self._polls = polls

    async def run(self) -> None:
        """Do for ever what is due."""
        while True:
            self._wakeups.timers.clear()
            seconds = await self.do_due()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wakeups.timers.wait(), seconds)

    async def do_due(self) -> float:
        """Do what is due. Returns how long there is nothing more to do [s]."""
        try:
            return await self._polls.serve_during(self._do_together)
        except Exception as error:
            if is_passing(error):
                raise
            logger.exception("what is due cannot be done together")
        overdue = await self._transactor.run(lambda unit: unit.attempts.find_overdue(unit.changes.at, _AT_ONCE))
        await handle_each(overdue, self._give_up, self._fail)
        return await self._polls.serve_during(self._do_together)

    async def _give_up(self, overdue: Sequence[KnownAttempt]) -> None:
        attempt_ids = {attempt.attempt_id for attempt in overdue}

        def command(unit: UnitOfWork) -> None:
            found = unit.attempts.find_overdue(unit.changes.at, _AT_ONCE)
            give_up_overdue(unit, [attempt for attempt in found if attempt.attempt_id in attempt_ids])

        await self._transactor.run(command)

    async def _fail(self, attempt: KnownAttempt, error: Exception) -> None:
        doing = "give the task up although nobody took it in time"
        await self._faulty.end(
            attempt.attempt_id, error, doing, reason=FailureReason.TIMEOUT, lease_token="", for_good=True
        )

    async def _do_together(self, delivery: Delivery) -> float:
        def command(unit: UnitOfWork) -> float:
            released = unit.attempts.release_due(unit.changes.at, _AT_ONCE)
            unit.changes.queued.update(released)
            give_up_overdue(unit, unit.attempts.find_overdue(unit.changes.at, _AT_ONCE))
            if released:
                delivery.serve(unit)
            following = unit.attempts.find_next_time()
            if following is None:
                return _LONGEST_SLEEP
            return min(max((following - unit.changes.at).total_seconds(), 0.0), _LONGEST_SLEEP)

        return await self._transactor.run(command)
