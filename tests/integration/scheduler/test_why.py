"""A user who asks why a task has not run gets the answer, typed and in words."""

from __future__ import annotations

from typing import Any

import pytest

from eas.contracts.diagnostics import WhyCode, WhyView
from eas.contracts.errors import NotFoundError
from eas.contracts.scheduler import HeartbeatRequest, LeasedAttempt

from .conftest import Bench, MovableClock, OpenBench

pytestmark = pytest.mark.sqlite_only

NULL = {"task": "null"}
MAKER = {"task": "make", "name": "maker", "outputs": {"lightcurve": "a.gz"}}
FINDER = {"task": "find", "name": "finder", "inputs": {"lightcurve": "a.gz"}}
LAST = {"task": "null", "name": "last", "requires_metadata_from": ["finder"]}


async def ask(bench: Bench, job_id: int, name: str) -> WhyView:
    tree = await bench.client.get_tree(job_id)
    (task_id,) = [line.task_id for line in tree.items if line.name == name]
    return await bench.client.explain_task(task_id)


async def test_a_waiting_task_names_what_it_waits_for(bench: Bench) -> None:
    job_id = await bench.submit(MAKER, FINDER, LAST)
    finder = await ask(bench, job_id, "finder")
    assert finder.code is WhyCode.WAITING_FOR_TASKS
    (need,) = finder.waits_for
    assert (need.kind, need.label, need.filename, need.source.name) == ("file", "lightcurve", "a.gz", "maker")
    assert finder.words.startswith("It waits for the file 'a.gz' of task ")
    assert finder.words.endswith("'maker' (make, queued).")
    last = await ask(bench, job_id, "last")
    assert (last.waits_for[0].kind, last.waits_for[0].source.state) == ("metadata", "waiting")


@pytest.mark.every_database
async def test_a_need_that_is_met_is_not_listed(bench: Bench) -> None:
    tasks: list[dict[str, Any]] = [{"task": "null", "name": name} for name in "ab"]
    job_id = await bench.submit(*tasks, {"task": "null", "name": "c", "requires_metadata_from": ["a", "b"]})
    assert len((await ask(bench, job_id, "c")).waits_for) == 2
    await bench.run_one()
    found = await ask(bench, job_id, "c")
    assert [need.label for need in found.waits_for] == ["b"]
    assert found.unmet == 1


async def test_a_queued_task_tells_its_place_and_who_could_take_it(bench: Bench) -> None:
    await bench.submit(NULL)
    job_id = await bench.submit({"task": "null", "name": "mine"})
    found = await ask(bench, job_id, "mine")
    assert found.code is WhyCode.WAITING_FOR_WORKER
    assert found.queue is not None
    assert (found.queue.position, found.queue.workers, found.queue.idle_workers) == (2, 1, 1)
    assert "number 2 in its queue" in found.words
    await bench.claim(1)
    busy = await ask(bench, job_id, "mine")
    assert busy.queue is not None
    assert (busy.queue.position, busy.queue.idle_workers) == (1, 0)
    assert busy.words.endswith("the only worker that runs 'null' is busy.")


async def test_a_task_that_no_worker_can_run_says_so(bench: Bench) -> None:
    job_id = await bench.submit({"task": "null", "name": "mine"})
    await bench.client.dismiss("w1")
    found = await ask(bench, job_id, "mine")
    assert found.queue is not None
    assert found.queue.workers == 0
    assert found.words.endswith("no worker that runs 'null' is here.")


async def test_a_worker_that_is_not_heard_any_more_is_not_counted_on(open_bench: OpenBench) -> None:
    clock = MovableClock()
    async with open_bench(clock, lease_seconds=30) as bench:
        await bench.announce()
        job_id = await bench.submit({"task": "null", "name": "mine"})
        clock.move(91)
        found = await ask(bench, job_id, "mine")
        assert found.queue is not None
        assert found.queue.workers == 0
        assert "no worker that runs 'null' has been heard since" in found.words


async def test_a_running_task_tells_where_and_until_when(bench: Bench) -> None:
    job_id = await bench.submit({"task": "null", "name": "mine"})
    (attempt,) = await bench.claim(1)
    found = await ask(bench, job_id, "mine")
    assert (found.code, found.worker_id, found.attempt_id) == (WhyCode.RUNNING, "w1", attempt.attempt_id)
    assert found.running_since is not None
    assert found.lease_expires_at is not None
    assert found.lease_expires_at > found.running_since
    assert "is being run by worker w1" in found.words
    held = [LeasedAttempt(attempt_id=attempt.attempt_id, lease_token=attempt.lease_token, phase="checking")]
    await bench.client.beat(HeartbeatRequest(worker_id="w1", attempts=held))
    assert "is being checked by worker w1" in (await ask(bench, job_id, "mine")).words


async def test_a_running_task_whose_lease_ran_out_says_what_comes_next(open_bench: OpenBench) -> None:
    clock = MovableClock()
    async with open_bench(clock, lease_seconds=30) as bench:
        await bench.announce()
        job_id = await bench.submit({"task": "null", "name": "mine"})
        await bench.claim(1)
        clock.move(31)
        found = await ask(bench, job_id, "mine")
        assert found.code is WhyCode.RUNNING
        assert "its lease ran out" in found.words
        assert "it will be tried again unless the worker is heard" in found.words


async def test_a_done_task_tells_whether_it_ran_more_than_once_and_why(bench: Bench) -> None:
    job_id = await bench.submit({"task": "null", "name": "mine"})
    lost = await bench.run_one("lost", message="killed by signal 9")
    waiting = await ask(bench, job_id, "mine")
    assert waiting.code is WhyCode.WAITING_FOR_WORKER
    assert waiting.words.endswith("Earlier attempts: number 1 was lost: killed by signal 9.")
    await bench.run_one()
    found = await ask(bench, job_id, "mine")
    assert found.code is WhyCode.RAN_AGAIN
    assert [(one.attempt_id, one.state, one.reason) for one in found.earlier] == [(lost.attempt_id, "lost", "lost")]
    once = await bench.submit({"task": "null", "name": "once"})
    await bench.run_one()
    ran = await ask(bench, once, "once")
    assert (ran.code, ran.earlier, ran.worker_id) == (WhyCode.RAN, [], "w1")


async def test_a_failed_task_tells_the_reason_and_why_it_is_not_tried_again(bench: Bench) -> None:
    trace = "Traceback (most recent call last):\n  File ...\nValueError: no data"
    job_id = await bench.submit({"task": "null", "name": "bad"}, {"task": "null", "name": "killer"})
    await bench.run_one("failed", reason="science", message=trace)
    for _ in range(3):
        await bench.run_one("lost", message="killed by signal 9")
    bad = await ask(bench, job_id, "bad")
    assert (bad.code, bad.reason, bad.message) == (WhyCode.FAILED, "science", trace)
    assert bad.retry == "another attempt would fail in the same way"
    assert "It failed (science): ValueError: no data." in bad.words
    killer = await ask(bench, job_id, "killer")
    assert killer.retry == "quarantined: 3 workers were lost while running it"
    assert [one.number for one in killer.earlier] == [1, 2, 3]


@pytest.mark.every_database
async def test_a_blocked_task_names_the_root_cause_with_its_message(bench: Bench) -> None:
    job_id = await bench.submit(MAKER, FINDER, LAST)
    await bench.run_one("failed", reason="science", message="no such star")
    later = await bench.submit(
        {"task": "find", "name": "next", "inputs": {"lightcurve": "a.gz"}},
        {"task": "null", "name": "after", "requires_metadata_from": ["next"]},
    )
    for found in (await ask(bench, job_id, "last"), await ask(bench, later, "after")):
        assert found.code is WhyCode.BLOCKED
        assert found.cause is not None
        assert (found.cause.name, found.cause.state, found.cause.message) == ("maker", "failed", "no such star")
        assert found.words.endswith("'maker' (make, failed): no such star.")


async def test_a_paused_job_is_why_nothing_of_it_starts_and_its_tasks_are_held_back(bench: Bench) -> None:
    job_id = await bench.submit({"task": "null", "name": "mine"})
    await bench.client.pause_job(job_id)
    assert (await ask(bench, job_id, "mine")).code is WhyCode.JOB_PAUSED
    assert [(queue.waiting, queue.on_hold) for queue in (await bench.client.list_queues()).items] == [(0, 1)]
    await bench.client.resume_job(job_id)
    assert (await ask(bench, job_id, "mine")).code is WhyCode.WAITING_FOR_WORKER
    assert [queue.waiting for queue in (await bench.client.list_queues()).items] == [1]


async def test_what_users_cancelled_or_excused_says_so(bench: Bench) -> None:
    job_id = await bench.submit({"task": "null", "name": "bad"}, {"task": "null", "name": "unwanted"})
    await bench.run_one("failed", reason="science", message="no flux")
    bad = await ask(bench, job_id, "bad")
    await bench.client.excuse_task(bad.task_id, "known bad pixel")
    excused = await ask(bench, job_id, "bad")
    assert excused.code is WhyCode.EXCUSED
    assert "known bad pixel" in excused.words
    await bench.client.cancel_job(job_id)
    assert (await ask(bench, job_id, "unwanted")).code is WhyCode.CANCELLED


async def test_a_flow_task_tells_what_it_became(bench: Bench) -> None:
    job_id = await bench.submit(NULL, NULL)
    job = await bench.client.get_job(job_id)
    found = await bench.client.explain_task(job.root_task_id)
    assert (found.code, found.words) == (WhyCode.RAN, "The scheduler expanded it into 2 tasks.")


@pytest.mark.every_database
async def test_an_unknown_task_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFoundError, match="there is no task 99"):
        await bench.client.explain_task(99)
