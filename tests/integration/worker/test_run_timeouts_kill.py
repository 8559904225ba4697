"""Attempts that run for longer than they may, in real children."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from eas.contracts.scheduler import AttemptReport
from eas.contracts.states import FailureReason
from tests.integration.worker.observation import appearance, gone
from tests.integration.worker.trial import Trial


async def test_a_child_that_will_not_end_is_killed_with_its_descendants_in_time(trial: Trial, tmp_path: Path) -> None:
    await trial.scheduler.report_of(trial.scheduler.add("null"))  # so that a child is there
    clock = asyncio.get_running_loop().time
    begun = clock()
    attempt = trial.scheduler.add("act", {"act": "defy", "note": str(tmp_path / "pids")}, run_timeout=0.8)

    report = await trial.scheduler.report_of(attempt)

    assert (report.state, report.reason) == ("failed", FailureReason.TIMEOUT)
    assert report.message == "ran for longer than 0.8 s"
    took = clock() - begun
    print(f"ended {took:.2f} s after it was queued")
    assert 0.8 <= took < 60
    for word in (await appearance(tmp_path / "pids")).split():
        await gone(int(word))
    assert not [path for path in trial.workspace.attempts.rglob("*") if path.is_file()]
    assert (await trial.scheduler.report_of(trial.scheduler.add("null"))).state == "accepted"


async def test_quality_control_counts(trial: Trial, tmp_path: Path) -> None:
    original = trial.store.put("lightcurve", "star.txt", b"1", {"wait": str(tmp_path / "phase")})
    attempt = trial.scheduler.add("copy", inputs={"original": original}, outputs={"copy": "copy.txt"}, run_timeout=1.0)
    report = await trial.scheduler.report_of(attempt)
    assert await appearance(tmp_path / "phase") == "checking"
    assert (report.state, report.reason) == ("failed", FailureReason.TIMEOUT)
    assert set(trial.store.versions) == {original.version_id}


async def test_attempts_behind_an_overdue_one_are_accepted(trial: Trial, tmp_path: Path) -> None:
    await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "echo"}))
    slow = trial.scheduler.add("act", {"act": "wait", "note": str(tmp_path / "pid")}, run_timeout=1.0)
    behind = [trial.scheduler.add("act", {"act": "echo"}, run_timeout=1.0) for _ in range(20)]
    await trial.scheduler.until(lambda: len(trial.scheduler.reports) == 22)
    assert trial.scheduler.reports[slow].reason is FailureReason.TIMEOUT
    assert {trial.scheduler.reports[attempt].state for attempt in behind} == {"accepted"}


async def test_an_attempt_that_ends_in_time_is_left_alone(trial: Trial) -> None:
    before = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "pid"}, run_timeout=1.0))
    await trial.scheduler.report_of(trial.scheduler.add("null", {"duration": 1.2}))
    after = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "pid"}))
    assert before.metadata["pid"] == after.metadata["pid"]


@pytest.mark.parametrize("head_start", [0.0, 1.0])
async def test_a_cancel_and_a_time_out_make_one_report(trial: Trial, tmp_path: Path, head_start: float) -> None:
    attempt = trial.scheduler.add("act", {"act": "defy", "note": str(tmp_path / "pids")}, run_timeout=1.0)
    pids = [int(word) for word in (await appearance(tmp_path / "pids")).split()]
    heard: list[AttemptReport] = []
    trial.scheduler.on_report = heard.append
    await asyncio.sleep(head_start)
    trial.scheduler.cancel(attempt)
    report = await trial.scheduler.report_of(attempt)
    assert report.reason in (FailureReason.CANCELLED, FailureReason.TIMEOUT)
    for pid in pids:
        await gone(pid)
    assert (await trial.scheduler.report_of(trial.scheduler.add("null"))).state == "accepted"
    assert [found.attempt_id for found in heard].count(attempt) == 1
