"""Being known to the scheduler: the first announcement, and again whenever it has forgotten this worker."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pydantic import ValidationError

from eas.contracts.errors import EasError, InvalidInputError
from eas.contracts.scheduler import HeartbeatResponse, TaskTypeDescription, WorkerAnnouncement, WorkerWelcome
from eas_worker.domain.clock_comparison import ClockComparison
from eas_worker.logic.backoff import Backoff
from eas_worker.logic.ports import WorkSource

logger = logging.getLogger(__name__)

Timed = TypeVar("Timed", WorkerWelcome, HeartbeatResponse)

#: A clock that is off by less is not talked about [s].
WORTH_TELLING = 1.0


class Registration:
    """The worker's entry with the scheduler.

    Parameters
    ----------
    source
        The scheduler.
    announcement
        What to say of the worker itself.
    on_correction
        Called with how far this worker's clock is ahead, whenever that is known better [s].
    """

    def __init__(
        self,
        source: WorkSource,
        announcement: WorkerAnnouncement,
        on_correction: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._source = source
        self._announcement = announcement
        self._turn = asyncio.Lock()
        self._away = False
        self._on_correction = on_correction
        self._told = 0.0
        self.clock = ClockComparison()
        self.is_known = False
        self.welcome = WorkerWelcome(lease_seconds=30.0, heartbeat_seconds=10.0)

    @property
    def worker_id(self) -> str:
        """Who this is."""
        return self._announcement.worker_id

    @property
    def task_types(self) -> list[str]:
        """What it has offered to run."""
        return [found.name for found in self._announcement.task_types]

    async def offer(self, task_types: Sequence[TaskTypeDescription]) -> WorkerWelcome:
        """Announce the worker with what it can run, for as long as it takes. Raises what `announce` does."""
        self._announcement = self._announcement.model_copy(update={"task_types": list(task_types)})
        return await self.announce()

    async def announce(self) -> WorkerWelcome:
        """Announce the worker, for as long as it takes.

        Raises
        ------
        InvalidInputError
            The scheduler refuses the announcement.
        """
        backoff = Backoff()
        async with self._turn:
            while True:
                try:
                    self.welcome = await self.timed(self._source.announce(self._announcement))
                    self.is_known = True
                    self.note_presence()
                    return self.welcome
                except InvalidInputError:
                    raise
                except (EasError, ValidationError) as error:
                    self.note_absence(error)
                    await backoff.pause()

    async def timed(self, asking: Awaitable[Timed]) -> Timed:
        """Wait for an answer that has the scheduler's time, and compare the clocks."""
        sent, begun = time.time(), time.monotonic()
        answer = await asking
        self.clock.observe(sent, time.monotonic() - begun, answer.time)
        correction = self.clock.correction
        self._on_correction(correction)
        if abs(correction - self._told) >= WORTH_TELLING:
            self._told = correction
            logger.warning(
                "this host's clock is %.1f s %s the scheduler's; times of attempts and of log records are corrected",
                *(abs(correction), "ahead of" if correction > 0 else "behind"),
            )
        return answer

    def note_absence(self, error: Exception) -> None:
        """Say, once an absence, that the scheduler does not answer as it should."""
        if not self._away:
            logger.warning("the scheduler does not answer, work goes on meanwhile: %s", error)
        self._away = True

    def note_presence(self) -> None:
        """Say that it answers again."""
        if self._away:
            logger.info("the scheduler answers again")
        self._away = False
