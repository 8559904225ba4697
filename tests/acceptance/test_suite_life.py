"""A suite that starts, stops, and loses its processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import ENVIRONMENT, RunningSuite, eas, processes_of, running_suite, wait_until

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]


def many_tasks(count: int, seconds: float) -> dict[str, Any]:
    body = [{"task": "null", "duration": seconds}]
    loop = {"task": "execution_for_loop", "parameter": "n", "linear_range": [1, count, count], "task_list": body}
    return {"job_name": "many", "task_list": [loop]}


def running_tasks(suite: RunningSuite) -> list[Any]:
    return [worker for worker in suite.get("/scheduler/workers") if worker["running"]]


@pytest.mark.parametrize(("number", "ignored"), [(signal.SIGINT, "INT HUP"), (signal.SIGTERM, ""), (signal.SIGHUP, "")])
def test_a_suite_stops_cleanly(tmp_path: Path, number: signal.Signals, ignored: str) -> None:
    suite = RunningSuite(tmp_path / "data", "--workers", "1", ignored=ignored)
    if ignored:
        suite.process.send_signal(signal.SIGHUP)
    suite.submit({"task_list": [{"task": "null"}]}, "--wait")

    assert suite.stop(number) == 0

    assert processes_of(suite.data) == {}
    assert suite.errors.read_text() == ""
    assert not (suite.data / "endpoint.json").exists()
    assert [path for path in (suite.data / "workers").iterdir() if path.is_dir() and path.name != "~cache"] == []


def test_what_a_suite_knows_is_there_when_it_starts_again(tmp_path: Path) -> None:
    with running_suite(tmp_path / "data") as suite:
        job = suite.submit(many_tasks(2, 0), "--wait")
        tokens = (suite.data / "tokens.json").read_text()
    with running_suite(tmp_path / "data") as suite:
        assert suite.ask("jobs") == [job]
        assert (suite.data / "tokens.json").read_text() == tokens


def test_a_running_task_is_handed_back_and_done_after_the_next_start(tmp_path: Path) -> None:
    with running_suite(tmp_path / "data", "--workers", "1") as suite:
        job = suite.submit({"task_list": [{"task": "null", "duration": 4}, {"task": "null"}]})
        wait_until(lambda: running_tasks(suite))
        suite.process.send_signal(signal.SIGINT)
        assert suite.process.wait(120) == 0
    with running_suite(tmp_path / "data") as suite:
        wait_until(lambda: suite.get("/scheduler/jobs")["items"][0]["state"] == "done", seconds=180)
        assert all(states[-1] == "accepted" for states in suite.attempts(job["job_id"]).values())


def test_two_suites_do_not_share_a_folder_or_a_port(suite: RunningSuite, tmp_path: Path) -> None:
    same_folder = eas("up", "--data", suite.data, "--port", "0")
    same_port = eas("up", "--data", tmp_path / "other", "--port", suite.url.rpartition(":")[2])

    assert (same_folder.returncode, same_folder.stdout) == (1, "")
    assert "already running" in same_folder.stderr
    assert (same_port.returncode, same_port.stdout) == (1, "")
    assert "is in use" in same_port.stderr


def test_workers_that_cannot_start_are_reported(tmp_path: Path) -> None:
    done = eas("up", "--data", tmp_path / "data", "--port", "0", EAS_WORKER_ONLY="no_such_type")

    assert (done.returncode, done.stdout) == (1, "")
    assert "the workers do not start" in done.stderr
    assert processes_of(tmp_path / "data") == {}


def test_a_users_own_tokens_are_used(tmp_path: Path) -> None:
    tokens = tmp_path / "mine.json"
    tokens.write_text(json.dumps({"s3cret": {"name": "ada", "scopes": ["operate"]}}))
    tokens.chmod(0o600)
    with running_suite(tmp_path / "data", "--tokens-file", tokens, "--host", "127.0.0.1") as suite:
        job = suite.submit({"task_list": [{"task": "null"}]}, "--wait")
        assert (job["state"], job["submitted_by"]) == ("done", "ada")
        assert not (suite.data / "tokens.json").exists()


def test_a_worker_that_is_killed_is_replaced_and_the_job_goes_on(tmp_path: Path) -> None:
    with running_suite(tmp_path / "data") as suite:
        before = {worker["worker_id"] for worker in suite.ask("workers")}
        job = suite.submit(many_tasks(6, 1.0))
        victim = wait_until(lambda: running_tasks(suite))[0]
        os.kill(victim["process_id"], signal.SIGKILL)

        wait_until(lambda: suite.get("/scheduler/jobs")["items"][0]["state"] == "done", seconds=180)

        attempts = suite.attempts(job["job_id"])
        wait_until(lambda: len(suite.workers()) == 2, seconds=120)
        after = {worker["worker_id"] for worker in suite.ask("workers")}
        assert len(after) == 2
        assert victim["worker_id"] not in after
        assert len(after & before) == 1
        assert len(attempts) == 6
        assert all(states.count("accepted") == 1 for states in attempts.values())
        assert sum(states.count("lost") for states in attempts.values()) >= 1
    assert f"worker {victim['worker_id']} was killed by signal 9" in suite.errors.read_text()


STAY = """
import os, subprocess, time
from pathlib import Path
from eas import TaskContext, TaskSettings, task_type

class Place(TaskSettings):
    place: str

@task_type(version="1")
def stay(context: TaskContext, settings: Place):
    path = Path(settings.place)
    if not path.exists():
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        path.with_suffix(".new").write_text(f"{os.getppid()} {os.getpid()} {child.pid}")
        path.with_suffix(".new").rename(path)
        time.sleep(600)
"""


def test_a_task_whose_worker_and_fork_server_are_killed_leaves_nothing_and_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "types").mkdir()
    (tmp_path / "types" / "stay.py").write_text(STAY)
    pids = tmp_path / "pids"
    options = ("--workers", "1", "--task-types", tmp_path / "types")
    suite = RunningSuite(tmp_path / "data", *options, EAS_WORKER_ONLY="stay")
    try:
        job = suite.submit({"task_list": [{"task": "stay", "place": str(pids)}]})
        fork_server, *left = map(int, wait_until(lambda: pids.exists() and pids.read_text().split()))
        victim = running_tasks(suite)[0]
        for number in (signal.SIGSTOP, signal.SIGKILL):  # so that neither sees the other die
            for pid in (fork_server, victim["process_id"]):
                os.kill(pid, number)
        wait_until(lambda: suite.get("/scheduler/jobs")["items"][0]["state"] == "done", seconds=180)
        (line,) = [found for found in suite.ask("tree", str(job["job_id"])) if found["task_type"] == "stay"]
        attempts = suite.ask("task", str(line["task_id"]))["attempts"]
        assert [attempt["state"] for attempt in attempts] == ["lost", "accepted"]
        assert not {fork_server, *left} & processes_of(suite.data).keys()
    finally:
        suite.stop()


def test_a_suite_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    # No lease ends while the test lasts, so it is the next start that gives back what was running.
    suite = RunningSuite(tmp_path / "data", EAS_SCHEDULER_LEASE_SECONDS="3600")
    job = suite.submit(many_tasks(10, 0.5))
    wait_until(lambda: suite.get("/scheduler/jobs")["items"][0]["counts"]["done"] >= 2 and running_tasks(suite))
    suite.process.kill()
    suite.stop()

    with running_suite(tmp_path / "data") as again:
        workers = {worker["worker_id"] for worker in again.ask("workers")}
        others = [command for command in processes_of(again.data).values() if "eas_worker.main" in command]
        assert len(others) == len(workers) == 2
        wait_until(lambda: again.get("/scheduler/jobs")["items"][0]["state"] == "done", seconds=180)
        attempts = again.attempts(job["job_id"])
        assert len(attempts) == 10
        assert all(states.count("accepted") == 1 for states in attempts.values())
        records = again.ask("logs")
        assert len({record["stream"] for record in records}) >= 4, "the records of the killed workers are missing"
    assert processes_of(again.data) == {}


def test_a_suite_follows_the_program_that_started_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    script = (
        "import sys; from pathlib import Path; from eas_control.storage.suite_process import start_suite\n"
        "with start_suite(Path(sys.argv[1]), workers=1):\n    print('up', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        assert processes_of(folder)
        parent.kill()
    wait_until(lambda: not processes_of(folder), seconds=180)


def test_the_port_is_free_again_after_a_stop(tmp_path: Path) -> None:
    with running_suite(tmp_path / "data", "--workers", "1") as suite:
        port = int(suite.url.rpartition(":")[2])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
