"""The Python client on a real suite, as notebooks and scripts use it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from eas.client import notebook
from eas.client.suite import FileError, JobTimeoutError, SuiteNotFoundError, connect
from eas.contracts.diagnostics import JobEnd, WhyCode
from eas.contracts.errors import InvalidInputError, NotFoundError, ProductExistsError, UnauthenticatedError
from eas.contracts.execution import TaskTypeRules
from eas.contracts.scheduler import JobView
from eas.contracts.states import FailureReason, JobState, TaskState
from tests.acceptance.conftest import ENVIRONMENT, RunningSuite, running_suite

pytestmark = pytest.mark.acceptance

NULL: dict[str, Any] = {"task_list": [{"task": "null"}]}
SLEEPING: dict[str, Any] = {"task_list": [{"task": "null", "duration": 600}]}
FAILING: dict[str, Any] = {
    "task_list": [
        {"task": "error", "name": "bad", "reason": "input", "message": "the star is missing"},
        {"task": "null", "name": "after", "requires_metadata_from": ["bad"]},
    ]
}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSuite]:
    """A suite for these tests alone, which leave jobs of all kinds behind."""
    with running_suite(tmp_path_factory.mktemp("client") / "data") as found:
        yield found


@pytest.fixture
def client(suite: RunningSuite) -> Iterator[notebook.Suite]:
    with notebook.connect(suite.data) as found:
        yield found


async def test_a_job_is_submitted_and_waited_for_beside_others(suite: RunningSuite) -> None:
    async with connect(suite.data) as client:
        jobs = [await client.submit(NULL) for _ in range(3)]
        ended = await asyncio.gather(*(job.wait(timeout=60) for job in jobs))
        assert [job.state for job in ended] == [JobState.DONE] * 3
        assert ended[0] is jobs[0]

        changes = [change async for change in jobs[0].watch()]
        assert changes[-1] == JobEnd(job_id=jobs[0].job_id, state=JobState.DONE)


async def test_a_notebooks_calls_work_where_a_loop_runs(suite: RunningSuite) -> None:
    with notebook.connect(suite.data) as client:
        assert client.submit(NULL).wait(timeout=60).has_ended


def test_progress_is_told_in_the_callers_own_thread(client: notebook.Suite) -> None:
    told: list[tuple[int, JobView]] = []
    job = client.submit(NULL)
    assert job.wait(timeout=60, on_progress=lambda view: told.append((threading.get_ident(), view))) is job
    assert {thread for thread, _ in told} == {threading.get_ident()}
    assert told[-1][1] == job.view
    assert job.counts.done == job.counts.total


def test_a_progress_report_may_ask_further(client: notebook.Suite) -> None:
    job = client.submit(SLEEPING)
    job.wait(timeout=60, on_progress=lambda _view: job.cancel())
    assert job.state is JobState.CANCELLED


def test_waiting_has_its_limits_and_the_job_goes_on(client: notebook.Suite) -> None:
    job = client.submit(SLEEPING)
    with pytest.raises(JobTimeoutError, match=f"job {job.job_id} is still running"):
        job.wait(timeout=0.1)
    assert not job.refresh().has_ended
    job.cancel()


def test_a_suite_is_used_from_many_threads(client: notebook.Suite) -> None:
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda _: client.submit(NULL).wait(timeout=60), range(8)))
    assert {job.state for job in jobs} == {JobState.DONE}
    assert len({job.job_id for job in jobs}) == 8
    assert {job.job_id for job in jobs} <= {job.job_id for job in client.jobs(state=JobState.DONE)}


def test_why_a_job_is_not_done_is_told_by_what_failed_first(client: notebook.Suite) -> None:
    job = client.submit(FAILING).wait(timeout=60)
    assert job.state is JobState.FAILED

    bad, after = job.why()

    assert (bad.name, bad.code, bad.message) == ("bad", WhyCode.FAILED, "the star is missing")
    assert (after.name, after.code) == ("after", WhyCode.BLOCKED)
    assert [found.name for found in job.why(limit=1)] == ["bad"]
    assert client.submit(NULL).wait(timeout=60).why() == []


def test_failures_are_retried_and_excused(client: notebook.Suite) -> None:
    job = client.submit({"task_list": [{"task": "error", "name": "bad"}]}).wait(timeout=60)
    (bad,) = job.why()
    task = client.task(bad.task_id)
    assert (task.state, task.job_id, len(task.view.attempts)) == (TaskState.FAILED, job.job_id, 1)

    job.retry(reasons=[FailureReason.SCIENCE]).wait(timeout=60)
    assert len(task.refresh().view.attempts) == 2
    assert task.retry(settings={"message": "another"}).state is TaskState.QUEUED
    job.wait(timeout=60)
    assert task.refresh().view.attempts[-1].message == "another"
    job.retry(settings={"message": "a third"}).wait(timeout=60)
    assert task.refresh().view.attempts[-1].message == "a third"

    assert job.excuse(task.task_id, "as expected").state is JobState.DONE
    assert task.refresh().view.excuse == "as expected"


def test_a_job_is_paused_and_resumed(client: notebook.Suite) -> None:
    job = client.submit(SLEEPING).pause()
    assert job.view.paused
    assert not job.resume().view.paused
    assert job.document() == SLEEPING
    job.cancel()


def test_what_is_purged_is_rescheduled(client: notebook.Suite) -> None:
    busy = [client.submit(SLEEPING) for _ in range(2)]
    job = client.submit({"task_list": [{"task": "null", "name": "purged"}]})
    assert client.purge_queue("null").purged >= 1
    assert job.refresh().has_ended
    assert job.reschedule().state is JobState.RUNNING
    for found in busy:
        found.cancel()
    assert job.wait(timeout=60).state is JobState.DONE
    assert client.reschedule().rescheduled == 0


def test_operators_set_rules_and_resources(client: notebook.Suite) -> None:
    rules = TaskTypeRules(max_attempts=4)
    assert client.set_rules("error", rules) == rules
    assert {found.name: found.rules for found in client.task_types()}["error"] == rules
    client.set_rules("error", TaskTypeRules())
    with pytest.raises(InvalidInputError):
        client.load_registry("<nonsense/>")
    with pytest.raises(NotFoundError, match="no container 'box'"):
        client.assign_resources("box", cpu=1)


def test_products_are_made_again_as_new_versions(client: notebook.Suite) -> None:
    star = {"duration": 1, "orbital_period": 2, "semi_major_axis": 0.03, "planet_radius": 0.1, "sampling_cadence": 900}
    task = {"task": "synthesis_batman", "outputs": {"lightcurve": "star.npz"}, "specs": star}
    document = {"working_directory": "again", "task_list": [task]}
    client.submit(document).wait(timeout=60)
    with pytest.raises(ProductExistsError):
        client.plan(document)
    assert client.plan(document, rerun=True).new_versions == 1
    job = client.submit(document, rerun=True).wait(timeout=60)
    (product,) = job.outputs()
    assert product.path == "again/star.npz"
    assert len(product.versions()) == 2
    assert product.refresh().latest == product.versions()[-1]


def test_a_reader_may_leave_a_stream(client: notebook.Suite) -> None:
    job = client.submit(SLEEPING)
    for change in job.watch():
        assert not isinstance(change, JobEnd)
        break
    job.cancel()


def test_what_is_there_is_listed(client: notebook.Suite) -> None:
    assert {"null", "error"} <= {found.name for found in client.task_types()}
    assert len(client.workers()) == 2
    assert len(client.hosts().items) == 1
    assert client.containers() == []
    assert client.queues().items == []
    job = client.submit(NULL).wait(timeout=60)
    assert [found.task_type for found in job.progress().items if found.task_type == "null"] == ["null"]
    assert job.timings().flatten().rows
    assert client.timeline(limit=5).items
    assert job.logs() == client.logs(job_id=job.job_id)
    assert [found.job_id for found in client.jobs(limit=1)] == [job.job_id]
    assert job.outputs() == []


def test_errors_come_as_what_they_are(client: notebook.Suite, suite: RunningSuite, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        client.job(10**9)
    with pytest.raises(NotFoundError, match="no product 'c'"):
        client.product("a/b/c")
    with pytest.raises(FileError):
        client.submit(tmp_path / "nowhere.json")
    with pytest.raises(InvalidInputError) as refused:
        client.plan({"task_list": [{"task": "null", "duration": float("inf")}]})
    assert refused.value.where == "$.task_list[0].duration"
    with pytest.raises(UnauthenticatedError):
        notebook.connect(suite.url)
    with pytest.raises(SuiteNotFoundError, match=r"no suite answers at http://127\.0\.0\.1:9 .*`eas up`"):
        notebook.connect("http://127.0.0.1:9")
    assert [thread.name for thread in threading.enumerate()].count("eas-client") == 1


def test_a_connection_that_nobody_closed_ends_with_the_program(suite: RunningSuite) -> None:
    script = (
        "import sys; from eas.client.notebook import connect\n"
        "suite = connect(sys.argv[1])\n"
        "changes = suite.watch(after=0)\n"
        "job = suite.submit({'task_list': [{'task': 'null'}]})\n"
        "next(changes)\n"
        "job.wait(timeout=60); print(job.state)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(suite.data)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "done", "")
