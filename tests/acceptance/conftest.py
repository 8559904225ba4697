"""A suite in real processes, and the `eas` command that talks to it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

READY = re.compile(r"EAS is ready at (http://127\.0\.0\.1:\d+) \(Ctrl-C stops it\)\n")
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("EAS_")},
    # As at an institute behind a proxy, which cannot lead to this machine's own addresses.
    "http_proxy": "http://127.0.0.1:9",
    "no_proxy": "",
    "EAS_WORKER_PRELOAD": "false",
    "EAS_WORKER_ONLY": "null,error,ingest_external_lcs,synthesis_batman,verify,transit_search_bls_reference",
    "EAS_WORKER_GRACE_SECONDS": "1",
    "EAS_WORKER_DRAIN_SECONDS": "2",
}


def eas(*arguments: str | Path, text: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "eas_control.main", *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        env=ENVIRONMENT | environment,
        timeout=120,
        check=False,
    )


def wait_until(condition: Callable[[], Any], *, seconds: float = 120.0) -> Any:
    """Look again and again until a condition of other processes holds. Returns its value."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)
    return found


def processes_of(folder: Path) -> dict[int, str]:
    """Find the processes that work for the suite of a data folder: their environment or command line names it."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            if str(folder).encode() in (entry / "environ").read_bytes() + command and command:
                found[int(entry.name)] = command.replace(b"\0", b" ").decode()
        except OSError:
            continue  # it has just ended
    return found


class RunningSuite:
    """`eas up` in a process of its own.

    Parameters
    ----------
    data
        Its data folder.
    options
        Further options of ``eas up``.
    ignored
        Signals that it is started with ignored, such as ``INT HUP``.
    environment
        Further environment variables.
    """

    def __init__(self, data: Path, *options: str | Path, ignored: str = "", **environment: str) -> None:
        self.data = data
        self.errors = data.parent / f"{data.name}.err"
        with self.errors.open("a") as errors:
            self.process = subprocess.Popen(
                [
                    # `nohup make test` has SIGHUP ignored in all that it starts.
                    *(
                        ("sh", "-c", f'trap "" {ignored}; exec "$@"', "sh")
                        if ignored
                        else ("env", "--default-signal=HUP")
                    ),
                    sys.executable,
                    "-m",
                    "eas_control.main",
                    "up",
                    "--data",
                    str(data),
                    "--port",
                    "0",
                    *map(str, options),
                ],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=ENVIRONMENT | environment,
            )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        ready = READY.fullmatch(self.first_line)
        assert ready, f"{self.first_line!r}: {self.errors.read_text()}"
        self.url = ready[1]

    def ask(self, *arguments: str | Path, text: str | None = None, status: int = 0) -> Any:
        """Run a command with ``--json`` and read its answer."""
        done = eas(*arguments, "--data", self.data, "--json", text=text)
        assert done.returncode == status, done.stdout + done.stderr
        assert done.stderr == ""
        return json.loads(done.stdout)

    def submit(self, document: dict[str, Any], *options: str, status: int = 0) -> Any:
        """Submit a job."""
        return self.ask("submit", "-", *options, text=json.dumps(document), status=status)

    def attempts(self, job_id: int) -> dict[int, list[str]]:
        """Tell the states of all attempts of a job's tasks that workers run."""
        leaves = [line["task_id"] for line in self.ask("tree", str(job_id)) if line["task_type"] == "null"]
        return {
            task_id: [attempt["state"] for attempt in self.get(f"/scheduler/tasks/{task_id}")["attempts"]]
            for task_id in leaves
        }

    def get(self, path: str) -> Any:
        """Ask a service itself, which is quicker than a command."""
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def workers(self) -> set[str]:
        """List the workers that are not gone."""
        return {worker["worker_id"] for worker in self.get("/scheduler/workers") if not worker["gone"]}

    @property
    def token(self) -> str:
        """The user's."""
        tokens: dict[str, dict[str, str]] = json.loads((self.data / "tokens.json").read_text())
        return next(token for token, entry in tokens.items() if entry["name"] == "user")

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stop the suite. Returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@contextmanager
def running_suite(data: Path, *options: str | Path) -> Iterator[RunningSuite]:
    """Run a suite until the block ends."""
    suite = RunningSuite(data, *options)
    try:
        yield suite
    finally:
        suite.stop()


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSuite]:
    """One suite for all tests that leave it as it is."""
    with running_suite(tmp_path_factory.mktemp("shared") / "data") as found:
        yield found
