"""Rings for attempts: moves doorbells from the database to the broker, and rings again where nobody came."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from services.scheduler.logic.bells import Bells
from services.scheduler.logic.ports import Clock, DoorbellOutbox, TaskQueues
from shared.contracts.errors import UnavailableError

logger = logging.getLogger(__name__)

_AT_ONCE = 500
_ASK_EVERY = timedelta(seconds=1)
#: How many doorbells of a task type wait at the broker at most. More would wake nobody: whoever works asks for more
#: work with its reports, and doorbells for what was taken meanwhile are in the way of others.
MOST_WAITING = 200
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
#: How often to look without having been woken: for what another scheduler committed before it died [s].
_LOOK_EVERY_S = 2.0


class Ringer:
    """Moves doorbells to the broker, as soon as the attempts are committed.

    It publishes first and takes note second: a scheduler that dies in between leaves doorbells that ring twice.

    Parameters
    ----------
    outbox
        The doorbells in the database.
    broker
        Where workers hear them.
    bells
        Of this scheduler.
    clock
        Tells the time.
    """

    def __init__(self, outbox: DoorbellOutbox, broker: TaskQueues, bells: Bells, clock: Clock) -> None:
        self._outbox = outbox
        self._broker = broker
        self._bells = bells
        self._clock = clock
        self._left: dict[str, int] = {}
        self._ask_at: dict[str, datetime] = {}

    async def run(self) -> None:
        """Ring for ever. While the broker is away wait longer and longer; workers ask by themselves meanwhile."""
        pause = _FIRST_PAUSE_S
        while True:
            self._bells.doorbells.clear()
            try:
                while await self.ring_some():
                    pause = _FIRST_PAUSE_S
            except UnavailableError as error:
                logger.warning("doorbells wait: %s; next try in %.1f s", error, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                continue
            try:
                await asyncio.wait_for(self._bells.doorbells.wait(), _LOOK_EVERY_S)
            except TimeoutError:
                continue

    async def ring_some(self) -> int:
        """Ring for the oldest attempts that were not rung for, as far as it is of use. Returns for how many.

        Raises
        ------
        UnavailableError
            The broker did not confirm all of them.
        """
        waiting = await self._choose()
        if not waiting:
            return 0
        rung = await self._broker.publish(waiting)
        await self._outbox.mark_rung(rung, self._clock())
        if len(rung) < len(waiting):
            raise UnavailableError(f"the broker confirmed {len(rung)} of {len(waiting)} doorbells")
        return len(waiting)

    async def _choose(self) -> list[tuple[int, str]]:
        """Choose attempts whose queues are not long enough already."""
        now = self._clock()
        chosen: list[tuple[int, str]] = []
        for task_type in await self._outbox.find_types():
            if self._left.get(task_type, 0) <= 0 and now >= self._ask_at.get(task_type, now):
                # The broker is asked once in many doorbells, and once a second while a queue is long.
                self._left[task_type] = MOST_WAITING - await self._broker.length(task_type)
                self._ask_at[task_type] = now + _ASK_EVERY
            if (room := self._left.get(task_type, 0)) > 0:
                found = await self._outbox.find_oldest(task_type, room)
                self._left[task_type] -= len(found)
                chosen += [(attempt_id, task_type) for attempt_id in found]
        return chosen


class Sweeper:
    """Rings again for attempts that were rung for, that nobody took, and whose queue at the broker is empty.

    So it is when a broker lost its queues, or a worker that heard a doorbell died before it asked.

    Parameters
    ----------
    outbox, broker, bells, clock
        As of `Ringer`.
    patience
        How long a doorbell may be unheard [s].
    every
        How often to look [s].
    """

    def __init__(
        self,
        outbox: DoorbellOutbox,
        broker: TaskQueues,
        bells: Bells,
        clock: Clock,
        *,
        patience: float,
        every: float,
    ) -> None:
        self._outbox = outbox
        self._broker = broker
        self._bells = bells
        self._clock = clock
        self._patience = timedelta(seconds=patience)
        self._every = every

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            await asyncio.sleep(self._every)
            try:
                await self.sweep()
            except UnavailableError as error:
                logger.info("queues cannot be looked at: %s", error)

    async def sweep(self) -> int:
        """Ring again. Returns for how many attempts."""
        again: list[tuple[int, str]] = []
        overheard = await self._outbox.find_overheard(self._clock() - self._patience, _AT_ONCE)
        for task_type, attempt_ids in overheard.items():
            if await self._broker.length(task_type) == 0:
                again += [(attempt_id, task_type) for attempt_id in attempt_ids]
        if again:
            logger.warning("%d attempts were rung for and not taken: ringing again", len(again))
            await self._outbox.publish(again)
            self._bells.doorbells.set()
        return len(again)
