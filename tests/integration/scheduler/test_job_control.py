"""What users may do to jobs: cancel, pause, try again, excuse, submit once, dry_run. Counts always equal the rows."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from eas.contracts.errors import ConflictError, InvalidInputError, InvalidJobError, NotFoundError, ProductExistsError
from eas.contracts.scheduler import ClaimedAttempt, HeartbeatRequest, LeasedAttempt, TaskLine
from eas.contracts.states import AttemptState, FailureReason, JobState, TaskState
from tests.support.databases import Inspector

from .conftest import Bench, OpenBench, find_wrong_counts, version

pytestmark = pytest.mark.sqlite_only

NULL = {"task": "null"}
MAKE = {"task": "make", "name": "make", "outputs": {"lightcurve": "a.gz"}}
FIND = {"task": "find", "name": "find", "inputs": {"lightcurve": "a.gz"}}


def null(name: str, *requires: str) -> dict[str, Any]:
    return {"task": "null", "name": name, "requires_metadata_from": list(requires)}


async def lines(bench: Bench, job_id: int) -> dict[str | None, TaskLine]:
    return {line.name: line for line in (await bench.client.get_tree(job_id, limit=1000)).items}


async def states(bench: Bench, job_id: int) -> dict[str | None, str]:
    found = await lines(bench, job_id)
    return {name: line.state.value for name, line in found.items() if name is not None}


async def beat(bench: Bench, *attempts: ClaimedAttempt) -> list[int]:
    held = [LeasedAttempt(attempt_id=one.attempt_id, lease_token=one.lease_token) for one in attempts]
    return (await bench.client.beat(HeartbeatRequest(worker_id="w1", attempts=held))).cancel


@pytest.fixture(autouse=True)
def counts_equal_rows(inspector: Inspector, bench: Bench) -> Any:
    """Whatever a test did: the counts of every job are those of its rows, and every step is in the events."""
    yield
    assert find_wrong_counts(inspector) == []
    last_of_attempts = inspector.fetch(
        "SELECT id, state, (SELECT state_after FROM transition AS step WHERE attempt_id = attempt.id"
        " ORDER BY step.id DESC LIMIT 1) FROM attempt"
    )
    assert [row for row in last_of_attempts if row[1] != row[2]] == []
    last_of_tasks = inspector.fetch(
        "SELECT id, state, (SELECT state_after FROM transition AS step WHERE task_id = task.id"
        " ORDER BY step.id DESC LIMIT 1) FROM task WHERE state IN ('blocked', 'cancelled')"
    )
    assert [row for row in last_of_tasks if row[1] != row[2]] == []
    numbers = inspector.fetch(
        "SELECT t.attempts, COUNT(a.id) FROM task t LEFT JOIN attempt a ON a.task_id = t.id GROUP BY t.id, t.attempts"
    )
    assert [row for row in numbers if row[0] != row[1]] == []


# --- cancel ---------------------------------------------------------------------------------------------------------


async def test_a_cancelled_job_ends_when_its_workers_have_heard_of_it(bench: Bench) -> None:
    job_id = await bench.submit(null("runs"), null("follows", "runs"), null("last", "follows"), null("queued"))
    (attempt,) = await bench.claim(1)

    job = await bench.client.cancel_job(job_id)

    assert (job.state, job.counts.running, job.counts.cancelled) == (JobState.RUNNING, 1, 3)
    assert await bench.claim() == []
    assert await beat(bench, attempt) == [attempt.attempt_id]
    assert (await bench.report(attempt, "cancelled")).results[0].recorded
    assert (await bench.client.cancel_job(job_id)).state is JobState.CANCELLED
    found = await lines(bench, job_id)
    assert {(line.state.value, line.reason) for name, line in found.items() if name} == {("cancelled", "cancelled")}
    assert found["queued"].message == "cancelled by anyone"


async def test_blocked_tasks_of_a_cancelled_job_are_cancelled(bench: Bench) -> None:
    job_id = await bench.submit(null("a"), null("b", "a"))
    await bench.run_one("failed")
    await bench.client.cancel_job(job_id)
    assert await states(bench, job_id) == {"a": "failed", "b": "cancelled"}
    assert (await bench.client.get_job(job_id)).state is JobState.FAILED


async def test_work_that_was_done_before_the_worker_heard_counts(bench: Bench) -> None:
    job_id = await bench.submit(null("a"), null("b", "a"))
    (attempt,) = await bench.claim(1)
    await bench.client.cancel_job(job_id)
    await bench.report(attempt, metadata={"x": 1})
    assert await states(bench, job_id) == {"a": "done", "b": "cancelled"}
    assert await bench.claim() == []


@pytest.mark.parametrize(
    ("state", "reason"), [("lost", "lost"), ("lost", "evicted"), ("failed", "infrastructure"), ("failed", "science")]
)
async def test_no_attempt_follows_a_wish_to_cancel(bench: Bench, state: str, reason: str) -> None:
    job_id = await bench.submit(null("a"))
    (attempt,) = await bench.claim(1)
    await bench.client.cancel_job(job_id)

    await bench.report(attempt, state, reason=reason)

    assert await bench.claim() == []
    assert (await bench.client.get_job(job_id)).state is JobState.CANCELLED
    ended = await bench.client.get_attempt(attempt.attempt_id)
    assert (ended.state, ended.reason) == (state, reason)


async def test_a_worker_that_dies_after_a_cancellation_leaves_nothing_open(bench: Bench) -> None:
    job_id = await bench.submit(null("a"))
    await bench.claim(1)
    await bench.client.cancel_job(job_id)
    await bench.client.dismiss("w1")
    job = await bench.client.get_job(job_id)
    assert (job.state, job.counts.cancelled) == (JobState.CANCELLED, 1)


async def test_a_cancelled_job_blocks_those_who_wait_for_its_products(bench: Bench) -> None:
    first = await bench.submit(MAKE)
    second = await bench.submit(FIND, null("after", "find"))
    await bench.client.cancel_job(first)
    assert await states(bench, second) == {"find": "blocked", "after": "blocked"}
    maker = (await lines(bench, first))["make"].task_id
    assert (await bench.client.get_task((await lines(bench, second))["after"].task_id)).blocked_by == maker
    await bench.client.retry_task(maker)
    assert await states(bench, second) == {"find": "waiting", "after": "waiting"}


async def test_a_job_that_has_ended_can_be_cancelled_without_effect(bench: Bench) -> None:
    job_id = await bench.submit(NULL)
    await bench.run_one()
    assert (await bench.client.cancel_job(job_id)).state is JobState.DONE
    with pytest.raises(NotFoundError, match="no job 99"):
        await bench.client.cancel_job(99)


async def test_cancelling_a_task_blocks_what_depends_on_it(bench: Bench) -> None:
    job_id = await bench.submit(null("a"), null("b", "a"), null("c", "b"), null("free"))
    task_id = (await lines(bench, job_id))["a"].task_id

    task = await bench.client.cancel_task(task_id)

    assert (task.state, task.attempts[0].state) == (TaskState.CANCELLED, AttemptState.CANCELLED)
    assert await states(bench, job_id) == {"a": "cancelled", "b": "blocked", "c": "blocked", "free": "queued"}
    assert (await bench.client.get_task((await lines(bench, job_id))["c"].task_id)).blocked_by == task_id
    assert (await bench.client.cancel_task(task_id)).state is TaskState.CANCELLED
    free = await bench.run_one()
    with pytest.raises(ConflictError, match="has ended: done"):
        await bench.client.cancel_task(free.task_id)


async def test_cancelling_a_running_task_blocks_what_depends_on_it_when_it_ends(bench: Bench) -> None:
    job_id = await bench.submit(null("a"), null("b", "a"))
    (attempt,) = await bench.claim(1)
    assert (await bench.client.cancel_task(attempt.task_id)).state is TaskState.RUNNING
    assert await beat(bench, attempt) == [attempt.attempt_id]
    await bench.report(attempt, "cancelled")
    assert await states(bench, job_id) == {"a": "cancelled", "b": "blocked"}


async def test_cancelling_a_loop_cancels_all_below_it(bench: Bench) -> None:
    loop = {"task": "execution_for_loop", "name": "loop", "parameter": "i", "values": [1, 2, 3], "task_list": [NULL]}
    job_id = await bench.submit(loop, null("free"))
    (attempt,) = await bench.claim(1)
    await bench.client.cancel_task((await lines(bench, job_id))["loop"].task_id)
    assert await bench.counts(job_id) == {"done": 5, "running": 1, "cancelled": 2, "queued": 1}
    await bench.report(attempt, "cancelled")
    assert [one.task_name for one in await bench.claim()] == ["free"]


# --- pause ----------------------------------------------------------------------------------------------------------


async def test_nothing_of_a_paused_job_is_handed_out_until_it_is_resumed(bench: Bench) -> None:
    job_id = await bench.submit(null("a"), null("b", "a"), null("c"))
    (running,) = await bench.claim(1)

    assert (await bench.client.pause_job(job_id)).paused

    await bench.report(running)
    assert await states(bench, job_id) == {"a": "done", "b": "queued", "c": "queued"}
    assert await bench.claim() == []
    other = await bench.submit(null("other"))
    assert [(await bench.run_one()).job_id] == [other]
    poll = asyncio.create_task(bench.claim(1, wait=30))
    await bench.settle()
    assert not poll.done()
    assert not (await bench.client.resume_job(job_id)).paused
    found = await asyncio.wait_for(poll, 60) + await bench.claim()
    assert sorted(str(one.task_name) for one in found) == ["b", "c"]


async def test_a_loop_of_a_paused_job_is_not_expanded(bench: Bench) -> None:
    values = "(requested_metadata['a']['n'])"
    loop = {"task": "execution_for_loop", "parameter": "p", "values": values, "task_list": [NULL]}
    job_id = await bench.submit(null("a"), {**loop, "requires_metadata_from": ["a"]})
    (attempt,) = await bench.claim()
    await bench.client.pause_job(job_id)
    await bench.report(attempt, metadata={"n": [1, 2]})
    assert await bench.counts(job_id) == {"done": 2, "queued": 1}
    await bench.client.resume_job(job_id)
    assert len(await bench.claim(1, wait=60)) == 1


async def test_an_attempt_that_is_lost_is_tried_again_only_after_the_pause(bench: Bench) -> None:
    job_id = await bench.submit(NULL)
    (attempt,) = await bench.claim()
    await bench.client.pause_job(job_id)
    await bench.report(attempt, "lost")
    assert await bench.claim() == []
    await bench.client.resume_job(job_id)
    assert [one.number for one in await bench.claim()] == [2]


async def test_pausing_again_changes_nothing_and_survives_a_restart(open_bench: OpenBench, bench: Bench) -> None:
    job_id = await bench.submit(NULL)
    for _ in range(2):
        assert (await bench.client.pause_job(job_id)).paused
    async with open_bench() as restarted:
        assert (await restarted.client.get_job(job_id)).paused
        assert await restarted.claim() == []
    assert (await bench.client.cancel_job(job_id)).state is JobState.CANCELLED
    with pytest.raises(ConflictError, match="has ended"):
        await bench.client.pause_job(job_id)


# --- try again ------------------------------------------------------------------------------------------------------


async def test_trying_again_heals_what_was_blocked(bench: Bench) -> None:
    job_id = await bench.submit(MAKE, FIND, null("c", "find"))
    (attempt,) = await bench.claim()
    await bench.report(attempt, "failed", message="Traceback …")
    assert (await bench.client.get_job(job_id)).finished_at is not None

    job = await bench.client.retry_job(job_id)

    assert (job.state, job.finished_at) == (JobState.RUNNING, None)
    assert await states(bench, job_id) == {"make": "queued", "find": "waiting", "c": "waiting"}
    (again,) = await bench.claim()
    assert (again.task_id, again.number) == (attempt.task_id, 2)
    await bench.report(again, outputs=[version(again)])
    await bench.run_one()
    await bench.run_one()
    job = await bench.client.get_job(job_id)
    assert (job.state, job.counts.done) == (JobState.DONE, 4)


async def test_a_quarantined_task_gets_all_its_tries_back(bench: Bench) -> None:
    job_id = await bench.submit(null("killer"))
    for _ in range(3):
        await bench.run_one("lost")
    assert await bench.claim() == []
    await bench.client.retry_job(job_id)
    for _ in range(3):
        await bench.run_one("lost")
    assert await states(bench, job_id) == {"killer": "failed"}
    assert (await lines(bench, job_id))["killer"].attempts == 6


async def test_what_has_two_causes_is_healed_by_the_second(bench: Bench) -> None:
    job_id = await bench.submit(null("a"), null("b"), null("c", "a", "b"), null("d", "c"))
    for _ in range(2):
        await bench.run_one("failed")
    found = await lines(bench, job_id)
    await bench.client.retry_task(found["a"].task_id)
    assert await states(bench, job_id) == {"a": "queued", "b": "failed", "c": "blocked", "d": "blocked"}
    for name in ("c", "d"):
        assert (await bench.client.get_task(found[name].task_id)).blocked_by == found["b"].task_id
    await bench.client.retry_task(found["b"].task_id)
    for _ in range(4):
        await bench.run_one()
    assert (await bench.client.get_job(job_id)).state is JobState.DONE


async def test_tasks_can_be_named_by_number_or_reason(bench: Bench) -> None:
    job_id = await bench.submit(null("a"), null("b"), null("c"))
    for reason in ("science", "input", "science"):
        await bench.run_one("failed", reason=reason)
    found = await lines(bench, job_id)
    await bench.client.retry_job(job_id, reasons=[FailureReason.INPUT])
    assert await states(bench, job_id) == {"a": "failed", "b": "queued", "c": "failed"}
    await bench.client.retry_job(job_id, task_ids=[found["c"].task_id])
    assert await states(bench, job_id) == {"a": "failed", "b": "queued", "c": "queued"}
    with pytest.raises(ConflictError, match=f"task {found['b'].task_id} is queued"):
        await bench.client.retry_job(job_id, task_ids=[found["a"].task_id, found["b"].task_id])
    with pytest.raises(NotFoundError, match=f"job {job_id} has no task 99"):
        await bench.client.retry_job(job_id, task_ids=[99])
    with pytest.raises(InvalidInputError, match="not both"):
        await bench.client.retry_job(job_id, task_ids=[found["a"].task_id], reasons=[FailureReason.INPUT])
    assert await states(bench, job_id) == {"a": "failed", "b": "queued", "c": "queued"}


async def test_cancelled_tasks_are_tried_again_only_when_named(bench: Bench) -> None:
    job_id = await bench.submit(null("a"), null("b", "a"), null("c", "b"))
    await bench.client.cancel_job(job_id)
    assert (await bench.client.retry_job(job_id)).state is JobState.CANCELLED
    found = await lines(bench, job_id)
    await bench.client.retry_task(found["b"].task_id)
    assert await states(bench, job_id) == {"a": "cancelled", "b": "blocked", "c": "cancelled"}
    await bench.client.retry_job(job_id, reasons=[FailureReason.CANCELLED])
    assert await states(bench, job_id) == {"a": "queued", "b": "waiting", "c": "waiting"}
    for _ in range(3):
        await bench.run_one()
    assert (await bench.client.get_job(job_id)).state is JobState.DONE


# --- submit once ----------------------------------------------------------------------------------------------------

DOCUMENT = json.dumps({"task_list": [MAKE, NULL]})


async def test_a_key_makes_one_job_even_after_a_restart(open_bench: OpenBench, bench: Bench) -> None:
    first = await bench.client.submit_job(DOCUMENT, idempotency_key="night 7")
    async with open_bench() as restarted:
        headers = {"Idempotency-Key": "night 7"}
        again = await restarted.http.post("/jobs", content=json.dumps(json.loads(DOCUMENT), indent=2), headers=headers)
        assert (again.status_code, again.json()["job_id"]) == (200, first.job_id)
        with pytest.raises(ConflictError, match=f"'night 7' belongs to job {first.job_id}"):
            await restarted.client.submit_job('{"task_list": []}', idempotency_key="night 7")
    other = await bench.client.submit_job('{"task_list": []}', idempotency_key="night 8")
    assert [job.job_id for job in (await bench.client.list_jobs()).items] == [other.job_id, first.job_id]


async def test_two_submissions_of_a_key_at_once_make_one_job(bench: Bench) -> None:
    jobs = await asyncio.gather(*(bench.client.submit_job(DOCUMENT, idempotency_key="k") for _ in range(8)))
    assert len({job.job_id for job in jobs}) == 1
    assert len((await bench.client.list_jobs()).items) == 1


@pytest.mark.parametrize("key", ["x" * 129, "tab\tkey", ""])
async def test_a_key_that_cannot_be_kept_is_refused(bench: Bench, key: str) -> None:
    response = await bench.http.post("/jobs", content=DOCUMENT, headers={"Idempotency-Key": key})
    assert response.status_code == 422
    assert "header.idempotency-key" in response.text.lower()
    assert (await bench.client.list_jobs()).items == []


# --- dry_run -------------------------------------------------------------------------------------------------------


async def test_a_plan_counts_and_changes_nothing(bench: Bench) -> None:
    files = {"lightcurve": "'{i}.gz'.format(**metadata)"}
    make = {"task": "make", "name": "m", "outputs": files}
    deferred = {
        "task": "execution_for_loop",
        "parameter": "j",
        "values": "(requested_metadata['m']['n'])",
        "requires_metadata_from": ["m"],
        "task_list": [NULL],
    }
    inner = {"task": "execution_for_loop", "parameter": "i", "values": [1, 2, 3], "task_list": [make, deferred]}
    document = json.dumps({"task_list": [inner, NULL]})

    plan = await bench.client.plan_job(document)

    assert (plan.tasks, plan.products) == (1 + 1 + 3 * (1 + 2) + 1, 3)
    assert plan.task_types == {"execution_chain": 4, "execution_for_loop": 4, "make": 3, "null": 1}
    (place,) = plan.deferred
    assert (place.where, place.task_type, place.tasks) == ("$.task_list[0].task_list[1]", "execution_for_loop", 3)
    assert (await bench.client.list_jobs()).items == []
    assert await bench.claim() == []
    job = await bench.client.submit_job(document)
    assert job.counts.total == plan.tasks


async def test_a_plan_is_refused_where_the_job_would_be(bench: Bench) -> None:
    await bench.submit(MAKE)
    with pytest.raises(ProductExistsError):
        await bench.client.plan_job(json.dumps({"task_list": [MAKE]}))
    with pytest.raises(InvalidJobError, match="no earlier task makes"):
        await bench.client.plan_job(json.dumps({"task_list": [{**FIND, "inputs": {"lightcurve": "b.gz"}}]}))


# --- excuse ---------------------------------------------------------------------------------------------------------


async def test_an_excused_failure_counts_as_done_and_lets_others_go_on(bench: Bench) -> None:
    job_id = await bench.submit(null("a"), null("b"), null("c", "a", "b"))
    await bench.run_one("rejected", message="too noisy")
    await bench.run_one()
    found = await lines(bench, job_id)
    assert found["c"].state is TaskState.BLOCKED

    task = await bench.client.excuse_task(found["a"].task_id, "the star is an eclipsing binary")

    assert (task.state, task.excuse) == (TaskState.DONE, "the star is an eclipsing binary")
    line = (await lines(bench, job_id))["a"]
    assert (line.excuse, line.reason) == ("the star is an eclipsing binary", FailureReason.QUALITY)
    await bench.run_one()
    assert (await bench.client.get_job(job_id)).state is JobState.DONE
    with pytest.raises(ConflictError, match="is done, not failed"):
        await bench.client.excuse_task(found["a"].task_id, "again")


async def test_an_excuse_heals_only_what_has_no_other_cause(bench: Bench) -> None:
    job_id = await bench.submit(null("a"), null("b"), null("c", "a", "b"))
    for _ in range(2):
        await bench.run_one("failed")
    found = await lines(bench, job_id)
    await bench.client.excuse_task(found["a"].task_id, "x")
    assert await states(bench, job_id) == {"a": "done", "b": "failed", "c": "blocked"}
    await bench.client.excuse_task(found["b"].task_id, "y")
    assert await states(bench, job_id) == {"a": "done", "b": "done", "c": "queued"}


async def test_who_comes_for_the_files_of_an_excused_task_is_blocked_by_it(bench: Bench) -> None:
    maker = (await lines(bench, await bench.submit(MAKE)))["make"].task_id
    await bench.run_one("failed")
    await bench.client.excuse_task(maker, "clouds")
    later = await bench.submit(FIND)
    finder = (await lines(bench, later))["find"].task_id
    found = await bench.client.get_task(finder)
    assert (found.state, found.blocked_by) == (TaskState.BLOCKED, maker)


async def test_no_excuse_replaces_files_that_others_read(bench: Bench) -> None:
    job_id = await bench.submit(MAKE, FIND)
    await bench.run_one("failed")
    with pytest.raises(ConflictError, match="read files"):
        await bench.client.excuse_task((await lines(bench, job_id))["make"].task_id, "never mind")
    assert await states(bench, job_id) == {"make": "failed", "find": "blocked"}


# --- all at once ----------------------------------------------------------------------------------------------------


@pytest.mark.every_database
async def test_counts_hold_while_users_and_workers_meddle(bench: Bench) -> None:
    chain = [null("0"), *(null(str(n), str(n - 1)) for n in range(1, 40))]
    jobs = [await bench.submit(*chain, *[NULL] * 40) for _ in range(3)]

    async def work() -> None:
        for turn in range(60):
            for attempt in await bench.claim(3):
                await bench.report(attempt, ("accepted", "failed", "lost", "accepted")[turn % 4])

    async def meddle() -> None:
        for job_id in jobs * 5:
            await bench.client.pause_job(job_id)
            await bench.client.retry_job(job_id, reasons=list(FailureReason))
            await bench.client.cancel_task((await lines(bench, job_id))["30"].task_id)
            await bench.client.resume_job(job_id)
            await bench.client.retry_job(job_id)

    await asyncio.gather(work(), work(), meddle())
    for job_id in jobs:
        job = await bench.client.cancel_job(job_id)
        assert job.state is not JobState.RUNNING
    assert await bench.claim() == []
