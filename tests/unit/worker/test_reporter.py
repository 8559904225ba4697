"""Reports reach the scheduler, whatever it says to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from eas.contracts.errors import EasError, InvalidInputError
from eas.contracts.scheduler import (
    AttemptReport,
    ClaimRequest,
    ClaimResponse,
    ReportRequest,
    ReportResponse,
    WorkerAnnouncement,
)
from eas.contracts.states import FailureReason
from eas.testing.scheduler import FakeScheduler
from eas_worker.logic.registration import Registration
from eas_worker.logic.reporting import MOST_TRIES, Reporter

ANNOUNCEMENT = WorkerAnnouncement(worker_id="w", host="h", process_id=1, slots=1, task_types=[])


@dataclass
class PickyScheduler(FakeScheduler):
    """Refuses requests that have a report with one of these words."""

    refused_words: tuple[str, ...] = ()
    poison: dict[str, Exception] = field(default_factory=dict)
    take_nothing_of: set[int] = field(default_factory=set)
    sizes: list[int] = field(default_factory=list)

    async def report(self, request: ReportRequest) -> ReportResponse:
        self.sizes.append(len(request.reports))
        self._tell()
        for report in request.reports:
            if report.attempt_id in self.take_nothing_of:
                raise EasError("an unexpected error")
            if report.state == "accepted" and (report.message or "") in self.poison:
                raise self.poison[report.message or ""]
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
        wish=lambda: ClaimRequest(worker_id="w", per_type={"null": 1}, total=1),
        on_settled=settled.append,
        on_claimed=note_claimed,
        first_pause=0.001,
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
    await setting.scheduler.claim(ClaimRequest(worker_id="w", per_type={"null": count}, total=count))
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


@pytest.mark.parametrize("error", [EasError("an unexpected error"), TypeError("surrogates not allowed")])
async def test_a_report_at_which_the_scheduler_fails_ends_and_the_others_go_on(
    setting: Setting, error: Exception
) -> None:
    good, bad, other = await claim(setting, 3)
    setting.scheduler.poison = {"bad": error}
    for report in (make_report(good), make_report(bad, "bad"), make_report(other)):
        setting.reporter.add(report)
    await asyncio.wait_for(setting.reporter.drained(), 120)
    assert setting.scheduler.reports[good].state == setting.scheduler.reports[other].state == "accepted"
    assert setting.scheduler.reports[bad].state == "failed"
    assert str(error) in (setting.scheduler.reports[bad].message or "")
    assert sorted(setting.settled) == [good, bad, other]
    assert setting.scheduler.sizes.count(1) >= MOST_TRIES


async def test_a_report_that_fails_for_a_while_is_recorded_as_it_is(setting: Setting) -> None:
    (bad,) = await claim(setting, 1)
    setting.scheduler.poison = {"bad": EasError("an unexpected error")}
    setting.reporter.add(make_report(bad, "bad"))
    assert not setting.reporter.is_idle
    await setting.scheduler.until(lambda: setting.reporter.is_idle)
    await setting.scheduler.until(lambda: len(setting.scheduler.sizes) >= MOST_TRIES - 2)
    setting.scheduler.poison.clear()
    await asyncio.wait_for(setting.reporter.drained(), 120)
    assert setting.scheduler.reports[bad].state == "accepted"


async def test_a_report_that_nobody_takes_in_any_form_is_given_up(setting: Setting) -> None:
    good, bad = await claim(setting, 2)
    setting.scheduler.take_nothing_of = {bad}
    setting.reporter.add(make_report(bad))
    setting.reporter.add(make_report(good))
    await asyncio.wait_for(setting.reporter.drained(), 120)
    assert sorted(setting.settled) == [good, bad]
    assert list(setting.scheduler.reports) == [good]
