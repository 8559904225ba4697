"""Follows state changes as they are committed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from eas.contracts.diagnostics import JobEnd, StateChange
from eas.contracts.states import JobState
from eas_scheduler.logic.wakeups import Wakeups

#: How many changes are read at once: the most that one follower has in memory.
BATCH = 500
#: How often a follower looks without having been woken [s].
LOOK_SECONDS = 2.0


class ChangesReader(Protocol):
    """Looks state changes up."""

    async def find_last(self) -> int:
        """Find the id of the newest change."""

    async def read_changes(self, job_id: int | None, after: int, limit: int) -> list[StateChange]:
        """Read the changes after one."""

    async def get_job_state(self, job_id: int) -> JobState:
        """Look a job's state up. Raises `NotFoundError`."""


class Follower:
    """One listener's place in the sequence of changes."""

    def __init__(self, reader: ChangesReader, wakeup: asyncio.Event, job_id: int | None, after: int) -> None:
        self._reader = reader
        self._wakeup = wakeup
        self._job_id = job_id
        self._after = after

    async def next(self, patience: float) -> list[StateChange] | JobEnd:
        """Wait for what comes next.

        Parameters
        ----------
        patience
            The longest to wait [s].

        Returns
        -------
        list of StateChange or JobEnd
            Changes in their order, none if nothing happened in time; or, once all changes of a job have been given and
            it has ended, its end.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        while True:
            self._wakeup.clear()
            # The state first: an end that is seen here has all its changes committed.
            state = JobState.RUNNING if self._job_id is None else await self._reader.get_job_state(self._job_id)
            changes = await self._reader.read_changes(self._job_id, self._after, BATCH)
            if changes:
                self._after = changes[-1].event_id
                return changes
            if self._job_id is not None and state is not JobState.RUNNING:
                return JobEnd(job_id=self._job_id, state=state)
            left = end - loop.time()
            if left <= 0:
                return []
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wakeup.wait(), min(left, LOOK_SECONDS))


class Events:
    """Lets listeners follow.

    Parameters
    ----------
    heartbeat
        How long a stream may be silent before it gives a sign of life [s].
    """

    def __init__(self, reader: ChangesReader, wakeups: Wakeups, heartbeat: float = 15.0) -> None:
        self._reader = reader
        self._wakeups = wakeups
        self.heartbeat = heartbeat

    async def find_start(self, job_id: int | None, after: int | None) -> int:
        """Find where a listener begins: after the event that it names, or with the first of a job, or the next of all.

        An event that is yet to come, as after a backup was put back, stands for the newest: waiting for it would
        pass over all that happens until then.

        Raises
        ------
        NotFoundError
            There is no such job.
        """
        if job_id is not None:
            await self._reader.get_job_state(job_id)
            if after is None:
                return 0
        last = await self._reader.find_last()
        return last if after is None else min(after, last)

    @property
    def followers(self) -> int:
        """How many listeners there are."""
        return self._wakeups.followers

    @contextmanager
    def follow(self, job_id: int | None, after: int) -> Iterator[Follower]:
        """Follow the changes after one, of a job or of all. What a slow listener has not taken stays in the table."""
        with self._wakeups.waiting_for_changes() as wakeup:
            yield Follower(self._reader, wakeup, job_id, after)
