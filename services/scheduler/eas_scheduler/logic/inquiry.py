"""Questions that may wait for their answer."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from eas.contracts.scheduler import JobView
from eas.contracts.states import JobState
from eas_scheduler.logic.wakeups import Wakeups


class JobReader(Protocol):
    """Looks jobs up."""

    async def get_job(self, job_id: int) -> JobView:
        """Fetch a job. Raises `NotFoundError`."""


class Inquiry:
    """Answers when there is something to say."""

    def __init__(self, jobs: JobReader, wakeups: Wakeups) -> None:
        self._jobs = jobs
        self._wakeups = wakeups

    async def get_job(self, job_id: int, *, wait: float) -> JobView:
        """Fetch a job; while it is running, wait up to `wait` seconds for its end.

        Raises
        ------
        NotFoundError
            There is no such job.
        """
        with self._wakeups.waiting_for_job(job_id) as ended:
            job = await self._jobs.get_job(job_id)
            if wait <= 0:
                return job
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    while job.state is JobState.RUNNING:
                        await ended.wait()
                        ended.clear()
                        job = await self._jobs.get_job(job_id)
            return job if job.state is not JobState.RUNNING else await self._jobs.get_job(job_id)
