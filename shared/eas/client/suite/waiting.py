"""Waiting for a job's end, also through restarts of the suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from eas.client.suite.errors import JobTimeoutError
from eas.contracts.errors import UnavailableError
from eas.contracts.states import JobState

if TYPE_CHECKING:
    from eas.client.scheduler import SchedulerClient
    from eas.contracts.scheduler import JobView

#: How often progress is looked at [s].
LOOK_SECONDS = 0.5
#: How long a suite may be away before waiting for it is given up [s].
ABSENCE_SECONDS = 60.0
RETRY_SECONDS = 0.5


async def look_until_end(
    scheduler: SchedulerClient,
    job_id: int,
    timeout: float | None = None,  # noqa: ASYNC109 - the user's wish, and the error says that the job goes on
) -> AsyncGenerator[JobView, None]:
    """Look at a job twice a second until it has ended, however it ended; the last look shows its end.

    Parameters
    ----------
    scheduler
        Knows the job.
    job_id
        Which one.
    timeout
        The longest to wait [s]; None for ever.

    Raises
    ------
    JobTimeoutError
        It was still running then.
    NotFoundError
        There is no such job.
    UnavailableError
        The scheduler has not answered for a minute. A suite that is started again within it is waited for.
    """
    clock = asyncio.get_running_loop().time
    end = None if timeout is None else clock() + timeout
    heard_at = clock()
    while True:
        left = LOOK_SECONDS if end is None else max(0.0, min(LOOK_SECONDS, end - clock()))
        try:
            job = await scheduler.get_job(job_id, wait=left)
        except UnavailableError:
            if clock() - heard_at > ABSENCE_SECONDS:
                raise
            await asyncio.sleep(RETRY_SECONDS)
        else:
            heard_at = clock()
            yield job
            if job.state is not JobState.RUNNING:
                return
        if timeout is not None and end is not None and clock() >= end:
            raise JobTimeoutError(job_id, timeout)
