"""The scheduler is away for an hour: what workers held goes on being theirs, if they are still there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from eas.contracts.scheduler import (
    AttemptReport,
    ClaimedAttempt,
    ClaimRequest,
    HeartbeatRequest,
    LeasedAttempt,
    ReportRequest,
    WorkerAnnouncement,
)
from eas.database.committer import Database
from eas.database.migrations import upgrade_schema
from eas_scheduler.domain.policies import RetryLimits
from eas_scheduler.logic.assignment import DispatchRules
from eas_scheduler.logic.dispatch import Dispatch
from eas_scheduler.logic.polls import Polls
from eas_scheduler.logic.reaper import Reaper
from eas_scheduler.logic.submission import Submission
from eas_scheduler.logic.wakeups import Wakeups
from eas_scheduler.runtime import MIGRATIONS
from eas_scheduler.storage.unit_of_work import SqlTransactor
from tests.support.databases import Inspector

from .conftest import TASK_TYPES

pytestmark = pytest.mark.sqlite_only

LIMITS = RetryLimits(attempts=5, losses=3, delay=0)
JOB = b'{"task_list": [{"task": "null"}, {"task": "null"}]}'


class Scheduler:
    """One life of a scheduler, by a clock that the test moves."""

    def __init__(self, database: Database, now: datetime) -> None:
        self.now = now
        wakeups = Wakeups()
        transactor = SqlTransactor(database, lambda: self.now, wakeups.wake)
        polls = Polls(DispatchRules(lease=timedelta(seconds=60), limits=LIMITS))
        self.submission = Submission(transactor, polls, 100)
        self.dispatch = Dispatch(transactor, wakeups, lambda: self.now, polls)
        self.recovery = Reaper(transactor, lambda: self.now, LIMITS, 5)

    async def announce(self, worker_id: str) -> None:
        await self.dispatch.announce(
            WorkerAnnouncement(worker_id=worker_id, host="here", process_id=1, slots=1, task_types=TASK_TYPES)
        )

    async def claim(self, worker_id: str) -> ClaimedAttempt:
        answer = await self.dispatch.claim(ClaimRequest(worker_id=worker_id, per_type={"null": 1}, total=1))
        (attempt,) = answer.attempts
        return attempt


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    upgrade_schema(database_url, MIGRATIONS)
    found = Database(database_url)
    await found.start()
    yield found
    await found.stop()


async def test_an_hour_without_a_scheduler_costs_those_who_are_there_nothing(
    database: Database, inspector: Inspector
) -> None:
    noon = datetime(2026, 11, 26, 12, tzinfo=UTC)
    before = Scheduler(database, noon)
    for worker_id in ("stays", "dies"):
        await before.announce(worker_id)
    await before.submission.submit(JOB, submitted_by="ada")
    kept, lost = await before.claim("stays"), await before.claim("dies")

    after = Scheduler(database, noon + timedelta(hours=1))
    held = [LeasedAttempt(attempt_id=kept.attempt_id, lease_token=kept.lease_token)]
    answer = await after.dispatch.beat(HeartbeatRequest(worker_id="stays", attempts=held))
    assert (answer.renewed, answer.cancel, answer.closed) == ([kept.attempt_id], [], [])
    assert await after.recovery.reap() == 1
    report = AttemptReport(attempt_id=kept.attempt_id, lease_token=kept.lease_token, state="accepted")
    assert (await after.dispatch.report(ReportRequest(worker_id="stays", reports=[report]))).results[0].recorded

    states = dict(inspector.fetch("SELECT id, state FROM attempt WHERE number = 1 AND task_type = 'null'"))
    assert states == {kept.attempt_id: "accepted", lost.attempt_id: "lost"}
    again = await after.claim("stays")
    assert (again.task_id, again.number) == (lost.task_id, 2)
