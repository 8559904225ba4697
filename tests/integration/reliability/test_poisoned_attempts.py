"""One attempt that the scheduler cannot handle ends with a reason, and everything else goes on."""

from __future__ import annotations

import asyncio

import pytest

from eas.contracts.errors import UnavailableError
from eas.contracts.scheduler import HeartbeatRequest, LeasedAttempt
from tests.support.databases import Inspector

from .conftest import NULL, Rows, Scheduler, accept


async def test_an_attempt_that_cannot_be_prepared_fails_alone(
    scheduler: Scheduler, rows: Rows, inspector: Inspector
) -> None:
    await scheduler.submit(NULL, NULL, NULL)
    first, (bad, task), last = rows.queued()
    inspector.execute(f"UPDATE task SET pointer = '[\"nowhere\"]' WHERE id = {task}")
    assert [attempt.attempt_id for attempt in await scheduler.claim()] == [first[0], last[0]]
    assert rows.attempt(bad)[:2] == ("failed", "input")
    assert "its settings and inputs cannot be worked out: KeyError" in rows.end_of(task)[2]


@pytest.mark.parametrize("verb", ["attempts.record_preparation", "tasks.find_material", "attempts.mark_running"])
async def test_an_attempt_that_cannot_be_handed_out_fails_alone(scheduler: Scheduler, rows: Rows, verb: str) -> None:
    await scheduler.submit(*[NULL | {"duration": number} for number in range(7)])
    queued = rows.queued()
    bad, task = queued[3]
    poison = scheduler.poison(verb, task if verb == "tasks.find_material" else bad)
    claimed = await scheduler.claim()
    assert [attempt.attempt_id for attempt in claimed] == [found for found, _ in queued if found != bad]
    if verb != "attempts.mark_running":
        assert rows.end_of(task)[:2] == ("failed", "input")
        assert "could not hand the task out: PoisonError" in rows.end_of(task)[2]
    assert 2 <= poison.strikes <= 8


async def test_an_attempt_that_cannot_even_be_settled_ends_all_the_same(scheduler: Scheduler, rows: Rows) -> None:
    await scheduler.submit(NULL, NULL, NULL)
    _, (bad, task), _ = rows.queued()
    scheduler.poison("attempts.record_limits", bad)
    scheduler.poison("attempts.record_preparation", bad)
    scheduler.poison("tasks.find_outputs", task)
    assert len(await scheduler.claim()) == 2
    assert rows.end_of(task)[:2] == ("failed", "input")


async def test_who_waits_gets_work_although_something_bad_is_before_it(
    scheduler: Scheduler, rows: Rows, inspector: Inspector
) -> None:
    await scheduler.submit(NULL)
    ((bad, task),) = rows.queued()
    inspector.execute("UPDATE attempt SET on_hold = (1 = 1)")
    waiting = asyncio.create_task(scheduler.claim(limit=2, wait=20))
    await scheduler.announce("onlooker")
    await scheduler.announce("onlooker")
    scheduler.poison("attempts.record_preparation", bad)
    inspector.execute("UPDATE attempt SET on_hold = (1 = 0)")
    job_id = await scheduler.submit(NULL)
    (attempt,) = await asyncio.wait_for(waiting, 120)
    assert attempt.job_id == job_id
    assert rows.end_of(task)[0] == "failed"


async def test_a_report_that_cannot_be_recorded_fails_its_attempt_and_no_other(
    scheduler: Scheduler, rows: Rows
) -> None:
    await scheduler.submit(*[NULL] * 5)
    attempts = await scheduler.claim()
    reports = [accept(attempt) for attempt in attempts]
    scheduler.poison("tasks.mark_done", attempts[2].task_id)
    results = (await scheduler.report(*reports, claim=1)).results
    assert [result.recorded for result in results] == [True, True, False, True, True]
    assert "it cannot be recorded, so the attempt has failed: PoisonError" in (results[2].message or "")
    assert list(rows.tasks().values()) == ["done", "done", "failed", "done", "done"]
    state, reason, message = rows.end_of(attempts[2].task_id)
    assert (state, reason) == ("failed", "science")
    assert "could not record what was reported of the attempt" in message
    again = (await scheduler.report(reports[2])).results
    assert not again[0].recorded


async def test_reports_are_recorded_although_what_they_claim_cannot_be_handed_out(
    scheduler: Scheduler, rows: Rows
) -> None:
    await scheduler.submit(NULL)
    (running,) = await scheduler.claim()
    await scheduler.submit(NULL, NULL)
    (bad, task), (good, _) = rows.queued()
    scheduler.poison("attempts.record_preparation", bad)
    response = await scheduler.report(accept(running), claim=2)
    assert [result.recorded for result in response.results] == [True]
    assert [attempt.attempt_id for attempt in await scheduler.claim()] == [good]
    assert rows.end_of(task)[:2] == ("failed", "input")


async def test_a_lease_that_cannot_be_renewed_does_not_let_the_others_run_out(scheduler: Scheduler) -> None:
    await scheduler.submit(NULL, NULL, NULL)
    attempts = await scheduler.claim()
    scheduler.poison("attempts.find_known", attempts[1].attempt_id)
    held = [LeasedAttempt(attempt_id=one.attempt_id, lease_token=one.lease_token) for one in attempts]
    answer = await scheduler.dispatch.beat(HeartbeatRequest(worker_id="w1", attempts=held))
    assert answer.renewed == [attempts[0].attempt_id, attempts[2].attempt_id]
    assert answer.closed == []


async def test_the_reaper_ends_all_that_expired_whatever_is_wrong_with_one(scheduler: Scheduler, rows: Rows) -> None:
    await scheduler.submit(NULL, NULL, NULL)
    attempts = await scheduler.claim()
    bad = attempts[1]
    scheduler.poison("tasks.mark_queued_again", bad.task_id)
    scheduler.now += scheduler.polls.rules.lease * 2
    assert await scheduler.recovery.reap() == 3
    assert await scheduler.recovery.reap() == 0
    assert rows.tasks() == {attempts[0].task_id: "queued", bad.task_id: "failed", attempts[2].task_id: "queued"}
    assert "could not end the attempt as lost" in rows.end_of(bad.task_id)[2]


async def test_a_worker_is_dismissed_whatever_is_wrong_with_one_of_its_attempts(
    scheduler: Scheduler, rows: Rows
) -> None:
    await scheduler.submit(NULL, NULL, NULL)
    attempts = await scheduler.claim()
    scheduler.poison("tasks.mark_queued_again", attempts[1].task_id)
    assert await scheduler.dispatch.dismiss("w1") == 3
    assert list(rows.tasks().values()) == ["queued", "failed", "queued"]


async def test_what_nobody_takes_in_time_is_given_up_whatever_is_wrong_with_one(
    scheduler: Scheduler, rows: Rows
) -> None:
    await scheduler.submit(*[NULL | {"execution": {"queue_timeout": 10}}] * 3)
    (_, first), (_, bad), (_, last) = rows.queued()
    scheduler.poison("tasks.mark_overdue", bad)
    scheduler.now += scheduler.polls.rules.lease
    await scheduler.timers.do_due()
    assert rows.end_of(first)[:2] == rows.end_of(last)[:2] == ("failed", "timeout")
    assert rows.queued() == []
    assert rows.end_of(bad)[:2] == ("failed", "timeout")
    assert "could not give the task up although nobody took it in time" in rows.end_of(bad)[2]


LOOP = {
    "task": "execution_conditional",
    "requires_metadata_from": ["first"],
    "criterion": "(requested_metadata['first']['n'] > 0)",
    "task_list": [NULL],
}


@pytest.mark.parametrize("verb", ["tasks.find_to_run", "tasks.add_children", "tasks.find_outputs"])
async def test_a_task_that_cannot_be_expanded_fails_and_the_next_is_expanded(
    scheduler: Scheduler, rows: Rows, inspector: Inspector, verb: str
) -> None:
    for _ in range(3):
        await scheduler.submit(NULL | {"name": "first"}, LOOP)
    attempts = await scheduler.claim()
    await scheduler.report(*[accept(attempt, metadata={"n": 1}) for attempt in attempts])
    first, (_, task), last = rows.queued()
    scheduler.poison(verb, task)
    while await scheduler.expansion.expand_next():
        pass
    assert rows.end_of(task)[:2] == ("failed", "input")
    assert "could not expand the task: PoisonError" in rows.end_of(task)[2]
    assert [rows.end_of(found[1])[0] for found in (first, last)] == ["done", "done"]
    assert len(await scheduler.claim()) == 2


async def test_a_task_that_cannot_even_be_failed_is_passed_over(scheduler: Scheduler, rows: Rows) -> None:
    for _ in range(3):
        await scheduler.submit(NULL | {"name": "first"}, LOOP)
    attempts = await scheduler.claim()
    await scheduler.report(*[accept(attempt, metadata={"n": 1}) for attempt in attempts])
    _, (_, task), _ = rows.queued()
    scheduler.poison("tasks.mark_running", task)
    while await scheduler.expansion.expand_next():
        pass
    assert len(await scheduler.claim()) == 2


async def test_a_task_type_whose_description_or_rules_cannot_be_read_is_left_out(
    scheduler: Scheduler, rows: Rows, inspector: Inspector
) -> None:
    await scheduler.submit(NULL)
    inspector.execute("UPDATE task_type SET description = '{\"name\": 7}', announced_at = 9e15 WHERE name = 'make'")
    insert = "INSERT INTO task_type_rules (name, rules, set_at, set_by) VALUES ('make', :rules, 1, 'ada')"
    inspector.execute(insert, rules='{"max_running": "few"}')
    await scheduler.submit(NULL)
    assert len(await scheduler.claim()) == 2


async def test_no_attempt_is_at_fault_where_the_database_is_away(scheduler: Scheduler, rows: Rows) -> None:
    await scheduler.submit(NULL, NULL)
    ((first, _), _) = rows.queued()
    poison = scheduler.poison("attempts.record_preparation", first)
    poison.error = UnavailableError("the database is away")
    with pytest.raises(UnavailableError):
        await scheduler.claim()
    assert set(rows.tasks().values()) == {"queued"}
