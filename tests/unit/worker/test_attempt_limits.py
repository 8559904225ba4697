"""What is too much, what a death means, and how the fork server learns of it."""

from __future__ import annotations

import errno
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eas.contracts.scheduler import ClaimedAttempt
from eas.contracts.states import FailureReason
from eas_worker.domain.assignment import WORKER_FAULT, Departure
from eas_worker.domain.failures import explain_death, explain_failure
from eas_worker.domain.limits import NO_LIMITS, AttemptLimits, Cause, Usage, find_excess
from eas_worker.domain.reports import report_death
from eas_worker.storage.attempt_page import AttemptPage
from eas_worker.storage.control_group import count_oom_kills, find_oom_counter, read_memory_bound
from eas_worker.storage.process_tree import kill_left_behind, kill_tree, read_usage, tree_of
from eas_worker.storage.watch import measure_folder

ALL = AttemptLimits(memory_gb=2.0, cpu_timeout=10.0, disk_gb=1.0, max_processes=8)
CLAIMED = ClaimedAttempt(attempt_id=7, lease_token="t", task_id=1, job_id=1, number=1, task_type="null")


@pytest.mark.parametrize(
    ("usage", "reason", "words"),
    [
        (Usage(memory=2_100_000_000), FailureReason.OUT_OF_MEMORY, "used 2.1 GB of memory; it may use 2 GB"),
        (Usage(cpu_time=10.5), FailureReason.TIMEOUT, "used 10.5 s of processor time; it may use 10 s"),
        (Usage(disk=1_500_000_000), FailureReason.OVER_LIMIT, "wrote 1.5 GB of files; it may write 1 GB"),
        (Usage(processes=9), FailureReason.OVER_LIMIT, "had 9 processes and threads at once; it may have 8"),
    ],
)
def test_too_much_of_anything_has_its_reason(usage: Usage, reason: FailureReason, words: str) -> None:
    assert find_excess(7, usage, ALL) == Cause(7, reason, words)
    assert find_excess(7, usage, NO_LIMITS) is None


def test_what_is_allowed_may_be_used_up() -> None:
    assert find_excess(7, Usage(2_000_000_000, 10.0, 1_000_000_000, 8), ALL) is None


def test_limits_of_the_task_come_before_those_of_the_worker() -> None:
    own = AttemptLimits(memory_gb=4.0)
    assert own.over(ALL) == AttemptLimits(4.0, 10.0, 1.0, 8)


@pytest.mark.parametrize(
    ("departure", "reason", "words"),
    [
        (Departure(11, None), FailureReason.SCIENCE, "the task crashed with SIGSEGV: it used memory"),
        (Departure(6, None), FailureReason.SCIENCE, "the task crashed with SIGABRT"),
        (Departure(24, None), FailureReason.TIMEOUT, "SIGXCPU"),
        (Departure(25, None), FailureReason.OVER_LIMIT, "SIGXFSZ"),
        (Departure(9, None), FailureReason.LOST, "was killed by SIGKILL"),
        (Departure(15, None), FailureReason.LOST, "was killed by SIGTERM"),
        (Departure(64, None), FailureReason.LOST, "was killed by"),
        (Departure(None, 3), FailureReason.SCIENCE, "the task ended its process with exit status 3"),
        (Departure(None, 0), FailureReason.SCIENCE, "the task ended its process with exit status 0"),
        (Departure(None, WORKER_FAULT), FailureReason.INFRASTRUCTURE, "could not go on"),
        (Departure(None, None), FailureReason.LOST, "vanished"),
    ],
)
def test_deaths_have_reasons(departure: Departure, reason: FailureReason, words: str) -> None:
    found, message = explain_death(departure)
    assert found is reason
    assert words in message


def test_only_what_may_have_come_from_outside_is_lost() -> None:
    assert report_death(CLAIMED, Departure(9, None)).state == "lost"
    assert report_death(CLAIMED, Departure(11, None)).state == "failed"


def test_a_cause_is_held_against_its_own_attempt_only() -> None:
    cause = Cause(7, FailureReason.OUT_OF_MEMORY, "used too much")
    guilty = report_death(CLAIMED, Departure(9, None, peak_memory=5, cause=cause))
    assert (guilty.state, guilty.reason, guilty.message) == ("failed", FailureReason.OUT_OF_MEMORY, "used too much")
    assert guilty.peak_memory == 5
    innocent = report_death(CLAIMED.model_copy(update={"attempt_id": 8}), Departure(9, None, cause=cause))
    assert (innocent.state, innocent.reason) == ("lost", FailureReason.EVICTED)


def test_a_full_disk_is_the_workers_and_a_file_too_large_the_tasks() -> None:
    assert explain_failure(OSError(errno.ENOSPC, "full"))[0] is FailureReason.INFRASTRUCTURE
    assert explain_failure(OSError(errno.EFBIG, "large"))[0] is FailureReason.OVER_LIMIT
    assert explain_failure(OSError(errno.EACCES, "no"))[0] is FailureReason.SCIENCE


def test_the_page_tells_the_fork_server_what_runs() -> None:
    page = AttemptPage()
    assert page.read() is None
    page.begin(7, 5, 3, ALL, 1.5)
    running = page.read()
    assert running is not None
    assert (running.attempt_id, running.task_id, running.job_id, running.limits) == (7, 5, 3, ALL)
    assert running.cpu_before == 1.5
    page.note_peak(100)
    page.note_peak(50)
    assert page.end() == 100
    assert page.read() is None
    page.begin(7, 5, 3, NO_LIMITS, 0.0)
    again = page.read()
    assert again is not None
    assert (again.limits, page.peak) == (NO_LIMITS, 0)
    assert not page.is_at(7, running.serial)
    page.close()


@pytest.mark.parametrize(
    ("membership", "file", "content"),
    [
        ("0::/pod/box\n", "pod/box/memory.events", "low 0\noom 4\noom_kill 3\n"),
        ("0::/pod/box\n", "memory.events", "oom_kill 3\n"),
        ("4:memory:/box\n0::/\n", "memory/box/memory.oom_control", "under_oom 0\noom_kill 3\n"),
        ("4:memory:/on/the/host\n", "memory/memory.oom_control", "oom_kill 3\n"),
    ],
)
def test_the_kernels_own_count_is_found(tmp_path: Path, membership: str, file: str, content: str) -> None:
    (tmp_path / "cgroup").write_text(membership)
    place = tmp_path / "groups" / file
    place.parent.mkdir(parents=True)
    place.write_text(content)
    found = find_oom_counter(tmp_path / "cgroup", tmp_path / "groups")
    assert found == place
    assert count_oom_kills(found) == 3


def test_without_a_control_group_nothing_is_counted(tmp_path: Path) -> None:
    assert find_oom_counter(tmp_path / "none", tmp_path) is None
    assert count_oom_kills(None) == 0


def test_a_tree_is_listed_and_ended_whatever_sessions_its_processes_are_in() -> None:
    code = "import subprocess, time; subprocess.Popen(['sleep', '600'], start_new_session=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=True) as process:
        until = time.monotonic() + 120
        while len(pids := tree_of(process.pid)) < 2 and time.monotonic() < until:
            os.sched_yield()
        assert pids[0] == process.pid
        grandchild = read_usage(pids[1])
        assert grandchild is not None
        assert grandchild.threads == 1
        kill_tree(process.pid)
        assert process.wait() == -signal.SIGKILL
        while (usage := read_usage(pids[1])) is not None and usage.threads and time.monotonic() < until:
            os.sched_yield()
        assert usage is None or usage.threads == 0


def test_somebody_who_looks_around_in_a_folder_is_spared(tmp_path: Path) -> None:
    guest, terminal = pty.fork()
    if guest == 0:
        os.chdir(tmp_path)
        os.execv("/bin/sleep", ["sleep", "600"])
    until = time.monotonic() + 120
    while Path(f"/proc/{guest}/cwd").readlink() != tmp_path and time.monotonic() < until:
        os.sched_yield()
    try:
        with subprocess.Popen(["sleep", "600"], cwd=tmp_path, env={}) as left:
            assert kill_left_behind(tmp_path) == 1
            assert left.wait() == -signal.SIGKILL
        assert os.waitpid(guest, os.WNOHANG) == (0, 0)
    finally:
        os.kill(guest, signal.SIGKILL)
        os.waitpid(guest, 0)
        os.close(terminal)


def test_a_folder_is_measured_with_all_below_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"x" * 100_000)
    (tmp_path / "link").symlink_to("/")
    assert 100_000 <= measure_folder(tmp_path) < 200_000
    assert measure_folder(tmp_path / "none") == 0


@pytest.mark.parametrize(
    ("membership", "file", "text", "bound"),
    [
        ("0::/pod/box\n", "pod/box/memory.max", "1073741824\n", 1 << 30),
        ("0::/on/the/host\n", "memory.max", "1073741824\n", 1 << 30),
        ("0::/\n", "memory.max", "max\n", None),
        ("4:memory:/box\n0::/\n", "memory/box/memory.limit_in_bytes", "1073741824\n", 1 << 30),
        ("4:memory:/\n", "memory/memory.limit_in_bytes", "9223372036854771712\n", None),
        ("0::/\n", "other", "", None),
    ],
)
def test_the_memory_that_there_is_is_the_containers_or_the_machines(
    tmp_path: Path, membership: str, file: str, text: str, bound: int | None
) -> None:
    place = tmp_path / "groups" / file
    place.parent.mkdir(parents=True)
    place.write_text(text)
    (tmp_path / "cgroup").write_text(membership)
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert read_memory_bound(tmp_path / "cgroup", tmp_path / "groups") == (bound or machine)
