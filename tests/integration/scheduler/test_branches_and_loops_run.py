"""Conditionals and repeated loops on a real scheduler: they wait for results, and their trees stay flat."""

from __future__ import annotations

from typing import Any

import pytest

from eas.contracts.scheduler import ClaimedAttempt
from eas.contracts.states import FailureReason, TaskState

from .conftest import Bench, OpenBench, version

pytestmark = pytest.mark.sqlite_only

CHECK = {"task": "null", "name": "check"}
LOOP = {
    "task": "execution_do_while_loop",
    "iteration_name": "pass",
    "requires_metadata_from_child": ["check"],
    "repeat_criterion": "(requested_metadata['check']['sde'] > 9)",
    "task_list": [{"task": "null"}, CHECK],
}


async def finish(bench: Bench, job_id: int, metadata: Any) -> list[ClaimedAttempt]:
    """Run all tasks of a job with the results that `metadata` gives for each."""
    ran: list[ClaimedAttempt] = []
    while (await bench.client.get_job(job_id)).state.value == "running":
        for attempt in await bench.claim(wait=0.2):
            ran.append(attempt)
            await bench.report(attempt, metadata=metadata(attempt))
    return ran


async def test_a_search_is_repeated_until_nothing_more_is_found(bench: Bench) -> None:
    job_id = await bench.submit(LOOP)
    ran = await finish(bench, job_id, lambda attempt: {"sde": 15 - 2 * attempt.metadata["pass_index"]})
    assert [attempt.metadata["pass_index"] for attempt in ran] == [1, 1, 2, 2, 3, 3]
    job = await bench.client.get_job(job_id)
    assert (job.state.value, job.counts.total) == ("done", 1 + 1 + 3 * (2 + 2))
    tree = (await bench.client.get_tree(job_id)).items
    assert max(line.level for line in tree) == 3
    assert [line.level for line in tree if line.task_type == "execution_chain"] == [0, 2, 2, 2]
    assert tree[1].children == 3


async def test_a_while_loop_tests_first(bench: Bench) -> None:
    test = "(requested_metadata.get('check', {}).get('left', 2) > 0)"
    loop = {key: value for key, value in LOOP.items() if key != "repeat_criterion"}
    job_id = await bench.submit(loop | {"task": "execution_while_loop", "criterion": test})
    ran = await finish(bench, job_id, lambda attempt: {"left": 2 - attempt.metadata["pass_index"]})
    assert len(ran) == 4
    assert (await bench.client.get_job(job_id)).counts.total == 1 + 1 + 2 * (2 + 2)


async def test_a_branch_follows_a_result_and_a_later_task_the_branch(bench: Bench) -> None:
    branch = {
        "task": "execution_conditional",
        "name": "branch",
        "requires_metadata_from": ["check"],
        "criterion": "(requested_metadata['check']['sde'] > 9)",
        "task_list": [{"task": "null", "name": "strong"}],
        "else_task_list": [{"task": "null", "name": "weak"}],
    }
    for sde, name in ((12, "strong"), (3, "weak")):
        job_id = await bench.submit(CHECK, branch)
        ran = await finish(bench, job_id, lambda _, sde=sde: {"sde": sde})
        assert [attempt.task_name for attempt in ran] == ["check", name]
        assert (await bench.client.get_job(job_id)).counts.total == 5


async def test_a_runaway_loop_is_stopped_with_a_reason(open_bench: OpenBench) -> None:
    async with open_bench(max_iterations=4) as bench:
        await bench.announce()
        job_id = await bench.submit(LOOP)
        await finish(bench, job_id, lambda _: {"sde": 100})
        assert (await bench.client.get_job(job_id)).state.value == "failed"
        failed = [line for line in (await bench.client.get_tree(job_id)).items if line.state is TaskState.FAILED]
        assert [line.reason for line in failed] == [FailureReason.INPUT]
        assert "stopped after 4 iterations" in (failed[0].message or "")


async def test_outputs_without_the_counter_collide_in_the_second_iteration(bench: Bench) -> None:
    make = {"task": "make", "name": "check", "outputs": {"lightcurve": "same.gz"}}
    job_id = await bench.submit(LOOP | {"task_list": [make]})
    (attempt,) = await bench.claim()
    await bench.report(attempt, outputs=[version(attempt)], metadata={"sde": 10})
    job = await bench.client.get_job(job_id, wait=60)
    assert job.state.value == "failed"
    failed = [line for line in (await bench.client.get_tree(job_id)).items if line.state is TaskState.FAILED]
    assert "is promised by task" in (failed[0].message or "")
