"""`eas plan`, `cancel`, `pause`, `resume`, `retry`, `excuse`: on real workers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.conftest import RunningSuite, eas, wait_until

pytestmark = pytest.mark.acceptance

FAILING: dict[str, Any] = {
    "task_list": [
        {"task": "error", "name": "bad", "reason": "input"},
        {"task": "null", "requires_metadata_from": ["bad"]},
    ]
}


def test_a_plan_is_counted_and_nothing_is_submitted(suite: RunningSuite) -> None:
    before = {job["job_id"] for job in suite.ask("jobs")}

    plan = suite.ask("plan", "-", text=json.dumps(FAILING))

    assert (plan["tasks"], plan["products"]) == (3, 0)
    assert plan["task_types"] == {"error": 1, "execution_chain": 1, "null": 1}
    assert {job["job_id"] for job in suite.ask("jobs")} == before
    assert suite.ask("plan", "-", text='{"task_list": [{"task": "nope"}]}', status=2)["error"]["slug"] == "invalid_job"


def test_a_cancelled_job_is_stopped_on_its_worker(suite: RunningSuite) -> None:
    job_id = str(suite.submit({"task_list": [{"task": "null", "duration": 600}]})["job_id"])
    wait_until(lambda: suite.get(f"/scheduler/jobs/{job_id}")["counts"]["running"])

    suite.ask("cancel", job_id)

    wait_until(lambda: suite.get(f"/scheduler/jobs/{job_id}")["state"] == "cancelled")
    assert suite.ask("cancel", job_id)["counts"]["cancelled"] == 1


def test_a_paused_job_goes_on_when_it_is_resumed(suite: RunningSuite) -> None:
    job_id = str(suite.submit({"task_list": [{"task": "null", "duration": 600}] * 3})["job_id"])

    assert suite.ask("pause", job_id)["paused"]

    (job,) = [found for found in suite.ask("jobs") if str(found["job_id"]) == job_id]
    assert (job["paused"], job["state"]) == (True, "running")
    resumed = eas("resume", job_id, "--data", suite.data)
    assert resumed.stdout.startswith(f"job {job_id}: running (")
    suite.ask("cancel", job_id)
    wait_until(lambda: suite.get(f"/scheduler/jobs/{job_id}")["state"] == "cancelled")


def test_a_failure_is_tried_again_and_then_excused(suite: RunningSuite) -> None:
    job_id = str(suite.submit(FAILING, "--wait", status=1)["job_id"])
    task = next(line for line in suite.ask("tree", job_id) if line["name"] == "bad")
    task_id = str(task["task_id"])

    assert suite.ask("retry", job_id, "--task", task_id)["state"] == "running"

    wait_until(lambda: suite.get(f"/scheduler/jobs/{job_id}")["state"] == "failed")
    assert len(suite.ask("task", task_id)["attempts"]) == 2
    excused = suite.ask("excuse", task_id, "meant to fail")
    assert (excused["state"], excused["excuse"]) == ("done", "meant to fail")
    wait_until(lambda: suite.get(f"/scheduler/jobs/{job_id}")["state"] == "done")
    assert suite.ask("excuse", task_id, "again", status=1)["error"]["slug"] == "conflict"


def test_the_same_key_submits_once(suite: RunningSuite) -> None:
    first = suite.submit({"task_list": []}, "--key", "tonight")
    assert suite.submit({"task_list": []}, "--key", "tonight")["job_id"] == first["job_id"]


def test_rules_of_a_task_type_are_set_shown_and_obeyed(suite: RunningSuite) -> None:
    assert suite.ask("rules", "null")["run_timeout"] is None
    assert suite.ask("rules", "null", "--run-timeout", "0.5", "--max-attempts", "1")["run_timeout"] == 0.5
    assert "max_attempts 1, run_timeout 0.5" in eas("rules", "null", "--data", suite.data).stdout
    job = suite.submit({"task_list": [{"task": "null", "duration": 60}]}, "--wait", "--timeout", "60", status=1)
    failed = next(line for line in suite.ask("tree", str(job["job_id"])) if line["state"] == "failed")
    assert failed["reason"] == "timeout"
    assert "ran for longer than 0.5 s" in eas("why", str(failed["task_id"]), "--data", suite.data).stdout
    assert suite.ask("rules", "null", "--clear")["run_timeout"] is None
    assert suite.ask("rules", "nul", status=1)["error"]["slug"] == "not_found"
    assert suite.ask("rules", "null", "--max-attempts", "0", status=2)["error"]["slug"] == "usage"
