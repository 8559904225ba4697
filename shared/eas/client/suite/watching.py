"""Following a job, also through restarts of the suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from eas.client.suite.waiting import ABSENCE_SECONDS, RETRY_SECONDS
from eas.contracts.diagnostics import JobEnd, StateChange
from eas.contracts.errors import UnavailableError

if TYPE_CHECKING:
    from eas.client.scheduler import SchedulerClient


async def watch_job(
    scheduler: SchedulerClient, job_id: int, after: int = 0
) -> AsyncGenerator[StateChange | JobEnd, None]:
    """Follow a job until it has ended; the last item says how. No change is missed or told twice.

    Parameters
    ----------
    scheduler
        Knows the job.
    job_id
        Which one.
    after
        Begin after this event; 0 for the job's first.

    Raises
    ------
    NotFoundError
        There is no such job.
    UnavailableError
        The scheduler has not answered for a minute. A suite that is started again within it is waited for.
    """
    while True:
        try:
            async with aclosing(scheduler.follow(job_id, after=after)) as changes:
                async for found in changes:
                    yield found
                    if isinstance(found, JobEnd):
                        return
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
