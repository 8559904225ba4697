"""One worker with real children: what becomes of an attempt, good or bad."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from eas.contracts.states import FailureReason
from eas.journal.journal import list_segments
from tests.integration.worker.observation import appearance, gone, is_alive, parent_of
from tests.integration.worker.trial import Trial, open_trial


def journal_lines(trial: Trial) -> str:
    return "".join(path.read_text() for path in list_segments(trial.workspace.journal))


async def test_the_announcement_has_every_task_type_that_can_be_imported(trial: Trial) -> None:
    await trial.scheduler.until(lambda: bool(trial.scheduler.announcements))
    (announcement,) = trial.scheduler.announcements.values()
    assert [found.name for found in announcement.task_types] == ["act", "copy", "error", "harm", "null"]
    assert [found.uses_seed for found in announcement.task_types] == [True, True, False, True, False]
    copy = announcement.task_types[1]
    assert [(slot.name, slot.required) for slot in copy.inputs] == [("original", False)]
    assert copy.outputs[0].mime_type == "text/plain"
    assert set(copy.settings_schema["properties"]) == {"verdict", "content", "skip", "outside", "seconds"}


async def test_an_accepted_attempt_is_reported_with_its_times(trial: Trial) -> None:
    report = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "busy", "note": "done"}))
    assert (report.state, report.reason, report.metadata) == ("accepted", None, {"note": "done"})
    assert report.cpu_time is not None
    assert 0.05 <= report.cpu_time < 1.0
    assert report.cpu_time_with_children is not None
    assert report.cpu_time_with_children > report.cpu_time + 0.005
    assert report.wall_time is not None
    assert report.wall_time >= report.cpu_time
    assert report.started_at is not None
    assert report.checking_at is not None
    assert report.ended_at is not None
    assert report.started_at < report.checking_at <= report.ended_at


@pytest.mark.parametrize(
    ("task_type", "settings", "reason", "words"),
    [
        ("act", {"act": "raise"}, FailureReason.SCIENCE, "RuntimeError: the star went out"),
        ("act", {"act": "input", "note": "curve.csv"}, FailureReason.INPUT, "curve.csv: no samples"),
        ("act", {}, FailureReason.INPUT, "setting act: Field required"),
        ("act", {"act": "pid", "colour": 3}, FailureReason.INPUT, "setting colour: Extra inputs are not permitted"),
        ("act", {"act": "memory"}, FailureReason.OUT_OF_MEMORY, "ran out of memory"),
        ("act", {"act": "exit"}, FailureReason.SCIENCE, "sys.exit(3)"),
        ("error", {}, FailureReason.SCIENCE, ""),
    ],
)
async def test_a_failure_has_its_reason_and_the_child_goes_on(
    trial: Trial, task_type: str, settings: dict[str, str], reason: FailureReason, words: str
) -> None:
    report = await trial.scheduler.report_of(trial.scheduler.add(task_type, settings))
    assert (report.state, report.reason) == ("failed", reason)
    assert words in (report.message or "")
    assert (await trial.scheduler.report_of(trial.scheduler.add("null"))).state == "accepted"


async def test_files_are_fetched_checked_and_stored(trial: Trial) -> None:
    original = trial.store.put("lightcurve", "star.txt", b"1 2 3", {"star": "K2-3"})
    report = await trial.scheduler.report_of(
        trial.scheduler.add("copy", inputs={"original": original}, outputs={"copy": "copy.txt"})
    )
    assert report.state == "accepted"
    (output,) = report.outputs
    assert trial.store.contents[output.version_id] == b"1 2 3"
    assert (output.slot, output.directory, output.filename) == ("copy", "trial", "copy.txt")
    assert (output.passed_qc, output.qc_reason, output.metadata) == (True, "looked at", {"length": 5})
    assert output.mime_type == "text/plain"


async def test_uploads_of_a_re_run_say_so(trial: Trial) -> None:
    original = trial.store.put("lightcurve", "star.txt", b"1 2 3")
    first, again = (
        trial.scheduler.add("copy", inputs={"original": original}, outputs={"copy": f"{rerun}.txt"}, rerun=rerun)
        for rerun in (False, True)
    )
    for attempt_id in (first, again):
        assert (await trial.scheduler.report_of(attempt_id)).state == "accepted"
    assert trial.store.reruns == {again}


async def test_files_of_a_rejected_attempt_are_kept_without_passing(trial: Trial) -> None:
    attempt = trial.scheduler.add("copy", {"content": "bad"}, outputs={"copy": "copy.txt"})
    report = await trial.scheduler.report_of(attempt)
    assert (report.state, report.reason) == ("rejected", FailureReason.QUALITY)
    assert report.message == "copy: it is bad"
    (output,) = report.outputs
    assert (output.passed_qc, output.qc_reason) == (False, "it is bad")
    assert trial.store.contents[output.version_id] == b"bad"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"content": ""}, "copy: the file is empty"),
        ({"content": "x", "skip": True}, "copy: the task did not write this output"),
    ],
)
async def test_a_missing_or_empty_output_is_rejected(trial: Trial, settings: dict[str, object], message: str) -> None:
    report = await trial.scheduler.report_of(trial.scheduler.add("copy", settings, outputs={"copy": "copy.txt"}))
    assert (report.state, report.reason, report.message) == ("rejected", FailureReason.QUALITY, message)


async def test_metadata_that_is_not_finite_is_rejected(trial: Trial) -> None:
    report = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "nan"}))
    assert (report.state, report.message) == ("rejected", "metadata period is not finite")


async def test_quality_control_that_breaks_rejects_and_shows_where(trial: Trial) -> None:
    attempt = trial.scheduler.add("copy", {"content": "raise"}, outputs={"copy": "copy.txt"})
    report = await trial.scheduler.report_of(attempt)
    assert (report.state, report.reason) == ("rejected", FailureReason.QUALITY)
    assert "ZeroDivisionError: quality control broke" in (report.message or "")
    assert "in check_copy" in (report.message or "")
    (output,) = report.outputs
    assert output.passed_qc is False


async def test_a_file_outside_of_the_working_directory_is_not_taken(trial: Trial) -> None:
    attempt = trial.scheduler.add("copy", {"outside": True}, outputs={"copy": "copy.txt"})
    report = await trial.scheduler.report_of(attempt)
    assert report.state == "failed"
    assert "outside of the working directory" in (report.message or "")
    assert trial.store.versions == {}


async def test_each_attempt_is_alone_in_its_folder_and_leaves_nothing(trial: Trial) -> None:
    first = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "where"}))
    second = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "where"}))
    for report in (first, second):
        assert report.metadata["cwd"] == report.metadata["directory"]
        assert Path(report.metadata["temporary"]).parent == Path(report.metadata["directory"])
    assert not [path for path in trial.workspace.attempts.rglob("*") if path.is_file()]


async def test_science_code_sees_no_token_and_has_its_own_process_group(trial: Trial) -> None:
    report = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "pid"}))
    assert report.metadata["token"] == ""
    assert report.metadata["group"] == report.metadata["pid"] != os.getpgrp()


async def test_long_settings_and_long_answers_arrive(trial: Trial) -> None:
    note = "é" * 200_000
    report = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "echo", "note": note}))
    assert report.metadata == {"note": note}
    report = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "long", "count": 1_000_000}))
    assert len(report.metadata["text"]) == 1_000_000
    assert not list(trial.workspace.attempts.glob("*.json"))


async def test_integers_beyond_64_bits_fail_the_attempt_in_words(trial: Trial) -> None:
    report = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "count", "count": 2**70}))
    assert (report.state, report.reason) == ("failed", FailureReason.SCIENCE)
    assert "64 bits" in (report.message or "")


async def test_what_a_task_says_is_logged_with_its_ids(trial: Trial) -> None:
    talking = trial.scheduler.add("act", {"act": "talk"})
    failing = trial.scheduler.add("act", {"act": "raise"})
    await trial.scheduler.report_of(talking)
    await trial.scheduler.report_of(failing)
    lines = journal_lines(trial).splitlines()
    said = [line for line in lines if f'"attempt_id":{talking},' in line]
    assert any("printed words" in line for line in said)
    assert any("logged 3 words" in line and '"template":"logged %d words"' in line for line in said)
    assert any("a warning" in line for line in said)
    failed = [line for line in lines if f'"attempt_id":{failing},' in line]
    assert any('"traceback"' in line and "the star went out" in line for line in failed)


async def test_an_attempt_whose_child_is_killed_is_lost_and_the_next_one_runs(trial: Trial) -> None:
    before = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "pid"}))
    report = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "die"}))
    assert (report.state, report.reason) == ("lost", FailureReason.LOST)
    assert report.message == "the process that ran it was killed by SIGKILL"
    after = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "pid"}))
    assert after.state == "accepted"
    assert after.metadata["pid"] != before.metadata["pid"]


async def test_killing_a_child_from_outside_takes_its_descendants_along(trial: Trial, tmp_path: Path) -> None:
    attempt = trial.scheduler.add("act", {"act": "breed", "note": str(tmp_path / "pids")})
    child, grandchild = map(int, (await appearance(tmp_path / "pids")).split())
    os.kill(child, 9)
    report = await trial.scheduler.report_of(attempt)
    assert report.state == "lost"
    await gone(grandchild)


async def test_prefetched_attempts_survive_the_death_of_their_child(trial: Trial) -> None:
    await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "echo"}))
    good = [trial.scheduler.add("act", {"act": "echo", "note": str(index)}) for index in range(20)]
    bad = trial.scheduler.add("act", {"act": "die"})
    more = [trial.scheduler.add("act", {"act": "echo", "note": str(index)}) for index in range(20)]
    await trial.scheduler.until(lambda: len(trial.scheduler.reports) == 42)
    states = {attempt: trial.scheduler.reports[attempt].state for attempt in (*good, bad, *more)}
    assert states.pop(bad) == "lost"
    assert set(states.values()) == {"accepted"}


async def test_a_cancelled_attempt_is_killed_and_reported(trial: Trial, tmp_path: Path) -> None:
    attempt = trial.scheduler.add("act", {"act": "wait", "note": str(tmp_path / "pid")})
    pid = int(await appearance(tmp_path / "pid"))
    trial.scheduler.cancel(attempt)
    report = await trial.scheduler.report_of(attempt)
    assert (report.state, report.reason) == ("cancelled", FailureReason.CANCELLED)
    assert not is_alive(pid)
    assert (await trial.scheduler.report_of(trial.scheduler.add("null"))).state == "accepted"


async def test_an_attempt_that_is_no_longer_ours_is_killed_and_not_reported(trial: Trial, tmp_path: Path) -> None:
    attempt = trial.scheduler.add("act", {"act": "wait", "note": str(tmp_path / "pid")})
    pid = int(await appearance(tmp_path / "pid"))
    trial.scheduler.take_away(attempt)
    assert (await trial.scheduler.report_of(trial.scheduler.add("null"))).state == "accepted"
    assert not is_alive(pid)
    assert attempt not in trial.scheduler.reports


async def test_an_attempt_waiting_for_the_store_can_be_cancelled(trial: Trial) -> None:
    original = trial.store.put("lightcurve", "star.txt", b"1 2 3")
    trial.store.is_down = True
    attempt = trial.scheduler.add("copy", inputs={"original": original}, outputs={"copy": "copy.txt"})
    await trial.scheduler.until(lambda: attempt in trial.scheduler.phases)
    trial.scheduler.cancel(attempt)
    assert (await trial.scheduler.report_of(attempt)).state == "cancelled"


async def test_the_phase_is_told_while_quality_control_runs(trial: Trial, tmp_path: Path) -> None:
    original = trial.store.put("lightcurve", "star.txt", b"1", {"wait": str(tmp_path / "phase")})
    attempt = trial.scheduler.add("copy", inputs={"original": original}, outputs={"copy": "copy.txt"})
    await appearance(tmp_path / "phase")
    await trial.scheduler.until(lambda: "checking" in trial.scheduler.phases.get(attempt, []))
    trial.scheduler.cancel(attempt)
    assert (await trial.scheduler.report_of(attempt)).state == "cancelled"


async def test_an_input_that_is_gone_fails_the_attempt_before_it_runs(trial: Trial) -> None:
    original = trial.store.put("lightcurve", "star.txt", b"1 2 3")
    del trial.store.contents[original.version_id]
    attempt = trial.scheduler.add("copy", inputs={"original": original}, outputs={"copy": "copy.txt"})
    report = await trial.scheduler.report_of(attempt)
    assert (report.state, report.reason) == ("failed", FailureReason.MISSING)
    assert "input 'original'" in (report.message or "")


async def test_an_outage_of_the_store_delays_and_loses_nothing(trial: Trial, tmp_path: Path) -> None:
    original = trial.store.put("lightcurve", "star.txt", b"1 2 3")
    trial.store.is_down = True
    attempt = trial.scheduler.add("copy", inputs={"original": original}, outputs={"copy": "copy.txt"})
    await trial.scheduler.until(lambda: len(trial.scheduler.phases.get(attempt, [])) >= 3)
    assert attempt not in trial.scheduler.reports
    trial.store.is_down = False
    assert (await trial.scheduler.report_of(attempt)).state == "accepted"


async def test_an_outage_of_the_scheduler_does_not_stop_the_work(trial: Trial, tmp_path: Path) -> None:
    attempt = trial.scheduler.add("act", {"act": "wait", "note": str(tmp_path / "pid")})
    pid = int(await appearance(tmp_path / "pid"))
    trial.scheduler.is_down = True
    trial.scheduler.forget_workers()
    requests = trial.scheduler.requests
    await trial.scheduler.until(lambda: trial.scheduler.requests >= requests + 5)
    assert is_alive(pid)
    trial.scheduler.is_down = False
    await trial.scheduler.until(lambda: bool(trial.scheduler.announcements))
    trial.scheduler.cancel(attempt)
    assert (await trial.scheduler.report_of(attempt)).state == "cancelled"


async def test_prefetched_attempts_leave_a_slot_that_is_stuck(trial: Trial, tmp_path: Path) -> None:
    await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "echo"}))
    stuck = trial.scheduler.add("act", {"act": "wait", "note": str(tmp_path / "pid")})
    behind = [trial.scheduler.add("act", {"act": "echo"}) for _ in range(3)]
    for attempt in behind:
        report = await trial.scheduler.report_of(attempt)
        assert (report.state, report.reason) == ("lost", FailureReason.EVICTED)
    assert stuck not in trial.scheduler.reports
    trial.scheduler.cancel(stuck)
    await trial.scheduler.report_of(stuck)


async def test_with_two_slots_prefetched_attempts_move_to_the_free_one(tmp_path: Path) -> None:
    async with open_trial(tmp_path, slots=2) as trial:
        await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "echo"}))
        stuck = trial.scheduler.add("act", {"act": "wait", "note": str(tmp_path / "pid")})
        behind = [trial.scheduler.add("act", {"act": "echo"}) for _ in range(20)]
        await trial.scheduler.until(lambda: len(trial.scheduler.reports) == 21)
        assert {trial.scheduler.reports[attempt].state for attempt in behind} == {"accepted"}
        trial.scheduler.cancel(stuck)
        await trial.scheduler.report_of(stuck)


async def test_two_slots_run_two_attempts_at_once(tmp_path: Path) -> None:
    async with open_trial(tmp_path, slots=2) as trial:
        names = ("first", "second")
        attempts = [trial.scheduler.add("act", {"act": "wait", "note": str(tmp_path / name)}) for name in names]
        pids = [await appearance(tmp_path / name) for name in names]
        assert pids[0] != pids[1]
        for attempt in attempts:
            trial.scheduler.cancel(attempt)
            await trial.scheduler.report_of(attempt)


async def test_without_preload_tasks_run_the_same(tmp_path: Path) -> None:
    async with open_trial(tmp_path, preload=False) as trial:
        report = await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "echo", "note": "x"}))
        assert (report.state, report.metadata) == ("accepted", {"note": "x"})


async def test_if_the_fork_server_dies_its_children_die_and_new_ones_are_raised(trial: Trial, tmp_path: Path) -> None:
    attempt = trial.scheduler.add("act", {"act": "wait", "note": str(tmp_path / "pid")})
    pid = int(await appearance(tmp_path / "pid"))
    os.kill(parent_of(pid), 9)
    assert (await trial.scheduler.report_of(attempt)).state == "lost"
    await gone(pid)
    assert (await trial.scheduler.report_of(trial.scheduler.add("null"))).state == "accepted"


async def test_stopping_lets_the_running_attempt_end_and_hands_back_the_rest(tmp_path: Path) -> None:
    async with open_trial(tmp_path, grace=20.0) as trial:
        running = trial.scheduler.add("null", {"duration": 0.5})
        await trial.scheduler.until(lambda: running in trial.scheduler.phases)
        await trial.stop()
        assert trial.scheduler.reports[running].state == "accepted"
        assert trial.scheduler.running == {}
        assert trial.scheduler.dismissed == ["trial-worker"]


async def test_stopping_hands_back_what_was_prefetched(tmp_path: Path) -> None:
    async with open_trial(tmp_path, grace=0.1) as trial:
        await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "echo"}))
        stuck = trial.scheduler.add("act", {"act": "wait", "note": str(tmp_path / "pid")})
        behind = [trial.scheduler.add("act", {"act": "echo"}) for _ in range(3)]
        await appearance(tmp_path / "pid")
        await trial.stop()
        for attempt in (stuck, *behind):
            if attempt in trial.scheduler.reports:
                report = trial.scheduler.reports[attempt]
                assert (report.state, report.reason) == ("lost", FailureReason.EVICTED)
        assert stuck in trial.scheduler.reports
        assert trial.scheduler.running == {}


async def test_the_scheduler_can_let_it_stop(tmp_path: Path) -> None:
    async with open_trial(tmp_path, grace=20.0) as trial:
        await trial.scheduler.report_of(trial.scheduler.add("null"))
        running = trial.scheduler.add("null", {"duration": 0.5})
        await trial.scheduler.until(lambda: running in trial.scheduler.phases)
        trial.scheduler.draining.add("trial-worker")
        async with asyncio.timeout(120):
            await trial.running
        assert trial.scheduler.reports[running].state == "accepted"
        assert trial.scheduler.dismissed == ["trial-worker"]


async def test_after_the_grace_period_the_running_attempt_is_evicted(tmp_path: Path) -> None:
    async with open_trial(tmp_path, grace=0.1) as trial:
        attempt = trial.scheduler.add("act", {"act": "wait", "note": str(tmp_path / "pid")})
        pid = int(await appearance(tmp_path / "pid"))
        await trial.stop()
        report = trial.scheduler.reports[attempt]
        assert (report.state, report.reason) == ("lost", FailureReason.EVICTED)
        assert not is_alive(pid)


async def test_a_burst_is_prefetched_and_reported_in_batches(trial: Trial) -> None:
    await trial.scheduler.report_of(trial.scheduler.add("null"))
    before = trial.scheduler.requests
    for _ in range(500):
        trial.scheduler.add("null")
    await trial.scheduler.until(lambda: len(trial.scheduler.reports) == 501)
    assert trial.scheduler.requests - before < 250
    assert {report.state for report in trial.scheduler.reports.values()} == {"accepted"}


async def test_a_task_that_takes_long_is_never_prefetched(trial: Trial, tmp_path: Path) -> None:
    await trial.scheduler.report_of(trial.scheduler.add("null", {"duration": 0.3}))
    stuck = trial.scheduler.add("act", {"act": "wait", "note": str(tmp_path / "pid")})
    await appearance(tmp_path / "pid")
    waiting = trial.scheduler.add("null", {"duration": 0.3})
    await trial.scheduler.until(lambda: len(trial.scheduler.phases.get(stuck, [])) >= 3)
    assert waiting not in trial.scheduler.phases
    trial.scheduler.cancel(stuck)
    assert (await trial.scheduler.report_of(waiting)).state == "accepted"


async def test_no_folder_is_left_of_children_that_were_replaced(tmp_path: Path) -> None:
    async with open_trial(tmp_path, child_attempts=1) as trial:
        for _ in range(3):
            assert (await trial.scheduler.report_of(trial.scheduler.add("null"))).state == "accepted"
        await trial.stop()
        assert list(trial.workspace.attempts.iterdir()) == []
