"""Failed tasks are tried again with other settings: checked first, used, recorded."""

from __future__ import annotations

from typing import Any

import pytest

from eas.contracts.diagnostics import StateChange, StepReason
from eas.contracts.errors import ConflictError, InvalidInputError
from eas.contracts.execution import ExecutionRules
from eas.contracts.scheduler import TaskLine
from eas.contracts.states import TaskState

from .conftest import Bench, OpenBench, version

pytestmark = pytest.mark.sqlite_only

MAKE = {"task": "make", "name": "make", "outputs": {"lightcurve": "a.gz"}, "radius": 1.0}
FIND = {"task": "find", "name": "find", "inputs": {"lightcurve": "a.gz"}, "lc_duration": 27}
NULL = {"task": "null", "name": "null", "duration": 1}


async def lines(bench: Bench, job_id: int) -> dict[str | None, TaskLine]:
    return {line.name: line for line in (await bench.client.get_tree(job_id, limit=1000)).items}


async def fail(bench: Bench, *tasks: dict[str, Any]) -> tuple[int, dict[str | None, int]]:
    """Submit a job whose ready tasks all fail."""
    job_id = await bench.submit(*tasks)
    for attempt in await bench.claim():
        await bench.report(attempt, "failed")
    return job_id, {name: line.task_id for name, line in (await lines(bench, job_id)).items()}


async def test_the_next_attempt_gets_the_changed_settings(bench: Bench) -> None:
    job_id, tasks = await fail(bench, MAKE)

    task = await bench.client.retry_task(tasks["make"], settings={"radius": 2.5})

    assert (task.changed_settings, task.changed_by) == ({"radius": 2.5}, "anyone")
    assert task.changed_at is not None
    assert task.description["radius"] == 1.0
    (again,) = await bench.claim()
    assert again.settings == {"radius": 2.5}
    await bench.report(again, outputs=[version(again)])
    attempts = (await bench.client.get_task(again.task_id)).attempts
    assert [one.settings for one in attempts] == [{"radius": 1.0}, {"radius": 2.5}]
    why = await bench.client.explain_task(again.task_id)
    assert "Its settings were changed by anyone" in why.words
    assert why.words.endswith("radius = 2.5.")
    assert why.changed_settings == ["radius"]
    steps = [step async for step in bench.client.follow(job_id) if isinstance(step, StateChange)]
    assert [step.reason for step in steps if step.reason] == ["science", StepReason.CHANGED_SETTINGS]


async def test_an_excuse_is_a_step_of_the_stream(bench: Bench) -> None:
    job_id, tasks = await fail(bench, NULL)
    await bench.client.excuse_task(tasks["null"], "the star left the field")
    steps = [step async for step in bench.client.follow(job_id) if isinstance(step, StateChange)]
    assert steps[-1].reason is StepReason.EXCUSED


async def test_changes_of_several_retries_add_up_until_null_takes_one_back(bench: Bench) -> None:
    loop = {"task": "execution_for_loop", "parameter": "p", "values": [3], "task_list": [NULL]}
    job_id, tasks = await fail(bench, loop)
    expression = "(metadata['p'] * 10)"
    await bench.client.retry_job(job_id, settings={"duration": expression})
    attempt = await bench.run_one("failed")
    assert attempt.settings == {"duration": 30}
    assert (await bench.client.get_task(tasks["null"])).changed_settings == {"duration": expression}

    await bench.client.retry_job(job_id)
    assert (await bench.run_one("failed")).settings == {"duration": 30}

    await bench.client.retry_job(job_id, settings={"duration": None})
    assert (await bench.run_one()).settings == {"duration": 1}
    assert (await bench.client.get_task(tasks["null"])).changed_settings == {}


async def test_what_does_not_fit_one_task_changes_none(bench: Bench) -> None:
    job_id, tasks = await fail(bench, NULL, MAKE)
    with pytest.raises(InvalidInputError, match="nothing was changed") as refused:
        await bench.client.retry_job(job_id, settings={"duration": 2})
    (problem,) = refused.value.problems
    assert (problem.slug, problem.where) == ("unknown_setting", "body.settings.duration")
    assert f"task {tasks['make']}: make has no setting 'duration'" in problem.message
    found = await lines(bench, job_id)
    assert {found["null"].state, found["make"].state} == {TaskState.FAILED}
    assert (await bench.client.get_task(tasks["null"])).changed_settings == {}
    await bench.client.retry_job(job_id, task_ids=[tasks["null"] or 0], settings={"duration": 2})
    assert (await bench.run_one()).settings == {"duration": 2}


@pytest.mark.parametrize(
    ("settings", "slug", "where"),
    [
        ({"radius": "big"}, "invalid_setting", "body.settings.radius"),
        ({"radius": "(metadata['no'])"}, "invalid_expression", "body.settings.radius"),
        ({"radius": "(1 +"}, "invalid_expression", "body.settings.radius"),
        ({"outputs": {"lightcurve": "b.gz"}}, "invalid_key", "body.settings.outputs"),
    ],
)
async def test_settings_that_do_not_fit_are_refused(
    bench: Bench, settings: dict[str, Any], slug: str, where: str
) -> None:
    _, tasks = await fail(bench, MAKE)
    response = await bench.http.post(f"/tasks/{tasks['make']}/retry", json={"settings": settings})
    assert response.status_code == 422
    assert [(one["slug"], one["where"]) for one in response.json()["problems"]] == [(slug, where)]
    assert (await bench.client.get_task(tasks["make"])).state is TaskState.FAILED


async def test_flow_control_has_no_settings(bench: Bench) -> None:
    values = "(requested_metadata['a']['nope'])"
    loop = {"task": "execution_for_loop", "name": "loop", "parameter": "p", "values": values, "task_list": []}
    job_id = await bench.submit({"task": "null", "name": "a"}, {**loop, "requires_metadata_from": ["a"]})
    await bench.run_one()
    assert (await bench.client.get_job(job_id, wait=60)).counts.failed == 1
    with pytest.raises(InvalidInputError, match="is an execution_for_loop; only tasks that workers run"):
        await bench.client.retry_job(job_id, settings={"values": [1]})
    with pytest.raises(ConflictError, match="nothing to be tried again"):
        await bench.client.retry_job(await bench.submit(NULL), settings={"duration": 1})


async def test_further_attempts_are_made_by_the_changed_rules(bench: Bench) -> None:
    job_id, tasks = await fail(bench, {**NULL, "execution": {"priority": 3, "max_attempts": 1}})
    rules = ExecutionRules(max_attempts=2, memory_gb=4)

    await bench.client.retry_job(job_id, execution=rules)

    attempt = await bench.run_one("failed", reason="infrastructure")
    assert attempt.memory_gb == 4
    again = await bench.run_one("failed", reason="infrastructure")
    assert (again.number, again.memory_gb) == (3, 4)
    assert await bench.claim() == []
    task = await bench.client.retry_task(tasks["null"], execution=ExecutionRules(run_timeout=60))
    assert task.execution == ExecutionRules(priority=3, max_attempts=2, memory_gb=4, run_timeout=60)
    assert task.changed_execution == ExecutionRules(max_attempts=2, memory_gb=4, run_timeout=60)
    assert (task.changed_by, task.changed_settings) == ("anyone", {})
    assert (await bench.run_one()).run_timeout == 60
    why = await bench.client.explain_task(task.task_id)
    assert "Its rules were changed by anyone" in why.words
    assert why.changed_execution == ["max_attempts", "memory_gb", "run_timeout"]
    with pytest.raises(ConflictError, match="nothing to be tried again by these rules"):
        await bench.client.retry_job(job_id, execution=rules)


async def test_rules_that_are_none_are_refused(bench: Bench) -> None:
    job_id, tasks = await fail(bench, NULL)
    response = await bench.http.post(f"/jobs/{job_id}/retry", json={"execution": {"max_attempts": 0}})
    assert response.status_code == 422
    assert "body.execution.max_attempts" in response.text
    assert (await bench.client.get_task(tasks["null"])).state is TaskState.FAILED


async def test_an_expression_may_wait_for_what_is_not_known_yet(open_bench: OpenBench, bench: Bench) -> None:
    null = {"task": "null", "name": "b", "requires_metadata_from": ["a"]}
    job_id = await bench.submit({"task": "null", "name": "a"}, null)
    await bench.client.cancel_job(job_id)
    found = await lines(bench, job_id)
    await bench.client.retry_task(found["b"].task_id, settings={"duration": "(requested_metadata['a']['n'] + 1)"})
    await bench.client.retry_task(found["a"].task_id)
    async with open_bench() as restarted:
        await restarted.run_one(metadata={"n": 4})
        assert (await restarted.run_one()).settings == {"duration": 5}
    assert (await bench.client.get_job(job_id)).state == "done"
