"""Work that is handed to a caller who has gone is passed on at once, without waiting for the lease to end."""

from __future__ import annotations

import asyncio
import random

from eas.contracts.scheduler import (
    AttemptReport,
    ClaimedAttempt,
    ClaimRequest,
    ReportRequest,
    WorkerAnnouncement,
)
from eas_scheduler.runtime import SchedulerRuntime
from eas_scheduler.settings import SchedulerSettings

from .conftest import TASK_TYPES


async def claim(scheduler: SchedulerRuntime, wait: float, limit: int = 1) -> list[ClaimedAttempt]:
    request = ClaimRequest(worker_id="w", per_type={"null": limit}, total=limit, wait=wait)
    return (await scheduler.dispatch.claim(request)).attempts


async def accept(scheduler: SchedulerRuntime, attempts: list[ClaimedAttempt]) -> None:
    reports = [
        AttemptReport(attempt_id=one.attempt_id, lease_token=one.lease_token, state="accepted") for one in attempts
    ]
    answer = await scheduler.dispatch.report(ReportRequest(worker_id="w", reports=reports))
    assert all(result.recorded for result in answer.results)


async def test_no_attempt_is_stranded_with_callers_who_leave_at_any_moment(database_url: str) -> None:
    dice = random.Random(4)
    settings = SchedulerSettings(
        database_url=database_url, product_store_url="http://127.0.0.1:9", reap_seconds=3600, ids_patience_seconds=0
    )
    scheduler = SchedulerRuntime(settings)
    scheduler.prepare()
    await scheduler.start()
    left = 0
    try:
        await scheduler.dispatch.announce(
            WorkerAnnouncement(worker_id="w", host="h", process_id=1, slots=1, task_types=TASK_TYPES)
        )
        jobs = []
        for _ in range(150):
            poll = asyncio.create_task(claim(scheduler, 30))
            for _ in range(dice.randrange(3)):
                await asyncio.sleep(0)
            text = b'{"task_list": [{"task": "null"}]}'
            submission = asyncio.create_task(scheduler.submission.submit(text, submitted_by="me"))
            for _ in range(dice.randrange(40)):
                await asyncio.sleep(dice.choice([0, 0, 0.0003]))
            poll.cancel()
            await asyncio.wait({poll})
            if poll.cancelled():
                left += 1
            else:
                await accept(scheduler, poll.result())
            jobs.append((await submission)[0].job_id)
        async with asyncio.timeout(60):
            for job_id in jobs:
                while (await scheduler.views.get_job(job_id)).state.value == "running":
                    await accept(scheduler, await claim(scheduler, 0.05, 100))
    finally:
        await scheduler.stop()
    assert 10 < left < 150, "callers left before and after their answers"
