"""Attempts that run for longer than they may, with children that only pretend and a clock that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from eas.contracts.scheduler import ClaimedAttempt, TaskTypeDescription
from eas.contracts.states import FailureReason
from eas_worker.domain.assignment import Answer, Assignment, CheckingNotice, Departure
from eas_worker.domain.prefetch import RunTimes
from eas_worker.domain.reports import report_overdue
from eas_worker.domain.share import Share
from eas_worker.logic.active_attempt import ActiveAttempt, Stage
from eas_worker.logic.ports import Child
from eas_worker.logic.slot_pool import SlotPool
from tests.support.virtual_time import in_virtual_time

KILLED = Departure(9, None)


@dataclass(eq=False)
class PretendedChild:
    """Reads attempts and answers them when it is told to; dies when it is told to."""

    pid: int
    killed: asyncio.Event = field(default_factory=asyncio.Event)
    unread: list[int] = field(default_factory=list)
    said: list[Answer | CheckingNotice] = field(default_factory=list)

    def send(self, assignment: Assignment) -> bool:
        self.unread.append(assignment.attempt_id)
        return True

    def receive(self) -> list[Answer | CheckingNotice]:
        said, self.said = self.said, []
        return said

    def recall(self) -> list[int]:
        unread, self.unread = self.unread, []
        return unread

    def kill(self) -> None:
        self.killed.set()

    def close(self) -> None:
        pass

    def read(self) -> int:
        return self.unread.pop(0)

    def answer(self, attempt_id: int) -> None:
        self.said.append(Answer(attempt_id, "accepted", started_at=0.0, ended_at=0.01))


@dataclass
class FakeChildStarter:
    """Where they come from."""

    children: list[PretendedChild] = field(default_factory=list)

    async def start(
        self, _share: Share, *, on_word: Callable[[Child], None], on_death: Callable[[Child, Departure], None]
    ) -> list[TaskTypeDescription]:
        self.hear, self.bury = on_word, on_death
        return []

    async def start_child(self, _slot: int) -> PretendedChild:
        self.children.append(PretendedChild(100 + len(self.children)))
        return self.children[-1]

    async def stop(self) -> None:
        pass


class Place:
    """One slot with all that happens to its attempts."""

    def __init__(self) -> None:
        self.shift = 0.0
        self.child_starter = FakeChildStarter()
        self.answered: list[int] = []
        self.heard = asyncio.Event()
        self.lost: list[ActiveAttempt] = []
        self.place = asyncio.Event()
        self.run_times = RunTimes()
        self.run_times.observe("short", 0.001)
        self.slot_pool = SlotPool(
            self.child_starter,
            1,
            self.run_times,
            on_answer=self.take_answer,
            on_loss=lambda attempt, _departure: self.lost.append(attempt),
            on_place=self.place.set,
            on_refused=lambda attempt, _error: self.lost.append(attempt),
            clock=lambda: self.now,
        )

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() + self.shift

    def take_answer(self, attempt: ActiveAttempt, _answer: Answer) -> None:
        self.answered.append(attempt.attempt_id)
        self.heard.set()

    async def open(self) -> PretendedChild:
        await self.slot_pool.start(Share())
        return await self.new_child()

    async def new_child(self) -> PretendedChild:
        await self.place.wait()
        self.place.clear()
        return self.child_starter.children[-1]

    def give(self, attempt_id: int, run_timeout: float | None = None) -> ActiveAttempt:
        claimed = ClaimedAttempt(
            attempt_id=attempt_id,
            lease_token="t",
            task_id=1,
            job_id=1,
            number=1,
            task_type="short",
            run_timeout=run_timeout,
        )
        attempt = ActiveAttempt(claimed, assignment=Assignment(attempt_id, 1, 1, "short", ""))
        self.slot_pool.give(attempt)
        return attempt


@pytest.fixture
def bench() -> Place:
    return Place()


async def killing_of(child: PretendedChild) -> None:
    async with asyncio.timeout(60):
        await child.killed.wait()


@in_virtual_time
async def test_an_attempt_that_runs_too_long_takes_its_child_along_but_not_what_waits_behind_it(bench: Place) -> None:
    child = await bench.open()
    slow, next_one = bench.give(1, run_timeout=0.02), bench.give(2)
    assert child.read() == 1
    assert child.unread == [2]

    await killing_of(child)

    assert (slow.overdue, next_one.overdue) == (True, False)
    assert next_one.stage is Stage.READY
    bench.give(3)
    assert child.unread == [], "a child that is being killed gets nothing more"
    bench.child_starter.bury(child, KILLED)
    assert bench.lost == [slow]
    assert (await bench.new_child()).unread == [2, 3]


@in_virtual_time
async def test_time_waiting_behind_another_attempt_does_not_count(bench: Place) -> None:
    child = await bench.open()
    bench.give(1, run_timeout=0.05)
    begun = bench.now
    child.read()
    second = bench.give(2, run_timeout=0.1)
    await asyncio.sleep(0.03)
    child.answer(1)
    bench.child_starter.hear(child)
    child.read()

    await killing_of(child)

    assert bench.now - begun == pytest.approx(0.03 + 0.1)
    assert bench.answered == [1]
    assert second.overdue


@in_virtual_time
async def test_an_attempt_that_has_just_ended_saves_its_child(bench: Place) -> None:
    child = await bench.open()
    first = bench.give(1, run_timeout=0.02)
    second = bench.give(2)
    child.read()
    child.answer(1)  # and nobody has heard it yet
    child.read()
    bench.give(3)

    async with asyncio.timeout(60):
        await bench.heard.wait()

    assert not child.killed.is_set()
    assert not first.overdue
    assert second.stage is Stage.GIVEN
    assert child.unread == [3], "what was taken back has been given again"


@in_virtual_time
async def test_what_a_child_has_not_begun_cannot_be_overdue(bench: Place) -> None:
    child = await bench.open()
    attempt = bench.give(1, run_timeout=0.02)

    await asyncio.sleep(0.05)

    assert not child.killed.is_set()
    assert child.unread == [1]
    assert not attempt.overdue


@in_virtual_time
async def test_after_a_cancel_the_alarm_is_silent(bench: Place) -> None:
    child = await bench.open()
    attempt = bench.give(1, run_timeout=0.02)
    child.read()

    assert not bench.slot_pool.stop_attempt(attempt)
    await asyncio.sleep(0.05)
    bench.child_starter.bury(child, KILLED)

    assert bench.lost == [attempt]
    assert not attempt.overdue


@in_virtual_time
async def test_without_a_time_out_no_alarm_is_set(bench: Place) -> None:
    child = await bench.open()
    bench.give(1)
    child.read()
    await asyncio.sleep(3600)
    assert not child.killed.is_set()


@in_virtual_time
async def test_a_type_that_ran_too_long_is_not_prefetched_behind(bench: Place) -> None:
    child = await bench.open()
    bench.give(1, run_timeout=0.3)
    child.read()
    assert bench.run_times.is_short("short")
    await killing_of(child)
    assert not bench.run_times.is_short("short")


@pytest.mark.parametrize(("seconds", "words"), [(30.0, "30 s"), (0.25, "0.25 s"), (2_000_000.0, "2000000 s")])
def test_the_report_says_what_was_allowed(seconds: float, words: str) -> None:
    claimed = ClaimedAttempt(
        attempt_id=1, lease_token="t", task_id=1, job_id=1, number=1, task_type="x", run_timeout=seconds
    )
    report = report_overdue(claimed)
    assert (report.state, report.reason) == ("failed", FailureReason.TIMEOUT)
    assert report.message == f"ran for longer than {words}"


@in_virtual_time
async def test_what_waits_behind_a_run_that_takes_long_is_handed_back_once(bench: Place) -> None:
    child = await bench.open()
    bench.give(1)
    behind = bench.give(2)
    child.read()

    assert bench.slot_pool.relieve() == []
    bench.shift = 3.0
    assert bench.slot_pool.relieve() == [behind]
    child.answer(1)
    bench.child_starter.hear(child)

    bench.give(3)
    bench.give(4)
    assert child.unread == [3], "nothing waits behind a task of this type until some have run as they should"
