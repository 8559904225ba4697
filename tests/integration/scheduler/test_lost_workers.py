"""Workers that die, and the tasks that happened to run there.

On real databases, because what is counted is joined from the rows of attempts and losses.
"""

from __future__ import annotations

import pytest

from eas.contracts.states import FailureReason

from .conftest import Bench, OpenBench

pytestmark = pytest.mark.sqlite_only

NULL = {"task": "null"}


async def lose_worker(bench: Bench, limit: int) -> list[int]:
    """Let a worker claim attempts and die. Returns their tasks."""
    await bench.announce("mortal")
    tasks = [one.task_id for one in await bench.claim(limit, worker_id="mortal")]
    await bench.client.dismiss("mortal")
    return tasks


async def test_tasks_that_ran_beside_others_survive_any_number_of_workers(bench: Bench) -> None:
    job_id = await bench.submit(*[{"task": "null", "execution": {"max_attempts": 2}}] * 2)
    for _ in range(7):
        assert len(await lose_worker(bench, 2)) == 2
    assert await bench.counts(job_id) == {"done": 1, "queued": 2}


async def test_one_that_was_alone_each_time_is_quarantined(bench: Bench) -> None:
    job_id = await bench.submit(NULL)
    for _ in range(3):
        (task_id,) = await lose_worker(bench, 1)
    assert await bench.counts(job_id) == {"done": 1, "failed": 1}
    why = await bench.client.explain_task(task_id)
    assert "quarantined: 3 workers were lost while running it" in why.words


async def test_one_that_was_there_each_time_is_found_among_others(bench: Bench) -> None:
    culprit = await bench.submit(NULL, execution={"priority": 5})
    others = await bench.submit(*[NULL] * 3)
    for _ in range(3):
        assert len(await lose_worker(bench, 2)) == 2
        for attempt in await bench.claim(10):
            state = "accepted" if attempt.job_id == others else "lost"
            reason = None if attempt.job_id == others else "evicted"
            await bench.report(attempt, state, reason=reason)
        if await bench.counts(others) == {"done": 4}:
            others = await bench.submit(*[NULL] * 3)
    assert await bench.counts(culprit) == {"done": 1, "failed": 1}
    assert "failed" not in await bench.counts(others)


async def test_a_rule_that_leaves_losses_out_does_not_let_a_dead_worker_fail_a_task(bench: Bench) -> None:
    job_id = await bench.submit(*[{"task": "null", "execution": {"retry_on": ["science"]}}] * 2)
    await lose_worker(bench, 1)
    await lose_worker(bench, 2)
    assert await bench.counts(job_id) == {"done": 1, "queued": 2}


async def test_where_the_whole_suite_went_down_nothing_is_held_against_anybody(open_bench: OpenBench) -> None:
    job_id = None
    for number in range(5):
        async with open_bench() as bench:
            if job_id is None:
                await bench.announce()
                job_id = await bench.submit(NULL)
            else:
                await bench.client.dismiss(f"mortal {number - 1}")
            await bench.announce(f"mortal {number}")
            assert len(await bench.claim(1, worker_id=f"mortal {number}")) == 1
    async with open_bench() as bench:
        await bench.client.dismiss("mortal 4")
        assert await bench.counts(job_id or 0) == {"done": 1, "queued": 1}
        await bench.announce()
        (attempt,) = await bench.claim(1)
        assert attempt.number == 6


async def test_a_lost_task_keeps_its_place(bench: Bench) -> None:
    await bench.submit(*({"task": "null", "name": str(n)} for n in range(6)))
    held = await lose_worker(bench, 2)
    assert [one.task_id for one in await bench.claim(2)] == held


async def test_a_process_that_dies_under_a_task_counts_against_it_as_before(bench: Bench) -> None:
    job_id = await bench.submit(NULL)
    for _ in range(3):
        await bench.run_one("lost", reason=FailureReason.LOST, message="killed by SIGKILL")
    assert await bench.counts(job_id) == {"done": 1, "failed": 1}
