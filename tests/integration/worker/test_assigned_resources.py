"""What the scheduler assigned to a container is what its workers' tasks get."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eas.contracts.containers import ResourcesView
from eas.contracts.scheduler import WorkerWelcome
from eas.contracts.states import FailureReason
from eas.testing.scheduler import FakeScheduler
from tests.integration.worker.http_services import HttpServices, open_services
from tests.integration.worker.observation import appearance
from tests.integration.worker.processes import start_worker
from tests.integration.worker.trial import Trial, open_trial


def give(cpu: float, gpu: int, memory_gb: float = 4) -> FakeScheduler:
    given = ResourcesView(cpu=cpu, gpu=gpu, memory_gb=memory_gb)
    return FakeScheduler(WorkerWelcome(lease_seconds=30.0, heartbeat_seconds=0.1, resources=given))


async def share_of_a_task(trial: Trial) -> dict[str, object]:
    return dict((await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "share"}))).metadata)


async def test_the_tasks_of_a_container_get_what_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    async with open_trial(tmp_path, scheduler=give(7, 2), container="box", slots=2) as trial:
        share = await share_of_a_task(trial)
        assert share.pop("gpus") in ("0", "1")
        assert share == {"cpus": 3, "omp": "3", "numba": "3", "blas": "3"}
        announced = trial.scheduler.announcements["trial-worker"]
        assert (announced.container, announced.resources) == ("box", ResourcesView(cpu=2, gpu=0, memory_gb=0))
        assert "act" in {found.name for found in announced.task_types}


async def test_each_slot_has_gpus_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    async with open_trial(tmp_path, slots=2) as trial:
        attempts = [trial.scheduler.add("act", {"act": "see", "note": str(tmp_path / name)}) for name in "ab"]
        assert {await appearance(tmp_path / name) for name in "ab"} == {"4", "6"}
        for attempt in attempts:
            trial.scheduler.cancel(attempt)
            await trial.scheduler.report_of(attempt)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is only one processor")
async def test_slots_that_are_pinned_run_on_processors_of_their_own(tmp_path: Path) -> None:
    async with open_trial(tmp_path, slots=2, pinned=True) as trial:
        attempts = [trial.scheduler.add("act", {"act": "run_on", "note": str(tmp_path / name)}) for name in "ab"]
        first, second = sorted(os.sched_getaffinity(0))[:2]
        assert {await appearance(tmp_path / name) for name in "ab"} == {f"[{first}]", f"[{second}]"}
        for attempt in attempts:
            trial.scheduler.cancel(attempt)
            await trial.scheduler.report_of(attempt)


async def test_without_gpus_none_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    async with open_trial(tmp_path, scheduler=give(1, 0), container="box") as trial:
        assert (await share_of_a_task(trial))["gpus"] == ""


async def test_a_worker_of_no_container_uses_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    async with open_trial(tmp_path, scheduler=give(7, 0), cpus_per_slot=2) as trial:
        assert await share_of_a_task(trial) == {"cpus": 2, "omp": "2", "numba": "2", "blas": "2", "gpus": "1"}


async def test_the_share_survives_the_death_of_the_fork_server(tmp_path: Path) -> None:
    async with open_trial(tmp_path, scheduler=give(5, 0), container="box") as trial:
        await trial.scheduler.report_of(trial.scheduler.add("act", {"act": "orphan"}))
        assert (await share_of_a_task(trial))["cpus"] == 5


@pytest.fixture
async def services() -> AsyncIterator[HttpServices]:
    async with open_services() as found:
        found.scheduler.welcome = give(2, 0, memory_gb=0.8).welcome
        yield found


async def test_memory_beyond_the_slots_part_of_what_was_assigned(services: HttpServices, tmp_path: Path) -> None:
    harm = {"harm": "hold", "note": "0.6"}
    with start_worker(services, tmp_path, CONTAINER="box", SLOTS="2", ONLY="harm"):
        report = await services.scheduler.report_of(services.scheduler.add("harm", harm))
        assert (report.state, report.reason) == ("failed", FailureReason.OUT_OF_MEMORY)
        assert "it may use 0.4 GB" in (report.message or "")
        within = services.scheduler.add("harm", {"harm": "hold", "note": "0.1"})
        assert (await services.scheduler.report_of(within)).state == "accepted"
        granted = await services.scheduler.report_of(services.scheduler.add("harm", harm, memory_gb=2))
        assert granted.state == "accepted"
        assert (granted.peak_memory or 0) > 600_000_000


async def test_what_the_worker_is_set_to_goes_before_its_part(services: HttpServices, tmp_path: Path) -> None:
    with start_worker(services, tmp_path, CONTAINER="box", SLOTS="2", ONLY="harm", MEMORY_GB="0.3"):
        attempt = services.scheduler.add("harm", {"harm": "hold", "note": "0.35"})
        report = await services.scheduler.report_of(attempt)
        assert (report.reason, "it may use 0.3 GB" in (report.message or "")) == (FailureReason.OUT_OF_MEMORY, True)


async def test_a_worker_that_is_stopped_before_it_offered_anything_takes_its_leave(tmp_path: Path) -> None:
    async with open_trial(tmp_path, scheduler=give(1, 0), container="box") as trial:
        await trial.scheduler.until(lambda: bool(trial.scheduler.announcements))
        await trial.stop()
        assert trial.scheduler.dismissed == ["trial-worker"]
