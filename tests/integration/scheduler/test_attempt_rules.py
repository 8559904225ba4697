"""Rules for attempts: of a task, of the lists around it, of its type; and what they do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eas.contracts.diagnostics import WhyCode
from eas.contracts.errors import NotFoundError
from eas.contracts.execution import TaskTypeRules
from eas.contracts.scheduler import AttemptReport, ClaimRequest, ReportRequest, TaskView
from eas.contracts.states import FailureReason, JobState, TaskState

from .conftest import Bench, OpenBench

pytestmark = pytest.mark.sqlite_only


def null(**keys: Any) -> dict[str, Any]:
    return {"task": "null", **keys}


async def tasks_of(bench: Bench, job_id: int) -> list[TaskView]:
    page = await bench.client.get_tree(job_id, max_depth=100)
    return [await bench.client.get_task(line.task_id) for line in page.items]


# --- what is said, and where ------------------------------------------------------------------------------------------


async def test_rules_of_lists_hold_for_all_inside_and_the_nearest_word_wins(bench: Bench) -> None:
    loop = {"task": "execution_for_loop", "parameter": "p", "values": [1, 2], "execution": {"max_attempts": 2}}
    inner = null(execution={"priority": "(metadata['p'] * 10)"})
    job_id = await bench.submit(
        loop | {"task_list": [inner]}, null(), execution={"priority": 3, "max_attempts": 4, "memory_gb": 1.5}
    )
    found = {(task.task_type, *task.metadata.values()): task.execution.said() for task in await tasks_of(bench, job_id)}
    assert found["null", 1, 0] == {"priority": 10, "max_attempts": 2, "memory_gb": 1.5}
    assert found["null", 2, 1]["priority"] == 20
    assert found["null",] == {"priority": 3, "max_attempts": 4, "memory_gb": 1.5}


async def test_rules_hold_inside_what_is_expanded_later(bench: Bench) -> None:
    later = {
        "task": "execution_conditional",
        "criterion": "(requested_metadata['a']['x'] > 0)",
        "requires_metadata_from": ["a"],
        "execution": {"memory_gb": 7},
        "task_list": [null()],
    }
    await bench.submit(null(name="a"), later)
    await bench.run_one(metadata={"x": 1})
    (attempt,) = await bench.claim(1, wait=60)
    assert attempt.memory_gb == 7


@pytest.mark.parametrize(
    ("rules", "where", "words"),
    [
        ({"retries": 3}, "$.task_list[0].execution.retries", "there are priority, max_attempts"),
        ({"priority": "high"}, "$.task_list[0].execution.priority", "integer"),
        ({"run_timeout": 0}, "$.task_list[0].execution.run_timeout", "greater than 0"),
        ({"queue_timeout": 1e300}, "$.task_list[0].execution.queue_timeout", "less than"),
        ({"retry_on": ["science", "bad luck"]}, "$.task_list[0].execution.retry_on[1]", "out_of_memory"),
        ({"priority": "(1 / 0)"}, "$.task_list[0].execution.priority", "zero"),
        ({"priority": "(requested_metadata['a']['x'])"}, "$.task_list[0].execution.priority", "it has nothing"),
        ("many", "$.task_list[0].execution", "an object"),
    ],
)
async def test_wrong_rules_are_refused_with_their_place(bench: Bench, rules: Any, where: str, words: str) -> None:
    refusal = await bench.refuse(null(execution=rules))
    assert refusal["status"] == 422
    assert [problem["where"] for problem in refusal["problems"]] == [where]
    assert words in refusal["problems"][0]["message"]


async def test_wrong_rules_are_found_also_where_nothing_is_expanded_yet(bench: Bench) -> None:
    later: dict[str, Any] = {"task": "execution_conditional", "criterion": "(requested_metadata['a']['x'])"}
    later |= {"requires_metadata_from": ["a"], "task_list": [null(execution={"priority": 10_000})]}
    refusal = await bench.refuse(null(name="a"), later)
    assert refusal["problems"][0]["where"] == "$.task_list[1].task_list[0].execution.priority"


async def test_an_operators_rules_hold_where_a_task_says_nothing(bench: Bench) -> None:
    await bench.client.set_rules("null", TaskTypeRules(run_timeout=60, memory_gb=2))
    await bench.submit(null(execution={"run_timeout": 5}), null())
    first, second = await bench.claim()
    assert (first.run_timeout, first.memory_gb) == (5, 2)
    assert (second.run_timeout, second.memory_gb) == (60, 2)
    shown = await bench.client.get_attempt(first.attempt_id)
    assert (shown.run_timeout, shown.memory_gb) == (5, 2)
    assert {found.name: found.rules.run_timeout for found in await bench.client.list_task_types()}["null"] == 60


async def test_rules_can_be_taken_back_and_only_known_types_have_any(bench: Bench) -> None:
    await bench.client.set_rules("null", TaskTypeRules(run_timeout=60))
    await bench.client.set_rules("null", TaskTypeRules())
    await bench.submit(null())
    assert (await bench.claim())[0].run_timeout is None
    with pytest.raises(NotFoundError, match="'nul'"):
        await bench.client.set_rules("nul", TaskTypeRules(run_timeout=60))
    answer = await bench.http.put("/task-types/null/rules", json={"max_runing": 3})
    assert answer.status_code == 422
    assert "max_runing" in answer.text


# --- priorities -------------------------------------------------------------------------------------------------------


async def test_higher_priorities_are_claimed_first_then_the_oldest(bench: Bench) -> None:
    await bench.submit(null(name="a"), null(name="b", execution={"priority": -5}), null(name="c"))
    await bench.submit(null(name="d"), execution={"priority": 1})
    await bench.client.set_rules("make", TaskTypeRules(priority=2))
    await bench.submit({"task": "make", "name": "e", "outputs": {"lightcurve": "lc"}})
    assert [(await bench.claim(1))[0].task_name for _ in range(5)] == ["e", "d", "a", "c", "b"]


# --- how often and how soon -------------------------------------------------------------------------------------------


async def test_a_task_says_how_often_it_is_tried(bench: Bench) -> None:
    job_id = await bench.submit(null(execution={"max_attempts": 2}))
    for _ in range(2):
        await bench.run_one("failed", reason="infrastructure")
    job = await bench.client.get_job(job_id)
    assert job.state is JobState.FAILED
    (_, task) = await tasks_of(bench, job_id)
    assert "given up after 2 attempts" in (await bench.client.explain_task(task.task_id)).words


async def test_a_task_says_for_which_reasons_it_is_tried_again(bench: Bench) -> None:
    job_id = await bench.submit(null(execution={"retry_on": ["science"], "max_attempts": 9}))
    await bench.run_one("failed", reason="science")
    await bench.run_one("lost", reason="evicted")
    await bench.run_one("failed", reason="timeout")
    (_, task) = await tasks_of(bench, job_id)
    assert task.state is TaskState.FAILED
    assert "no attempt after this reason" in (await bench.client.explain_task(task.task_id)).words


async def test_pauses_between_attempts_double(open_bench: OpenBench) -> None:
    async with open_bench(retry_delay_seconds=0.1) as bench:
        await bench.announce()
        job_id = await bench.submit(null())
        ends = []
        for _ in range(3):
            (attempt,) = await bench.claim(1, wait=20)
            await bench.report(attempt, "failed", reason="infrastructure")
            ends.append(attempt.attempt_id)
        (_, task) = await tasks_of(bench, job_id)
        pauses = [
            (later.not_before - before.ended_at).total_seconds()
            for before, later in zip(task.attempts, task.attempts[1:], strict=False)
            if later.not_before is not None and before.ended_at is not None
        ]
        assert pauses == pytest.approx([0.1, 0.2, 0.4], abs=0.05)
        for later in task.attempts[1:3]:
            assert later.claimed_at is not None
            assert later.not_before is not None
            assert later.claimed_at >= later.not_before


async def test_while_it_pauses_it_is_in_no_ones_hands_and_says_so(bench: Bench) -> None:
    job_id = await bench.submit(null(execution={"retry_delay": 3600}))
    await bench.run_one("failed", reason="infrastructure")
    assert await bench.claim() == []
    (_, task) = await tasks_of(bench, job_id)
    why = await bench.client.explain_task(task.task_id)
    assert why.code is WhyCode.WAITING_FOR_TIME
    assert why.not_before == task.attempts[-1].not_before
    assert await bench.counts(job_id) == {"done": 1, "queued": 1}


async def test_a_restart_does_not_forget_the_pause(open_bench: OpenBench) -> None:
    async with open_bench() as bench:
        await bench.announce()
        await bench.submit(null(execution={"retry_delay": 0.5}))
        await bench.run_one("failed", reason="infrastructure")
    async with open_bench() as restarted:
        (attempt,) = await restarted.claim(1, wait=20)
        assert attempt.number == 2


async def test_resuming_a_job_does_not_cut_a_pause_short(bench: Bench) -> None:
    job_id = await bench.submit(null(execution={"retry_delay": 3600}))
    await bench.run_one("failed", reason="infrastructure")
    await bench.client.pause_job(job_id)
    await bench.client.resume_job(job_id)
    assert await bench.claim() == []


async def test_a_pause_that_ends_while_the_job_is_paused_waits_for_the_job(bench: Bench) -> None:
    job_id = await bench.submit(null(execution={"retry_delay": 0.05}))
    await bench.submit(null(name="other", execution={"retry_delay": 0.2}))
    for attempt in await bench.claim():
        await bench.report(attempt, "failed", reason="infrastructure")
    await bench.client.pause_job(job_id)
    assert [one.task_name for one in await bench.claim(1, wait=20)] == ["other"]
    assert await bench.claim() == []
    await bench.client.resume_job(job_id)
    assert [one.job_id for one in await bench.claim(1, wait=20)] == [job_id]


async def test_one_lost_worker_costs_no_pause(open_bench: OpenBench) -> None:
    async with open_bench(retry_delay_seconds=3600) as bench:
        await bench.announce()
        await bench.submit(null())
        await bench.run_one("lost")
        assert len(await bench.claim()) == 1


# --- memory -----------------------------------------------------------------------------------------------------------


async def test_what_had_too_little_memory_gets_twice_as_much(bench: Bench) -> None:
    await bench.submit(null(execution={"memory_gb": 0.5, "max_attempts": 4}))
    given = []
    for reason in ("out_of_memory", "infrastructure", "out_of_memory", None):
        (attempt,) = await bench.claim(1)
        given.append(attempt.memory_gb)
        await bench.report(attempt, "failed" if reason else "accepted", reason=reason)
    assert given == [0.5, 1.0, 1.0, 2.0]


async def test_without_a_limit_of_memory_a_task_that_needs_too_much_is_quarantined(open_bench: OpenBench) -> None:
    async with open_bench(max_losses=2, retry_delay_seconds=0) as bench:
        await bench.announce()
        job_id = await bench.submit(null())
        for _ in range(2):
            await bench.run_one("failed", reason="out_of_memory")
        (_, task) = await tasks_of(bench, job_id)
        assert "quarantined" in (await bench.client.explain_task(task.task_id)).words


# --- time in the queue ------------------------------------------------------------------------------------------------


async def test_what_nobody_takes_in_time_fails_and_blocks_what_follows(bench: Bench) -> None:
    make = {"task": "make", "outputs": {"lightcurve": "lc"}, "execution": {"queue_timeout": 0.05}}
    job_id = await bench.submit(make, {"task": "find", "inputs": {"lightcurve": "lc"}})
    job = await bench.client.get_job(job_id, wait=20)
    assert job.state is JobState.FAILED
    assert await bench.counts(job_id) == {"done": 1, "failed": 1, "blocked": 1}
    (_, task, _) = await tasks_of(bench, job_id)
    assert (task.attempts[0].state, task.attempts[0].reason) == ("cancelled", FailureReason.TIMEOUT)
    assert "nobody took it in time" in (await bench.client.explain_task(task.task_id)).words
    await bench.client.retry_job(job_id)
    assert [one.number for one in await bench.claim(1)] == [2]


async def test_what_was_claimed_in_time_has_all_the_time_it_needs(bench: Bench) -> None:
    job_id = await bench.submit(null(execution={"queue_timeout": 0.2}))
    (attempt,) = await bench.claim(1)
    late = await bench.submit(null(execution={"queue_timeout": 0.3}))
    assert (await bench.client.get_job(late, wait=20)).state is JobState.FAILED
    await bench.report(attempt)
    assert (await bench.client.get_job(job_id)).state is JobState.DONE


async def test_time_in_the_queue_of_a_paused_job_does_not_count(bench: Bench) -> None:
    job_id = await bench.submit(null(execution={"queue_timeout": 0.2}), null(execution={"queue_timeout": 1000}))
    await bench.client.pause_job(job_id)
    other = await bench.submit(null(execution={"queue_timeout": 0.3}))
    assert (await bench.client.get_job(other, wait=20)).state is JobState.FAILED
    assert await bench.counts(job_id) == {"done": 1, "queued": 2}
    await bench.client.resume_job(job_id)
    assert len(await bench.claim()) == 2


# --- how many at the same time ----------------------------------------------------------------------------------------


@pytest.mark.every_database
async def test_no_more_of_a_type_run_than_an_operator_allows(bench: Bench) -> None:
    await bench.client.set_rules("null", TaskTypeRules(max_running=2))
    job_id = await bench.submit(*(null() for _ in range(4)), {"task": "make", "outputs": {"lightcurve": "lc"}})
    claimed = await bench.claim()
    assert sorted(one.task_type for one in claimed) == ["make", "null", "null"]
    waiting = [task for task in await tasks_of(bench, job_id) if task.state is TaskState.QUEUED]
    why = await bench.client.explain_task(waiting[0].task_id)
    assert why.code is WhyCode.WAITING_FOR_ROOM
    assert "2 of its type run, and an operator allows 2" in why.words


async def test_the_end_of_one_makes_room_for_the_next_that_is_waited_for(bench: Bench) -> None:
    await bench.client.set_rules("null", TaskTypeRules(max_running=1))
    await bench.submit(null(), null())
    await bench.announce("w2")
    (first,) = await bench.claim()
    poll = asyncio.create_task(bench.claim(1, wait=30, worker_id="w2"))
    await bench.settle()
    await bench.report(first)
    assert len(await poll) == 1


async def test_a_lost_lease_makes_room_as_well(bench: Bench) -> None:
    await bench.client.set_rules("null", TaskTypeRules(max_running=1))
    await bench.submit(null(), null())
    await bench.announce("w2")
    await bench.claim()
    await bench.client.dismiss("w1")
    assert len(await bench.claim(worker_id="w2")) == 1


async def test_raising_the_limit_is_heard_by_those_who_wait(bench: Bench) -> None:
    await bench.client.set_rules("null", TaskTypeRules(max_running=0))
    await bench.submit(null())
    poll = asyncio.create_task(bench.claim(1, wait=30))
    await bench.settle()
    assert not poll.done()
    await bench.client.set_rules("null", TaskTypeRules(max_running=1))
    assert len(await poll) == 1


async def test_a_report_takes_the_room_that_it_makes(bench: Bench) -> None:
    await bench.client.set_rules("null", TaskTypeRules(max_running=1))
    await bench.submit(null(), null())
    (first,) = await bench.claim()
    claim = ClaimRequest(worker_id="w1", per_type={"null": 5}, total=5)
    report = AttemptReport(attempt_id=first.attempt_id, lease_token=first.lease_token, state="accepted")
    response = await bench.client.report(ReportRequest(worker_id="w1", reports=[report], claim=claim))
    assert response.claimed is not None
    assert len(response.claimed.attempts) == 1
