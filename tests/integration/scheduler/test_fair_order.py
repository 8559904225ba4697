"""Which attempt is claimed next: the jobs of one priority take turns, and what was handed back keeps its place.

On real databases, because the order is a query and an index of each engine.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from eas.contracts.scheduler import ClaimedAttempt, ClaimRequest
from tests.support.databases import SERVER_KINDS

from .conftest import Bench, OpenBench, version


def many(count: int, task: dict[str, Any]) -> dict[str, Any]:
    return {"task": "execution_for_loop", "parameter": "i", "values": f"(range({count}))", "task_list": [task]}


NULL = {"task": "null"}
MAKE = {"task": "make", "outputs": {"lightcurve": "(str(metadata['i']) + '.lc')"}}


async def run(bench: Bench, count: int) -> list[ClaimedAttempt]:
    """Claim attempts and end each before the next is claimed."""
    return [await bench.run_one(outputs=[]) for _ in range(count)]


def count_jobs(attempts: list[ClaimedAttempt]) -> Counter[int]:
    return Counter(attempt.job_id for attempt in attempts)


async def test_a_small_job_behind_a_large_one_gets_its_share(bench: Bench) -> None:
    await bench.submit(many(200, NULL))
    await run(bench, 30)
    small = await bench.submit(many(10, NULL))
    assert count_jobs(await run(bench, 21))[small] == 10


async def test_ten_tasks_behind_twenty_thousand_of_another_job_are_claimed_within_some_dozens(
    open_bench: OpenBench,
) -> None:
    async with open_bench() as bench:
        await bench.announce()
        await bench.submit(many(20_000, NULL))
        await run(bench, 3)
        small = await bench.submit(many(10, NULL))
        assert count_jobs(await run(bench, 21))[small] == 10


@pytest.mark.parametrize("before", [0, 30])
async def test_it_does_so_if_its_tasks_are_of_another_type(bench: Bench, before: int) -> None:
    await bench.submit(many(100, NULL))
    await run(bench, before)
    small = await bench.submit(many(10, {"task": "ingest"}))
    assert count_jobs(await run(bench, 21))[small] == 10


async def test_large_jobs_share_alike_whenever_they_were_submitted(bench: Bench) -> None:
    first = await bench.submit(many(100, NULL))
    await run(bench, 40)
    second = await bench.submit(many(100, NULL))
    found = count_jobs(await run(bench, 60))
    assert found == {first: 30, second: 30}


async def test_a_job_of_a_type_of_its_own_has_no_start_over_one_that_ran_alone(bench: Bench) -> None:
    first = await bench.submit(many(100, NULL))
    await run(bench, 40)
    second = await bench.submit(many(100, {"task": "ingest"}))
    found = count_jobs(await run(bench, 60))
    assert abs(found[first] - found[second]) <= 2


async def test_jobs_take_turns_within_one_claim_too(bench: Bench) -> None:
    await bench.submit(many(50, NULL))
    small = await bench.submit(many(10, NULL))
    assert count_jobs(await bench.claim(20))[small] == 10


async def test_priority_comes_before_taking_turns(bench: Bench) -> None:
    await bench.submit(many(20, NULL))
    urgent = await bench.submit(many(20, NULL), execution={"priority": 1})
    assert count_jobs(await run(bench, 20)) == {urgent: 20}


async def test_a_job_that_went_ahead_by_its_priority_takes_nothing_from_the_turns_of_others(bench: Bench) -> None:
    await bench.submit(many(50, NULL))
    await bench.submit(many(100, NULL), execution={"priority": 1})
    await run(bench, 100)
    small = await bench.submit(many(10, NULL))
    assert count_jobs(await run(bench, 21))[small] == 10


async def test_what_becomes_ready_later_takes_its_turn(bench: Bench) -> None:
    """A stage of a job whose earlier stages are all claimed at once never waits for the whole queue of another job."""
    chain = [{"task": "null", "name": str(n)} | {"requires_metadata_from": [str(n - 1)] if n else []} for n in range(6)]
    small = await bench.submit(*({key: value for key, value in task.items() if value} for task in chain))
    await run(bench, 3)
    await bench.submit(many(100, NULL))
    assert count_jobs(await run(bench, 8))[small] == 3


async def test_attempts_within_a_job_are_claimed_in_their_order(bench: Bench) -> None:
    await bench.submit(*({"task": "null", "name": str(n)} for n in range(12)))
    assert [one.task_name for one in await run(bench, 12)] == [str(n) for n in range(12)]


async def test_they_are_whatever_their_types(bench: Bench) -> None:
    types = ["null", "ingest", "null", "null", "ingest", "null"]
    await bench.submit(*({"task": task_type, "name": str(n)} for n, task_type in enumerate(types)))
    assert [one.task_name for one in await run(bench, 6)] == [str(n) for n in range(6)]


async def test_a_job_that_was_paused_does_not_make_up_for_it_when_it_goes_on(bench: Bench) -> None:
    paused = await bench.submit(many(50, NULL))
    await bench.client.pause_job(paused)
    other = await bench.submit(many(80, NULL))
    await run(bench, 30)
    await bench.client.resume_job(paused)
    found = count_jobs(await run(bench, 40))
    assert abs(found[paused] - found[other]) <= 2


async def test_what_was_handed_back_keeps_its_place(bench: Bench) -> None:
    await bench.submit(*({"task": "null", "name": str(n)} for n in range(10)))
    (first,) = await bench.claim(1)
    await bench.report(first, "lost", reason="evicted", message="its slot is busy with a longer task")
    (again,) = await bench.claim(1)
    assert (again.task_id, again.number) == (first.task_id, 2)


async def test_what_a_caller_who_had_gone_was_given_keeps_its_place(bench: Bench) -> None:
    await bench.announce("w2")
    await bench.submit(*({"task": "null", "name": str(n)} for n in range(10)))
    held = [one.task_name for one in await bench.claim(3, worker_id="w2")]
    assert (await bench.http.delete("/workers/w2", params={"in_good_order": True})).is_success
    assert [one.task_name for one in await bench.claim(3)] == held


async def test_what_was_handed_back_is_no_trouble(bench: Bench) -> None:
    job_id = await bench.submit(NULL, NULL)
    await bench.run_one("lost", reason="evicted", message="its slot is busy with a longer task")
    await bench.run_one("failed", reason="science", message="ouch")
    page = (await bench.http.get("/diagnostics/errors", params={"job_id": job_id})).json()
    assert [item["reason"] for item in page["items"]] == ["science"]


@pytest.mark.parametrize("database_kind", SERVER_KINDS, indirect=True)
async def test_two_schedulers_keep_one_order(open_bench: OpenBench) -> None:
    async with open_bench(replica="a") as first, open_bench(replica="b") as second:
        await first.announce()
        await first.submit(many(100, NULL))
        await run(first, 20)
        small = await second.submit(many(10, NULL))
        found = await run(first, 10) + await run(second, 11)
        assert count_jobs(found)[small] == 10


async def test_a_task_that_read_what_another_made_is_claimed_in_turn(bench: Bench) -> None:
    reader = {"task": "find", "inputs": {"lightcurve": "(str(metadata['i']) + '.lc')"}}
    job_id = await bench.submit(many(40, MAKE), many(40, reader))
    other = await bench.submit(many(40, NULL))
    claimed = []
    for _ in range(30):
        (attempt,) = await bench.claim(1)
        claimed.append(attempt)
        await bench.report(attempt, outputs=[version(attempt)] if attempt.outputs else [])
    found = count_jobs(claimed)
    assert found[other] >= 9
    assert found[job_id] >= 9


async def test_a_worker_is_given_no_more_than_it_has_room_for(bench: Bench) -> None:
    """Of a mixture of long and short tasks, one slot gets one long task, or short ones up to the next long one."""
    types = ["ingest", "null", "null", "null", "ingest", "null", "ingest"]
    await bench.submit(*({"task": task_type, "name": str(n)} for n, task_type in enumerate(types)))
    request = ClaimRequest(worker_id="w1", per_type={"ingest": 1, "null": 250}, total=250, share_room=True)
    taken = []
    while attempts := (await bench.client.claim(request)).attempts:
        taken.append([one.task_name for one in attempts])
    assert taken == [["0"], ["1", "2", "3"], ["4"], ["5"], ["6"]]


async def test_two_slots_are_filled_with_two_long_tasks(bench: Bench) -> None:
    await bench.submit(*({"task": task_type} for task_type in ["ingest", "null", "ingest", "ingest"]))
    request = ClaimRequest(worker_id="w1", per_type={"ingest": 2, "null": 250}, total=250, share_room=True)
    claimed = (await bench.client.claim(request)).attempts
    assert [one.task_type for one in claimed] == ["ingest", "null"]
