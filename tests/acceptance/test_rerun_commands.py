"""`eas submit --rerun` and `--reuse`, `eas plan --rerun`, `eas retry --set`, on real workers and a real store."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.conftest import RunningSuite, wait_until

pytestmark = pytest.mark.acceptance

SPECS = {
    "duration": 5,
    "orbital_period": 2,
    "semi_major_axis": 0.05,
    "planet_radius": 1,
    "sampling_cadence": 1800,
    "noise": 1e-5,
}
STAR: dict[str, Any] = {
    "working_directory": "reruns",
    "task_list": [
        {"task": "synthesis_batman", "name": "star", "outputs": {"lightcurve": "star.npz"}, "specs": SPECS},
        {"task": "verify", "inputs": {"lightcurve": "star.npz"}},
    ],
}


def test_a_re_run_adds_a_version(suite: RunningSuite) -> None:
    first = suite.submit(STAR, "--wait", "--timeout", "100")
    assert suite.submit(STAR, status=2)["error"]["slug"] == "product_exists"
    plan = suite.ask("plan", "-", "--rerun", text=json.dumps(STAR))
    assert (plan["products"], plan["new_versions"]) == (0, 1)

    again = suite.submit(STAR, "--rerun", "--wait", "--timeout", "100")

    (product,) = suite.ask("products", "ls", "--directory", "reruns")
    assert (product["versions"], product["job_id"], again["rerun"]) == (2, again["job_id"], True)
    for job in (first, again):
        maker, reader = [suite.ask("task", str(line["task_id"])) for line in suite.ask("tree", str(job["job_id"]))[1:]]
        (made,) = maker["attempts"][-1]["outputs"]
        assert reader["attempts"][-1]["inputs"]["lightcurve"]["version_id"] == made["version_id"]
    assert product["latest"]["job_id"] == again["job_id"]


def test_a_job_with_re_use_runs_only_what_is_new(suite: RunningSuite) -> None:
    job = {**STAR, "job_name": "reuse", "working_directory": "reuse", "task_list": [*STAR["task_list"]]}
    first = suite.submit(job, "--wait", "--timeout", "100")
    search = {"task": "transit_search_bls_reference", "inputs": {"lightcurve": "star.npz"}, "lc_duration": 5}
    elsewhere = {**job, "working_directory": "elsewhere", "task_list": [*STAR["task_list"], search]}

    again = suite.submit(elsewhere, "--reuse", "--wait", "--timeout", "100")

    assert again["reuse"]
    old, _ = [suite.ask("task", str(line["task_id"])) for line in suite.ask("tree", str(first["job_id"]))[1:]]
    tasks = [suite.ask("task", str(line["task_id"])) for line in suite.ask("tree", str(again["job_id"]))[1:]]
    assert [task["adopted_from"] is not None for task in tasks] == [True, True, False]
    (version,) = tasks[0]["attempts"][0]["outputs"]
    (source,) = old["attempts"][0]["outputs"]
    stored = suite.get(f"/products/versions/{version['version_id']}")
    assert (stored["adopted_from"], stored["sha256"]) == (source["version_id"], source["sha256"])
    assert tasks[2]["attempts"][0]["inputs"]["lightcurve"]["version_id"] == version["version_id"]
    assert "It was adopted from attempt" in suite.ask("why", str(tasks[0]["task_id"]))["words"]
    assert "It adopted nothing" in suite.ask("why", str(tasks[2]["task_id"]))["words"]


def test_a_failure_is_mended_with_another_setting(suite: RunningSuite) -> None:
    job_id = str(suite.submit({"task_list": [{"task": "error", "name": "bad"}]}, "--wait", status=1)["job_id"])
    refused = suite.ask("retry", job_id, "--set", "colour=blue", status=2)["error"]
    assert refused["problems"][0]["where"] == "body.settings.colour"

    suite.ask("retry", job_id, "--set", "reason=input")

    wait_until(lambda: suite.get(f"/scheduler/jobs/{job_id}")["state"] == "failed")
    (bad,) = [line for line in suite.ask("tree", job_id) if line["name"] == "bad"]
    task = suite.ask("task", str(bad["task_id"]))
    assert (task["changed_settings"], len(task["attempts"])) == ({"reason": "input"}, 2)
    assert "reason = 'input'" in suite.ask("why", str(bad["task_id"]))["words"]
