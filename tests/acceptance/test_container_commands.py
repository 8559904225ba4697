"""`eas containers`, and a worker that uses what its container was given."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eas_scheduler.handlers.examples import REGISTRY
from tests.acceptance.conftest import ENVIRONMENT, RunningSuite, eas, running_suite, wait_until

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[2]


def start_worker(suite: RunningSuite, container: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a worker with a task type that tells what it was given."""
    settings = {
        "SCHEDULER_URL": f"{suite.url}/scheduler",
        "PRODUCT_STORE_URL": f"{suite.url}/products",
        "TOKEN": suite.token,
        "CONTAINER": container,
        "SLOTS": "1",
        "TASK_TYPES": "act=tests.integration.worker.trial_task_types:ACT",
        "ONLY": "act",
        "WORK_DIRECTORY": str(folder / "work"),
    }
    environment = {f"EAS_WORKER_{name}": value for name, value in settings.items()} | {"PYTHONPATH": str(ROOT)}
    with (folder / "worker.log").open("w") as log:
        return subprocess.Popen([sys.executable, "-m", "eas_worker.main"], env=ENVIRONMENT | environment, stderr=log)


@contextmanager
def worker_of(suite: RunningSuite, container: str, folder: Path) -> Iterator[None]:
    """Run such a worker until the block ends."""
    process = start_worker(suite, container, folder)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(120) == 0


def threads_of_a_task(suite: RunningSuite) -> list[object]:
    """Run the task and see what it was given: by its context and by its environment."""
    job = suite.submit({"task_list": [{"task": "act", "act": "share"}]}, "--wait")
    (result,) = suite.ask("results", str(job["job_id"]))
    found = result["metadata"]
    return [found["cpus"], found["omp"], found["numba"], found["blas"], found["gpus"]]


def test_a_worker_has_as_many_threads_as_its_container_was_given(tmp_path: Path) -> None:
    registry = tmp_path / "registry.xml"
    registry.write_text(REGISTRY)
    with running_suite(tmp_path / "data", "--workers", "1") as suite:
        (loaded,) = suite.ask("containers", "load", registry)
        assert loaded["assigned"] == {"cpu": 20, "gpu": 0, "memory_gb": 16}

        given = suite.ask("containers", "assign", "eas_worker_tls", "--cpu", "3")

        assert given["assigned"] == {"cpu": 3, "gpu": 0, "memory_gb": 16}
        assert suite.ask("containers") == [given]
        with worker_of(suite, "eas_worker_tls", tmp_path):
            wait_until(lambda: "act" in {found["name"] for found in suite.get("/scheduler/task-types")})
            assert threads_of_a_task(suite) == [3, "3", "3", "3", ""]
            assert "eas_worker_tls" in {worker["container"] for worker in suite.ask("workers")}
        shown = eas("containers", "list", "--data", suite.data).stdout
        assert "3 (20)" in shown

        assert start_worker(suite, "all", tmp_path).wait(30) == 1
        assert "'all' is no name of a container" in (tmp_path / "worker.log").read_text()
        refused = suite.ask("containers", "load", "-", text="<other/>", status=2)["error"]
        assert "task_type_registry" in refused["message"]
        assert suite.ask("containers", "assign", "nobody", "--cpu", "1", status=1)["error"]["slug"] == "not_found"
