"""Publishes doorbells: moves them from the database to the broker, and publishes unanswered ones again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from eas.contracts.errors import UnavailableError
from eas.isolation import describe_error, handle_each, is_passing
from eas_scheduler.logic.ports import Clock, DoorbellOutbox, TaskQueues
from eas_scheduler.logic.wakeups import Wakeups

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
#: How long a task type is left out for which the broker takes no doorbells.
_FIRST_SILENCE = timedelta(seconds=10)
_LONGEST_SILENCE = timedelta(minutes=10)


class DoorbellNotPublishedError(RuntimeError):
    """The broker did not confirm doorbells."""


class DoorbellRelay:
    """Moves doorbells to the broker, as soon as the attempts are committed.

    It publishes first and takes note second: a scheduler that dies in between leaves doorbells that ring twice.

    Parameters
    ----------
    outbox
        The doorbells in the database.
    broker
        Where workers hear them.
    wakeups
        Of this scheduler.
    clock
        Tells the time.
    """

    def __init__(self, outbox: DoorbellOutbox, broker: TaskQueues, wakeups: Wakeups, clock: Clock) -> None:
        self._outbox = outbox
        self._broker = broker
        self._wakeups = wakeups
        self._clock = clock
        self._muted: dict[str, tuple[datetime, timedelta]] = {}
        self._left: dict[str, int] = {}
        self._ask_at: dict[str, datetime] = {}

    async def run(self) -> None:
        """Ring for ever. While the broker is away wait longer and longer; workers ask by themselves meanwhile."""
        pause = _FIRST_PAUSE_S
        while True:
            self._wakeups.doorbells.clear()
            try:
                while await self.ring_some():
                    pause = _FIRST_PAUSE_S
            except UnavailableError as error:
                logger.warning("doorbells wait: %s; next try in %.1f s", error, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                continue
            try:
                await asyncio.wait_for(self._wakeups.doorbells.wait(), _LOOK_EVERY_S)
            except TimeoutError:
                continue

    async def ring_some(self) -> int:
        """Ring for the oldest attempts that were not rung for, as far as it is of use. Returns for how many.

        A task type for which the broker takes no doorbell, although it takes those of others, is left out for a while.
        Workers ask for its attempts all the same.

        Raises
        ------
        UnavailableError
            The broker did not confirm any of them.
        """
        waiting = await self._choose()
        if not waiting:
            return 0
        count = 0
        faults: dict[str, Exception] = {}

        async def ring(task_types: Sequence[str]) -> None:
            nonlocal count
            some = [(attempt_id, name) for name in task_types for attempt_id in waiting[name]]
            rung = await self._broker.publish(some) if some else set()
            await self._outbox.mark_rung(rung, self._clock())
            count += len(rung)
            waiting.update({name: [one for one in waiting[name] if one not in rung] for name in task_types})
            if len(rung) < len(some):
                raise DoorbellNotPublishedError(f"the broker confirmed {len(rung)} of {len(some)} doorbells")
            for name in task_types:
                self._muted.pop(name, None)

        async def note(task_type: str, error: Exception) -> None:
            faults[task_type] = error

        await handle_each(list(waiting), ring, note)
        if faults and not count:
            raise UnavailableError("; ".join({str(error) for error in faults.values()}))
        for name, fault in faults.items():
            self._mute(name, fault)
        return count

    def _mute(self, task_type: str, error: Exception) -> None:
        """Leave a task type out, with exponential back-off."""
        _, before = self._muted.get(task_type, (None, _FIRST_SILENCE / 2))
        silence = min(2 * before, _LONGEST_SILENCE)
        self._muted[task_type] = (self._clock() + silence, silence)
        words = describe_error(error)
        logger.error("no doorbells for the task type %r for %d s: %s", task_type, silence.total_seconds(), words)

    async def _choose(self) -> dict[str, list[int]]:
        """Choose attempts whose queues are not long enough already, by task type."""
        chosen: dict[str, list[int]] = {}
        for task_type in await self._outbox.find_types():
            if task_type in self._muted and self._clock() < self._muted[task_type][0]:
                continue
            try:
                if found := await self._choose_of(task_type):
                    chosen[task_type] = found
            except Exception as error:
                if is_passing(error):
                    raise
                self._mute(task_type, error)
        return chosen

    async def _choose_of(self, task_type: str) -> list[int]:
        now = self._clock()
        if self._left.get(task_type, 0) <= 0 and now >= self._ask_at.get(task_type, now):
            # The broker is asked once in many doorbells, and once a second while a queue is long.
            self._left[task_type] = MOST_WAITING - await self._broker.length(task_type)
            self._ask_at[task_type] = now + _ASK_EVERY
        if (room := self._left.get(task_type, 0)) <= 0:
            return []
        found = await self._outbox.find_oldest(task_type, room)
        self._left[task_type] -= len(found)
        return found


class DoorbellSweeper:
    """Rings again for attempts that were rung for, that nobody took, and whose queue at the broker is empty.

    So it is when a broker lost its queues, or a worker that heard a doorbell died before it asked.

    Parameters
    ----------
    outbox, broker, wakeups, clock
        As of `DoorbellRelay`.
    patience
        How long a doorbell may be unheard [s].
    every
        How often to look [s].
    """

    def __init__(
        self,
        outbox: DoorbellOutbox,
        broker: TaskQueues,
        wakeups: Wakeups,
        clock: Clock,
        *,
        patience: float,
        every: float,
    ) -> None:
        self._outbox = outbox
        self._broker = broker
        self._wakeups = wakeups
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
        overheard = await self._outbox.find_unanswered(self._clock() - self._patience, _AT_ONCE)
        for task_type, attempt_ids in overheard.items():
            try:
                if await self._broker.length(task_type) == 0:
                    again += [(attempt_id, task_type) for attempt_id in attempt_ids]
            except Exception as error:
                if is_passing(error):
                    raise
                logger.error("the queue of the task type %r cannot be looked at: %s", task_type, describe_error(error))
        if again:
            logger.warning("%d attempts were rung for and not taken: ringing again", len(again))
            await self._outbox.publish(again)
            self._wakeups.doorbells.set()
        return len(again)
