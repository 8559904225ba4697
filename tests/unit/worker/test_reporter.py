"""Reports reach the scheduler, whatever it says to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from services.worker.logic.registration import Registration
from services.worker.logic.reporting import Reporter
from shared.contracts.errors import InvalidInputError
from shared.contracts.scheduler import (
    AttemptReport,
    ClaimRequest,
    ClaimResponse,
    ReportRequest,
    ReportResponse,
    WorkerAnnouncement,
)
from shared.contracts.states import FailureReason
from shared.testing.scheduler import FakeScheduler

ANNOUNCEMENT = WorkerAnnouncement(worker_id="w", host="h", process_id=1, slots=1, task_types=[])


@dataclass
class PickyScheduler(FakeScheduler):
    """Refuses requests that have a report with one of these words."""

    refused_words: tuple[str, ...] = ()
    sizes: list[int] = field(default_factory=list)

    async def report(self, request: ReportRequest) -> ReportResponse:
        self.sizes.append(len(request.reports))
        if any(report.message in self.refused_words for report in request.reports):
            raise InvalidInputError("a report is not as it has to be")
        return await super().report(request)


@dataclass
class Setting:
    scheduler: PickyScheduler
    reporter: Reporter
    settled: list[int]
    claimed: list[int]


@asynccontextmanager
async def open_setting() -> AsyncIterator[Setting]:
    scheduler = PickyScheduler()
    registration = Registration(scheduler, ANNOUNCEMENT)
    await registration.announce()

    settled: list[int] = []
    claimed: list[int] = []

    def note_claimed(response: ClaimResponse) -> None:
        claimed.extend(attempt.attempt_id for attempt in response.attempts)

    reporter = Reporter(
        scheduler,
        registration,
        wish=lambda: ClaimRequest(worker_id="w", limits={"null": 1}, limit=1),
        on_settled=settled.append,
        on_claimed=note_claimed,
    )
    running = asyncio.create_task(reporter.run())
    yield Setting(scheduler, reporter, settled, claimed)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    async with open_setting() as found:
        yield found


async def claim(setting: Setting, count: int) -> list[int]:
    added = [setting.scheduler.add("null") for _ in range(count)]
    await setting.scheduler.claim(ClaimRequest(worker_id="w", limits={"null": count}, limit=count))
    return added


def make_report(attempt_id: int, message: str = "") -> AttemptReport:
    return AttemptReport(attempt_id=attempt_id, lease_token=f"lease-{attempt_id}", state="accepted", message=message)


async def test_reports_that_come_together_go_together_and_bring_work(setting: Setting) -> None:
    attempts = await claim(setting, 3)
    next_one = setting.scheduler.add("null")
    for attempt in attempts:
        setting.reporter.add(make_report(attempt))
    await setting.reporter.drained()
    assert setting.scheduler.sizes == [3]
    assert setting.settled == attempts
    assert setting.claimed == [next_one]


async def test_reports_wait_for_a_scheduler_that_is_away_and_has_forgotten_everything(setting: Setting) -> None:
    (attempt,) = await claim(setting, 1)
    setting.scheduler.is_down = True
    before = setting.scheduler.requests
    setting.reporter.add(make_report(attempt))
    await setting.scheduler.until(lambda: setting.scheduler.requests >= before + 2)
    setting.scheduler.forget_workers()
    setting.scheduler.is_down = False
    await setting.reporter.drained()
    assert setting.scheduler.reports[attempt].state == "accepted"


async def test_a_report_that_is_refused_does_not_hold_up_the_others(setting: Setting) -> None:
    good, bad, other = await claim(setting, 3)
    setting.scheduler.refused_words = ("bad",)
    for report in (make_report(good), make_report(bad, "bad"), make_report(other)):
        setting.reporter.add(report)
    await setting.reporter.drained()
    assert setting.scheduler.reports[good].state == "accepted"
    assert setting.scheduler.reports[other].state == "accepted"
    assert setting.scheduler.reports[bad].state == "failed"
    assert setting.scheduler.reports[bad].reason is FailureReason.SCIENCE
    assert "refused the report of the accepted attempt" in (setting.scheduler.reports[bad].message or "")


async def test_a_report_of_an_attempt_that_is_no_longer_ours_is_dropped(setting: Setting) -> None:
    (attempt,) = await claim(setting, 1)
    setting.scheduler.take_away(attempt)
    setting.reporter.add(make_report(attempt))
    await setting.reporter.drained()
    assert setting.settled == [attempt]
    assert setting.scheduler.reports == {}
