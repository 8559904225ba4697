"""The worker as a process of its own: how it starts, stops, dies, and what it leaves to its successor."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eas.contracts.scheduler import AttemptReport
from eas.contracts.states import FailureReason
from tests.integration.worker.http_services import HttpServices, open_services
from tests.integration.worker.observation import appearance, gone, is_alive, words
from tests.integration.worker.processes import end_of, start_worker
from tests.integration.worker.trial import ROOT


@pytest.fixture
async def services() -> AsyncIterator[HttpServices]:
    async with open_services() as found:
        yield found


async def test_sigterm_stops_it_in_good_order(services: HttpServices, tmp_path: Path) -> None:
    with start_worker(services, tmp_path) as process:
        talking = services.scheduler.add("act", {"act": "talk"})
        assert (await services.scheduler.report_of(talking)).state == "accepted"
        waiting = services.scheduler.add("act", {"act": "wait", "note": str(tmp_path / "pid")})
        pid = int(await appearance(tmp_path / "pid"))
        process.terminate()
        assert await end_of(process) == 0
    assert services.scheduler.reports[waiting].state == "lost"
    assert services.scheduler.reports[waiting].message == "the worker was stopped and could not wait"
    assert not is_alive(pid)
    assert any(record["message"] == "printed words" for record in services.records)
    assert services.tokens == {"Bearer a-secret"}
    assert [path.name for path in (tmp_path / "work").iterdir() if path.is_dir()] == ["~cache"]


async def test_a_second_sigterm_stops_it_at_once(services: HttpServices, tmp_path: Path) -> None:
    with start_worker(services, tmp_path, GRACE_SECONDS="600") as process:
        running = services.scheduler.add("act", {"act": "wait", "note": str(tmp_path / "pid")})
        pid = int(await appearance(tmp_path / "pid"))
        process.terminate()
        await words(tmp_path / "worker.log", "stops")
        assert is_alive(pid)
        assert running not in services.scheduler.reports
        process.terminate()
        assert await end_of(process) == 0
    report = services.scheduler.reports[running]
    assert (report.state, report.reason) == ("lost", FailureReason.EVICTED)
    assert not is_alive(pid)


async def test_within_the_grace_period_running_tasks_end_and_nothing_new_begins(
    services: HttpServices, tmp_path: Path
) -> None:
    with start_worker(services, tmp_path, GRACE_SECONDS="600") as process:
        await services.scheduler.report_of(services.scheduler.add("null"))
        running = services.scheduler.add("null", {"duration": 2.0})
        await services.scheduler.until(lambda: running in services.scheduler.phases)
        process.terminate()
        await words(tmp_path / "worker.log", "stops")
        late = services.scheduler.add("null")
        assert await end_of(process) == 0
    assert services.scheduler.reports[running].state == "accepted"
    assert late not in services.scheduler.reports
    assert services.scheduler.running == {}


async def test_a_worker_that_is_killed_while_it_drains_leaves_no_process_and_loses_no_record(
    services: HttpServices, tmp_path: Path
) -> None:
    with start_worker(services, tmp_path, GRACE_SECONDS="600", WORKER_ID="first") as process:
        services.scheduler.add("act", {"act": "breed", "note": str(tmp_path / "pids")})
        pids = [int(word) for word in (await appearance(tmp_path / "pids")).split()]
        process.terminate()
        await words(tmp_path / "worker.log", "stops")
        process.kill()
        await end_of(process)
        for pid in pids:
            await gone(pid)
    with start_worker(services, tmp_path, WORKER_ID="second") as process:
        assert (await services.scheduler.report_of(services.scheduler.add("null"))).state == "accepted"
        process.terminate()
        assert await end_of(process) == 0
    assert any("worker first stops" in record["message"] for record in services.records)


async def test_what_is_handed_back_runs_on_another_worker(services: HttpServices, tmp_path: Path) -> None:
    def try_again(report: AttemptReport) -> None:
        if report.reason is FailureReason.EVICTED:
            services.scheduler.add("null", {"duration": 0.0})

    services.scheduler.on_report = try_again
    with start_worker(services, tmp_path, WORKER_ID="first") as first:
        long = services.scheduler.add("null", {"duration": 600.0})
        await services.scheduler.until(lambda: long in services.scheduler.running)
        with start_worker(services, tmp_path, WORKER_ID="second") as second:
            await services.scheduler.until(lambda: "second" in services.scheduler.announcements)
            first.terminate()
            assert (await services.scheduler.report_of(long)).reason is FailureReason.EVICTED
            assert (await services.scheduler.report_of(long + 1)).state == "accepted"
            assert await end_of(first) == 0
            second.terminate()
            assert await end_of(second) == 0


async def test_killing_the_supervisor_takes_its_children_along_and_its_successor_clears_up(
    services: HttpServices, tmp_path: Path
) -> None:
    with start_worker(services, tmp_path, LOG_SERVICE_URL="http://127.0.0.1:9/logs", WORKER_ID="first") as process:
        talking = services.scheduler.add("act", {"act": "talk"})
        await services.scheduler.report_of(talking)
        services.scheduler.add("act", {"act": "breed", "note": str(tmp_path / "pids")})
        pids = [int(word) for word in (await appearance(tmp_path / "pids")).split()]
        process.kill()
        await end_of(process)
        for pid in pids:
            await gone(pid)
    assert list((tmp_path / "work" / "first").rglob("*.ndjson"))
    assert services.records == []
    with start_worker(services, tmp_path, WORKER_ID="second") as process:
        assert (await services.scheduler.report_of(services.scheduler.add("null"))).state == "accepted"
        assert not (tmp_path / "work" / "first").exists()
        process.terminate()
        assert await end_of(process) == 0
    said = [record["message"] for record in services.records if record["attempt_id"] == talking]
    assert said.count("printed words") == 1


async def test_it_ends_with_its_parent_if_it_is_told_to_follow(services: HttpServices, tmp_path: Path) -> None:
    with start_worker(services, tmp_path, stdin=subprocess.PIPE, FOLLOW_PARENT="true") as process:
        assert (await services.scheduler.report_of(services.scheduler.add("null"))).state == "accepted"
        assert process.stdin is not None
        process.stdin.close()
        assert await end_of(process) == 0


async def test_sigterm_while_the_scheduler_is_away_stops_it_too(services: HttpServices, tmp_path: Path) -> None:
    services.scheduler.is_down = True
    with start_worker(services, tmp_path) as process:
        await words(tmp_path / "worker.log", "the scheduler does not answer")
        process.terminate()
        assert await end_of(process) == 0


async def test_sigterm_while_the_science_is_being_imported_stops_it_too(services: HttpServices, tmp_path: Path) -> None:
    slow = "tests.integration.worker.slow_to_import"
    with start_worker(services, tmp_path, PRELOAD_MODULES=slow) as process:
        await services.scheduler.until(lambda: bool(services.scheduler.announcements))
        process.terminate()
        assert await end_of(process) == 0


def run_to_its_end(tmp_path: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    given = {f"EAS_WORKER_{name}": value for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "eas_worker.main"],
        env=os.environ | {"EAS_WORKER_WORK_DIRECTORY": str(tmp_path / "work")} | given,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_missing_and_wrong_settings_are_named(tmp_path: Path) -> None:
    result = run_to_its_end(tmp_path, SCHEDULER_URL="http://x", SLOTS="many")
    assert result.returncode == 2
    assert "EAS_WORKER_PRODUCT_STORE_URL: Field required" in result.stderr
    assert "EAS_WORKER_SLOTS: Input should be a valid integer" in result.stderr


def test_a_worker_without_task_types_says_so(tmp_path: Path) -> None:
    result = run_to_its_end(tmp_path, SCHEDULER_URL="http://x", PRODUCT_STORE_URL="http://x", ONLY="no_such_type")
    assert result.returncode == 1
    assert "no such task type: no_such_type" in result.stderr


def test_a_token_file_that_is_missing_is_named(tmp_path: Path) -> None:
    token_file = str(tmp_path / "token")
    result = run_to_its_end(tmp_path, SCHEDULER_URL="http://x", PRODUCT_STORE_URL="http://x", TOKEN_FILE=token_file)
    assert result.returncode == 1
    assert f"token file {token_file}: No such file" in result.stderr
