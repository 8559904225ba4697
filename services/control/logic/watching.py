"""Following a job, also through restarts of the suite."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from services.control.logic.jobs import ABSENCE_SECONDS, RETRY_SECONDS
from shared.clients.scheduler import SchedulerClient
from shared.contracts.diagnostics import JobEnd, StateChange
from shared.contracts.errors import UnavailableError


async def watch_job(
    scheduler: SchedulerClient, job_id: int, on_change: Callable[[StateChange | JobEnd], None]
) -> JobEnd:
    """Follow a job from its first change until it has ended. No change is missed or told twice.

    Parameters
    ----------
    scheduler
        Knows the job.
    job_id
        Which one.
    on_change
        Called with every change, and with the end.

    Raises
    ------
    NotFoundError
        There is no such job.
    UnavailableError
        The scheduler has not answered for a minute.
    """
    after = 0
    while True:
        try:
            async for found in scheduler.follow(job_id, after=after):
                on_change(found)
                if isinstance(found, JobEnd):
                    return found
                after = found.event_id
        except UnavailableError:
            await _wait_until_back(scheduler, job_id)


async def _wait_until_back(scheduler: SchedulerClient, job_id: int) -> None:
    """Wait until the scheduler answers. Raises `UnavailableError` when it has been away too long."""
    clock = asyncio.get_running_loop().time
    end = clock() + ABSENCE_SECONDS
    while True:
        await asyncio.sleep(RETRY_SECONDS)
        try:
            await scheduler.get_job(job_id)
        except UnavailableError:
            if clock() > end:
                raise
        else:
            return
