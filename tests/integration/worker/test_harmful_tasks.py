"""Tasks that do harm: each is contained, reported with its reason, and its neighbours finish."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from eas.contracts.scheduler import AttemptReport
from eas.contracts.states import FailureReason
from tests.integration.worker.observation import appearance, gone, is_alive, parent_of
from tests.integration.worker.trial import Trial, open_trial

#: A task that takes longer than this to be contained is not [s].
SOON = 120.0


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Trial]:
    """A worker with two slots, of which the tests harm one."""
    async with open_trial(tmp_path, slots=2) as found:
        await found.scheduler.report_of(found.scheduler.add("harm", {"harm": "do_nothing"}))
        yield found


async def harm(trial: Trial, what: str, note: str = "", **limits: Any) -> AttemptReport:
    """Let a task do harm while another runs beside it. The other ends well, and so does one that comes after."""
    neighbour = trial.scheduler.add("null", {"duration": 1.0})
    attempt = trial.scheduler.add("harm", {"harm": what, "note": note}, **limits)
    async with asyncio.timeout(SOON):
        report = await trial.scheduler.report_of(attempt)
        assert (await trial.scheduler.report_of(neighbour)).state == "accepted"
        after = trial.scheduler.add("harm", {"harm": "do_nothing"})
        assert (await trial.scheduler.report_of(after)).state == "accepted"
    return report


def log_of(trial: Trial, attempt: int) -> list[str]:
    lines = [line for path in trial.workspace.journal.glob("*.ndjson") for line in path.read_text().splitlines()]
    return [line for line in lines if f'"attempt_id":{attempt},' in line]


@pytest.mark.parametrize("what", ["allocate", "allocate_at_once", "allocate_in_a_child"])
async def test_memory_without_end(pair: Trial, what: str) -> None:
    report = await harm(pair, what, memory_gb=0.3)
    assert (report.state, report.reason) == ("failed", FailureReason.OUT_OF_MEMORY)
    assert "it may use 0.3 GB" in (report.message or "")
    assert report.peak_memory is not None


async def test_more_memory_than_can_be_had_at_once(pair: Trial) -> None:
    report = await harm(pair, "allocate_at_once", memory_gb=0.1)
    assert (report.state, report.reason) == ("failed", FailureReason.OUT_OF_MEMORY)


async def test_a_fork_bomb(pair: Trial, tmp_path: Path) -> None:
    report = await harm(pair, "fork_bomb", str(tmp_path / "pids"), max_processes=20)
    assert (report.state, report.reason) == ("failed", FailureReason.OVER_LIMIT)
    assert "it may have 20" in (report.message or "")
    for word in set((tmp_path / "pids").read_text().split()):
        await gone(int(word))


@pytest.mark.parametrize("what", ["burn", "burn_in_a_child"])
async def test_processor_time(pair: Trial, what: str) -> None:
    report = await harm(pair, what, cpu_timeout=0.3)
    assert (report.state, report.reason) == ("failed", FailureReason.TIMEOUT)
    assert "it may use 0.3 s" in (report.message or "")


async def test_files_without_end(pair: Trial) -> None:
    report = await harm(pair, "fill_disk", disk_gb=0.02)
    assert (report.state, report.reason) == ("failed", FailureReason.OVER_LIMIT)
    assert "it may write 0.02 GB" in (report.message or "")
    assert not [path for path in pair.workspace.attempts.rglob("*") if path.is_file()]


async def test_one_file_that_is_too_large(pair: Trial) -> None:
    report = await harm(pair, "write_one_large_file", disk_gb=0.02)
    assert (report.state, report.reason) == ("failed", FailureReason.OVER_LIMIT)
    assert "larger file" in (report.message or "")


async def test_what_programs_print_is_in_the_log_whatever_it_is(pair: Trial) -> None:
    report = await harm(pair, "print_binary")
    said = log_of(pair, report.attempt_id)
    assert report.state == "accepted"
    assert any("rubbish" in line and "\\\\xff" in line and '"logger":"stdout"' in line for line in said)
    assert any('"message":"said by a program"' in line for line in said)
    assert any('"message":"and complained"' in line and '"level":30' in line for line in said)
    assert any('"message":"no end of line"' in line for line in said)
    assert sum('"emitted"' in line for line in said) >= 1


async def test_a_flood_from_compiled_code_is_cut_and_does_not_block(pair: Trial) -> None:
    report = await harm(pair, "flood")
    assert report.state == "accepted"
    said = log_of(pair, report.attempt_id)
    assert 100_000 < sum("fills the pipe" in line for line in said) < 300_000
    assert sum("is left out" in line for line in said) == 1


async def test_closed_streams_are_open_again_for_the_next(pair: Trial) -> None:
    report = await harm(pair, "close_streams")
    assert report.state == "accepted"
    for _ in range(4):
        report = await harm(pair, "print_binary")
        assert any("said by a program" in line for line in log_of(pair, report.attempt_id))


async def test_a_crash_is_the_tasks_own_and_its_traceback_is_in_its_log(pair: Trial) -> None:
    report = await harm(pair, "crash")
    assert (report.state, report.reason) == ("failed", FailureReason.SCIENCE)
    assert "SIGSEGV" in (report.message or "")
    said = log_of(pair, report.attempt_id)
    assert any("Segmentation fault" in line for line in said)
    assert any("in crash" in line for line in said)


async def test_leaving_without_a_word_is_the_tasks_own(pair: Trial) -> None:
    report = await harm(pair, "leave")
    assert (report.state, report.reason) == ("failed", FailureReason.SCIENCE)
    assert report.message == "the task ended its process with exit status 5"


@pytest.mark.parametrize("what", ["leave_a_daemon", "leave_a_daemon_and_die"])
async def test_a_daemon_ends_with_its_attempt(pair: Trial, tmp_path: Path, what: str) -> None:
    await harm(pair, what, str(tmp_path / "pid"))
    await gone(int((tmp_path / "pid").read_text()))


async def test_a_daemon_ends_with_a_time_out(pair: Trial, tmp_path: Path) -> None:
    report = await harm(pair, "leave_a_daemon_and_stay", str(tmp_path / "pid"), run_timeout=2.0)
    assert report.reason is FailureReason.TIMEOUT
    await gone(int((tmp_path / "pid").read_text()))


async def test_a_daemon_ends_with_a_cancelled_attempt(pair: Trial, tmp_path: Path) -> None:
    attempt = pair.scheduler.add("harm", {"harm": "leave_a_daemon_and_stay", "note": str(tmp_path / "pid")})
    pid = int(await appearance(tmp_path / "pid"))
    pair.scheduler.cancel(attempt)
    assert (await pair.scheduler.report_of(attempt)).state == "cancelled"
    await gone(pid)


async def test_a_daemon_ends_with_the_fork_server(pair: Trial, tmp_path: Path) -> None:
    attempt = pair.scheduler.add("harm", {"harm": "leave_a_daemon_and_stay", "note": str(tmp_path / "pid")})
    pid = int(await appearance(tmp_path / "pid"))
    before = await pair.scheduler.report_of(pair.scheduler.add("harm", {"harm": "do_nothing"}))
    os.kill(parent_of(int(before.metadata["pid"])), 9)
    assert (await pair.scheduler.report_of(attempt)).state == "lost"
    await gone(pid)


async def test_threads_that_stay_end_with_their_process(pair: Trial) -> None:
    report = await harm(pair, "leave_threads")
    assert report.state == "accepted"
    await gone(int(report.metadata["pid"]))


async def test_a_removed_working_directory(pair: Trial) -> None:
    assert (await harm(pair, "remove_directory")).state == "accepted"


async def test_a_full_table_of_descriptors(pair: Trial) -> None:
    report = await harm(pair, "fill_descriptors")
    assert report.state == "accepted"
    await gone(int(report.metadata["pid"]))


async def test_a_fork_that_comes_back_answers_nothing(pair: Trial) -> None:
    assert (await harm(pair, "fork_and_return")).state == "accepted"


async def test_what_a_task_changed_is_as_before_for_the_next(tmp_path: Path) -> None:
    async with open_trial(tmp_path) as trial:
        clean = await trial.scheduler.report_of(trial.scheduler.add("harm", {"harm": "do_nothing"}))
        harmed = await trial.scheduler.report_of(trial.scheduler.add("harm", {"harm": "disturb"}))
        after = await trial.scheduler.report_of(trial.scheduler.add("harm", {"harm": "do_nothing"}))
        assert harmed.state == "accepted"
        assert harmed.metadata["left"] == "1"
        seeded = ("random", "numpy")
        expected = {name: value for name, value in clean.metadata.items() if name not in seeded}
        assert {name: value for name, value in after.metadata.items() if name not in seeded} == expected
        assert is_alive(int(clean.metadata["pid"]))
        talking = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "talk"}))
        assert any("printed words" in line for line in log_of(trial, talking.attempt_id))


async def test_a_process_that_is_worn_out_is_replaced(tmp_path: Path) -> None:
    async with open_trial(tmp_path, child_attempts=3) as trial:
        attempts = [trial.scheduler.add("harm", {"harm": "do_nothing"}) for _ in range(12)]
        reports = [await trial.scheduler.report_of(attempt) for attempt in attempts]
    assert {report.state for report in reports} == {"accepted"}
    pids = [report.metadata["pid"] for report in reports]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 3, 3]


async def test_what_an_attempt_used_is_reported(pair: Trial) -> None:
    report = await pair.scheduler.report_of(pair.scheduler.add("harm", {"harm": "print_binary"}))
    assert report.peak_memory is not None
    assert 10_000_000 < report.peak_memory < 1_000_000_000
    assert report.written_bytes is not None
    assert 500_000 < report.written_bytes < 2_000_000
