"""Being known to the scheduler: the first announcement, and again whenever it has forgotten this worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from pydantic import ValidationError

from services.worker.logic.backoff import Backoff
from services.worker.logic.ports import WorkSource
from shared.contracts.errors import EasError, InvalidInputError
from shared.contracts.scheduler import TaskTypeDescription, WorkerAnnouncement, WorkerWelcome

logger = logging.getLogger(__name__)


class Registration:
    """The worker's entry with the scheduler.

    Parameters
    ----------
    source
        The scheduler.
    announcement
        What to say of the worker itself.
    """

    def __init__(self, source: WorkSource, announcement: WorkerAnnouncement) -> None:
        self._source = source
        self._announcement = announcement
        self._turn = asyncio.Lock()
        self._away = False
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
                    self.welcome = await self._source.announce(self._announcement)
                    self.is_known = True
                    self.note_presence()
                    return self.welcome
                except InvalidInputError:
                    raise
                except (EasError, ValidationError) as error:
                    self.note_absence(error)
                    await backoff.pause()

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
