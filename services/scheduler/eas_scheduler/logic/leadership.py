"""Lets one of several schedulers do what only one may do: reap, relay, expand, keep times, adopt, ring again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from eas.background import cancel_and_wait, keep_running
from eas.contracts.errors import EasError, UnavailableError
from eas_scheduler.domain.leadership import Leadership, claim_leadership
from eas_scheduler.logic.ports import Clock, Transactor, UnitOfWork

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: How often in the time of a lease the leader says that it is there.
_TIMES = 3


class DeposedError(UnavailableError):
    """Another scheduler leads by now: what this one wanted to write was refused."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"this scheduler leads no longer: {holder} does")


class Election:
    """One scheduler's part in the question who leads.

    A leader whose process stands still, or that cannot reach the database, is replaced when its lease ends. Should it
    wake up and go on, its fence is out of date and each of its transactions is refused.

    Parameters
    ----------
    transactor
        Of the scheduler.
    clock
        Tells the time.
    name
        Of this scheduler; no two may have the same at the same time.
    lease
        How long its word counts.
    read
        Reads who leads without waiting for the turn to write, which a large submission or expansion holds for long.
        None: it cannot be read so.
    """

    def __init__(
        self,
        transactor: Transactor,
        clock: Clock,
        name: str,
        lease: timedelta,
        read: Callable[[], Awaitable[Leadership | None]] | None = None,
    ) -> None:
        self._transactor = transactor
        self._clock = clock
        self._name = name
        self._lease = lease
        self._read = read
        self._fence: int | None = None
        self._until = 0.0
        self._loops: Mapping[str, Callable[[], Awaitable[None]]] = {}
        self._running: list[asyncio.Task[None]] = []

    @property
    def leads(self) -> bool:
        """Whether this scheduler leads, as far as it knows."""
        return bool(self._running)

    def check(self, unit: UnitOfWork) -> None:
        """Refuse to go on where another scheduler leads by now.

        Raises
        ------
        DeposedError
            It does.
        """
        found = unit.leadership.find()
        if found is None or found.fence != self._fence:
            raise DeposedError(found.holder if found else "nobody")

    async def start(self, loops: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
        """Stand for the first time. `loops` run whenever this scheduler leads."""
        self._loops = loops
        await self._stand()

    async def run(self) -> None:
        """Stand for ever."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / _TIMES)
            await self._stand()

    async def stop(self) -> None:
        """Stop the loops and let another scheduler lead at once."""
        await self._end_loops()
        if not self._fence:
            return

        def command(unit: UnitOfWork) -> None:
            self.check(unit)
            unit.leadership.save(Leadership(self._name, self._fence or 0, self._clock()))

        try:
            await self._transactor.run(command)
        except EasError as error:
            logger.info("nobody was told that this scheduler leads no longer: %s", error)

    async def _stand(self) -> None:
        now, asked_at = asyncio.get_running_loop().time(), self._clock()
        try:
            async with asyncio.timeout(self._lease.total_seconds()):
                mine = await self._transactor.run(lambda unit: self._claim(unit, asked_at))
        except (UnavailableError, TimeoutError) as error:
            if await self._is_only_waiting():
                logger.info("scheduler %s waits for its turn to write, and so does who leads", self._name)
                return
            logger.warning("cannot say who leads: %s", str(error) or "the database does not answer")
            if asyncio.get_running_loop().time() > self._until:
                await self._end_loops()
            return
        if mine is None:
            if self.leads:
                logger.warning("scheduler %s leads no longer", self._name)
            self._fence = self._fence if self._fence is not None else 0
            await self._end_loops()
            return
        self._until = now + self._lease.total_seconds()
        if self._fence != mine.fence:
            await self._end_loops()
            self._fence = mine.fence
        if not self.leads:
            logger.info("scheduler %s leads, with fence %d", self._name, mine.fence)
            self._running = [
                asyncio.create_task(keep_running(name, loop), name=name) for name, loop in self._loops.items()
            ]

    async def _is_only_waiting(self) -> bool:
        """Tell whether the database answers, and says nothing else of who leads than this scheduler knows.

        While another transaction holds the turn to write, nobody can become the leader.
        """
        if self._read is None:
            return False
        try:
            async with asyncio.timeout(self._lease.total_seconds()):
                found = await self._read()
        except (EasError, TimeoutError):
            return False
        return not self.leads or (found is not None and found.fence == self._fence)

    def _claim(self, unit: UnitOfWork, asked_at: datetime) -> Leadership | None:
        found = unit.leadership.find()
        mine = claim_leadership(found, self._name, self._fence, self._clock(), self._lease, asked_at)
        if mine is not None:
            unit.leadership.save(mine)
        return mine

    async def _end_loops(self) -> None:
        await cancel_and_wait(self._running)
        self._running = []


class LeadersTransactor:
    """Runs commands of the leader; those of one that was replaced are refused.

    Parameters
    ----------
    transactor
        Of the scheduler.
    election
        Knows the fence.
    """

    def __init__(self, transactor: Transactor, election: Election) -> None:
        self._transactor = transactor
        self._election = election

    async def run(self, command: Callable[[Any], T]) -> T:
        """Run `command` if this scheduler leads. Raises `DeposedError`."""

        def guarded(unit: UnitOfWork) -> T:
            self._election.check(unit)
            return command(unit)

        return await self._transactor.run(guarded)
