"""A run time-out in a job, kept by a real worker."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import RunningSuite

pytestmark = pytest.mark.acceptance


def test_a_task_that_runs_too_long_is_stopped_and_tried_again(suite: RunningSuite) -> None:
    rules = {"run_timeout": 0.4, "max_attempts": 2, "retry_on": ["timeout"], "retry_delay": 0.05}
    task = {"task": "null", "duration": 600, "execution": rules}

    job = suite.submit({"task_list": [task, {"task": "null"}]}, "--wait", status=1)

    assert (job["counts"]["failed"], job["counts"]["done"]) == (1, 2)
    failed = next(line for line in suite.ask("tree", str(job["job_id"])) if line["state"] == "failed")
    assert failed["reason"] == "timeout"
    assert failed["message"].startswith("ran for longer than 0.4 s")
    attempts = suite.ask("task", str(failed["task_id"]))["attempts"]
    assert [(attempt["state"], attempt["reason"]) for attempt in attempts] == [("failed", "timeout")] * 2
