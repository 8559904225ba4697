"""A fork server that is killed, alone or with its supervisor: nothing of its attempts is left, and work goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import pytest

from eas.contracts.scheduler import AttemptReport
from tests.integration.worker.http_services import HttpServices, open_services
from tests.integration.worker.observation import appearance, gone, is_alive, parent_of
from tests.integration.worker.processes import end_of, start_worker

SHELL = """
name = "shell"
version = "1"
command = ["sh", "-c", "eval \\"$EAS_SETTING_SCRIPT\\""]
settings.script.type = "string"
"""
SCRIPT = "cd /; sleep 600 & echo $$ $! > {0}.new; mv {0}.new {0}; wait"

#: What the tasks start: a child; a daemon; one that inherits nothing; a program, which itself inherits next to nothing.
FAMILIES = ["breed", "daemon", "strip", "program"]


@pytest.fixture
async def services() -> AsyncIterator[HttpServices]:
    async with open_services() as found:
        yield found


def open_worker(services: HttpServices, folder: Path, **settings: str) -> AbstractContextManager[Popen[bytes]]:
    types = folder / "types"
    types.mkdir(exist_ok=True)
    (types / "shell.task_type.toml").write_text(SHELL)
    given = {"ONLY": "act,harm,null,shell", "TASK_TYPE_FOLDER": str(types), "CACHE_GB": "0"} | settings
    return start_worker(services, folder, stdin=DEVNULL, group=None, **given)


def add_family(services: HttpServices, family: str, note: Path) -> int:
    given: dict[str, tuple[str, dict[str, Any]]] = {
        "breed": ("act", {"act": "breed", "note": str(note)}),
        "daemon": ("harm", {"harm": "leave_a_daemon_and_stay", "note": str(note)}),
        "strip": ("harm", {"harm": "strip", "note": str(note)}),
        "program": ("shell", {"script": SCRIPT.format(note)}),
    }
    return services.scheduler.add(*given[family])


async def find_fork_server(services: HttpServices) -> int:
    report = await services.scheduler.report_of(services.scheduler.add("harm", {"harm": "do_nothing"}))
    return parent_of(int(report.metadata["pid"]))


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_killed_fork_server_leaves_nothing_and_another_takes_its_place(
    services: HttpServices, tmp_path: Path, family: str
) -> None:
    again: list[int] = []

    def try_again(report: AttemptReport) -> None:
        if report.state == "lost":
            again.append(services.scheduler.add("null"))

    services.scheduler.on_report = try_again
    with open_worker(services, tmp_path) as process:
        fork_server = await find_fork_server(services)
        attempt = add_family(services, family, tmp_path / "pids")
        pids = [int(word) for word in (await appearance(tmp_path / "pids")).split()]
        os.kill(fork_server, signal.SIGKILL)
        report = await services.scheduler.report_of(attempt)
        assert (report.state, report.message) == ("lost", "the process that ran it was killed by SIGKILL")
        for pid in pids:
            await gone(pid)
        assert (await services.scheduler.report_of(again[0])).state == "accepted"
        assert await find_fork_server(services) != fork_server
        process.terminate()
        assert await end_of(process) == 0


@pytest.mark.parametrize("successor", ["first", "second"])
@pytest.mark.parametrize("family", FAMILIES)
async def test_a_successor_kills_what_is_left_of_a_worker_that_was_killed_with_its_fork_server(
    services: HttpServices, tmp_path: Path, family: str, successor: str
) -> None:
    with open_worker(services, tmp_path, WORKER_ID="first") as process:
        fork_server = await find_fork_server(services)
        attempt = add_family(services, family, tmp_path / "pids")
        pids = [int(word) for word in (await appearance(tmp_path / "pids")).split()]
        for number in (signal.SIGSTOP, signal.SIGKILL):  # so that neither sees the other die
            for pid in (fork_server, process.pid):
                os.kill(pid, number)
        await end_of(process)
        await gone(fork_server)
    assert is_alive(pids[-1]), "there is nothing left for the successor to kill"
    with open_worker(services, tmp_path, WORKER_ID=successor) as process:
        for pid in pids:
            await gone(pid)
        assert (await services.scheduler.report_of(services.scheduler.add("null"))).state == "accepted"
        process.terminate()
        assert await end_of(process) == 0
    assert attempt not in services.scheduler.reports  # it is its lease that ends
    assert [path.name for path in (tmp_path / "work").iterdir() if path.is_dir()] == []
