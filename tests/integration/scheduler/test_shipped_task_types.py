"""A scheduler knows the task types that EAS ships before any worker has come."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eas.contracts.errors import NotFoundError
from eas.contracts.execution import TaskTypeRules
from eas.contracts.scheduler import WorkerAnnouncement
from eas_scheduler.storage.shipped_task_types import read_shipped_task_types

from .conftest import OpenBench, describe

pytestmark = pytest.mark.sqlite_only

JOB: dict[str, Any] = {
    "task": "synthesis_batman",
    "outputs": {"lightcurve": "star.npz"},
    "specs": {"duration": 40, "planet_radius": "0.5"},
}


async def test_a_job_is_accepted_without_any_worker_and_waits_for_one(open_bench: OpenBench) -> None:
    async with open_bench() as bench:
        search = {"task": "transit_search_tls", "inputs": {"lightcurve": "star.npz"}, "lc_duration": 40}
        job_id = await bench.submit(JOB, search, {"task": "null"})
        assert await bench.counts(job_id) == {"done": 1, "queued": 2, "waiting": 1}
        tree = (await bench.client.get_tree(job_id, limit=10)).items
        why = await bench.client.explain_task(next(line.task_id for line in tree if line.task_type == "null"))
        assert "no worker that runs 'null' is here" in why.words
        refused = await bench.refuse({**JOB, "specs": {"radius": 1}}, {"task": "no_such"})
        assert {problem["slug"] for problem in refused["problems"]} == {"unknown_task_type", "unknown_setting"}


async def test_a_search_of_hours_is_warned_of_before_it_runs(open_bench: OpenBench) -> None:
    search = {"task": "transit_search_bls_reference", "inputs": {"lightcurve": "star.npz"}, "lc_duration": 1400}
    async with open_bench() as bench:
        quick = {**search, "lc_duration": 40}
        plan = await bench.client.plan_job(json.dumps({"task_list": [JOB, quick, search]}))
        (found,) = plan.estimates
        (warning,) = plan.warnings
        job = await bench.client.submit_job(json.dumps({"task_list": [JOB, quick, search]}))
        later = await bench.client.get_job(job.job_id)

    assert (found.task_type, found.tasks, found.where) == ("transit_search_bls_reference", 2, "$.task_list[2]")
    assert 36_000 < found.largest < found.total < 1.01 * found.largest
    assert "$.task_list[2] will need about" in warning
    assert "for a sample every 10 minutes" in warning
    assert (job.warnings, later.warnings) == ([warning], [])


@pytest.mark.every_database
async def test_a_workers_own_word_takes_over(open_bench: OpenBench) -> None:
    async with open_bench() as bench:
        before = {found.name: found for found in await bench.client.list_task_types()}
        assert not before["null"].announced
        assert before["null"].settings_schema == read_shipped_task_types()["null"].settings_schema
        null = describe("null", {"seconds": {"type": "number"}}, required=["seconds"], inputs=[], outputs=[])
        null = null.model_copy(update={"version": "9"})
        await bench.client.announce(
            WorkerAnnouncement(worker_id="w", host="h", process_id=1, slots=1, task_types=[null])
        )
        after = {found.name: found for found in await bench.client.list_task_types()}
        assert (after["null"].announced, after["null"].version) == (True, "9")
        assert after.keys() == before.keys()
        assert (await bench.refuse({"task": "null"}))["problems"][0]["slug"] == "missing_setting"


async def test_its_queue_and_its_rules_can_be_looked_at_and_set(open_bench: OpenBench) -> None:
    async with open_bench() as bench:
        assert (await bench.client.get_queue("verify")).waiting == 0
        await bench.client.set_rules("verify", TaskTypeRules(max_running=2))
        rules = {found.name: found.rules.max_running for found in await bench.client.list_task_types()}
        assert (rules["verify"], rules["null"]) == (2, None)
        with pytest.raises(NotFoundError):
            await bench.client.get_queue("no_such")
