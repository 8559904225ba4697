"""Queues are emptied and filled again, and no task is ever queued without being in a queue."""

from __future__ import annotations

import asyncio
import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from eas.contracts.diagnostics import JobEnd, StateChange
from eas.contracts.errors import NotFoundError
from eas.contracts.queues import RescheduleRequest
from eas.contracts.states import FailureReason, JobState
from eas.database.committer import Database
from eas.database.engines import open_engine
from eas.database.migrations import upgrade_schema
from eas_scheduler.logic.queues import Queues
from eas_scheduler.logic.wakeups import Wakeups
from eas_scheduler.main import create_app
from eas_scheduler.runtime import MIGRATIONS
from eas_scheduler.settings import SchedulerSettings
from eas_scheduler.storage.selection import SelectionStore
from eas_scheduler.storage.unit_of_work import SqlTransactor
from tests.support.databases import Inspector

from .conftest import Bench, find_wrong_counts

pytestmark = pytest.mark.sqlite_only

NULL = {"task": "null"}
MAKE = {"task": "make", "name": "make", "outputs": {"lightcurve": "a.gz"}}
FIND = {"task": "find", "name": "find", "inputs": {"lightcurve": "a.gz"}}
LATE_LOOP = {
    "task": "execution_for_loop",
    "requires_metadata_from": ["first"],
    "parameter": "i",
    "values": "(requested_metadata['first']['list'])",
    "task_list": [NULL],
}


def null(name: str, *requires: str) -> dict[str, Any]:
    return {"task": "null", "name": name, "requires_metadata_from": list(requires)}


async def states(bench: Bench, job_id: int) -> dict[str, str]:
    items = (await bench.client.get_tree(job_id, limit=1000)).items
    return {line.name: line.state.value for line in items if line.name is not None}


async def task_id_of(bench: Bench, job_id: int, name: str) -> int:
    items = (await bench.client.get_tree(job_id)).items
    return next(line.task_id for line in items if line.name == name)


@pytest.fixture(autouse=True)
def every_queued_task_is_in_a_queue(inspector: Inspector, bench: Bench) -> Any:
    """Whatever a test did: tasks are queued if and only if one attempt is, and counts equal rows."""
    yield
    open_attempts = inspector.fetch(
        "SELECT t.id, t.state, COUNT(a.id) FROM task t LEFT JOIN attempt a ON a.task_id = t.id"
        " AND a.state IN ('queued', 'running', 'checking') GROUP BY t.id, t.state"
    )
    assert [row for row in open_attempts if row[2] != (row[1] in ("queued", "running"))] == []
    assert find_wrong_counts(inspector) == []


async def test_a_purge_takes_out_what_is_queued_of_a_type_and_nothing_else(bench: Bench) -> None:
    first = await bench.submit(null("runs"), job_name="first")
    (running,) = await bench.claim(1)
    second = await bench.submit(null("a"), null("b", "a"), null("c", "b"), MAKE)

    result = await bench.client.purge_queue("null")

    assert result.model_dump() == {"task_type": "null", "purged": 1, "blocked": 2}
    assert await states(bench, first) == {"runs": "running"}
    assert await states(bench, second) == {"a": "cancelled", "b": "blocked", "c": "blocked", "make": "queued"}
    purged = await bench.client.get_task(await task_id_of(bench, second, "a"))
    (attempt,) = purged.attempts
    assert (attempt.state.value, attempt.reason, attempt.message) == ("cancelled", "purged", "purged by anyone")
    why = await bench.client.explain_task(purged.task_id)
    assert why.reason is FailureReason.PURGED
    assert (why.code.value, why.words) == (
        "cancelled",
        "It was cancelled: purged by anyone. Rescheduling gives it a new place in the queue.",
    )
    assert (await bench.client.get_queue("null")).waiting == 0
    assert [one.task_type for one in await bench.claim()] == ["make"]
    assert (await bench.report(running)).results[0].recorded
    assert (await bench.client.purge_queue("null")).purged == 0


async def test_a_job_whose_last_tasks_are_purged_ends_and_lives_again_when_they_are_rescheduled(bench: Bench) -> None:
    job_id = await bench.submit(null("a"), null("b", "a"), null("other"))
    await bench.client.purge_queue("null")
    job = await bench.client.get_job(job_id, wait=60)
    assert (job.state, job.counts.cancelled, job.counts.blocked) == (JobState.FAILED, 2, 1)

    assert (await bench.client.reschedule(job_id)).rescheduled == 2

    assert (await bench.client.get_job(job_id)).state is JobState.RUNNING
    assert await states(bench, job_id) == {"a": "queued", "b": "waiting", "other": "queued"}
    while attempts := await bench.claim():
        for attempt in attempts:
            assert attempt.number == (1 if attempt.task_name == "b" else 2)
            await bench.report(attempt)
    assert (await bench.client.get_job(job_id)).state is JobState.DONE
    changes = [change async for change in bench.client.follow(job_id)]
    assert isinstance(changes[-1], JobEnd)
    steps = [change for change in changes if isinstance(change, StateChange)]
    assert [step.reason for step in steps if step.after == "cancelled"] == ["purged", "purged"]


async def test_rescheduling_twice_is_rescheduling_once_and_never_doubles_what_is_open(bench: Bench) -> None:
    job_id = await bench.submit(*[NULL] * 5)
    await bench.claim(2)
    await bench.client.purge_queue("null")
    await bench.submit(NULL)

    answers = await asyncio.gather(*[bench.client.reschedule(failed=True) for _ in range(4)])

    assert sorted(answer.rescheduled for answer in answers) == [0, 0, 0, 3]
    assert (await bench.client.reschedule(job_id, failed=True)).rescheduled == 0
    assert await bench.counts(job_id) == {"done": 1, "running": 2, "queued": 3}
    assert len(await bench.claim()) == 4


async def test_what_failed_is_rescheduled_on_request_with_what_it_blocked(bench: Bench) -> None:
    job_id = await bench.submit(null("bad"), null("after", "bad"))
    other = await bench.submit(null("bad"))
    for _ in range(2):
        await bench.run_one("failed", reason="science")
    assert (await bench.client.reschedule()).rescheduled == 0
    assert (await bench.client.reschedule(job_id, failed=True)).rescheduled == 1
    assert await states(bench, job_id) == {"bad": "queued", "after": "waiting"}
    assert await states(bench, other) == {"bad": "failed"}


@pytest.mark.every_database
async def test_what_a_user_cancelled_stays_cancelled_even_if_it_was_purged_before(bench: Bench) -> None:
    first, second, third = [await bench.submit(null("a"), null("b", "a")) for _ in range(3)]
    await bench.client.cancel_job(first)
    await bench.client.purge_queue("null")
    await bench.client.cancel_job(second)
    await bench.client.cancel_task(await task_id_of(bench, third, "a"))

    assert (await bench.client.reschedule(failed=True)).rescheduled == 0

    assert await states(bench, second) == {"a": "cancelled", "b": "cancelled"}
    why = await bench.client.explain_task(await task_id_of(bench, second, "a"))
    assert (why.reason, why.message) == (FailureReason.CANCELLED, "cancelled by anyone")


async def test_purged_tasks_can_be_tried_again_by_reason(bench: Bench) -> None:
    job_id = await bench.submit(null("a"), null("b"))
    await bench.client.cancel_task(await task_id_of(bench, job_id, "b"))
    await bench.client.purge_queue("null")
    await bench.client.retry_job(job_id, reasons=[FailureReason.PURGED])
    assert await states(bench, job_id) == {"a": "queued", "b": "cancelled"}


async def test_paused_jobs_are_purged_too_and_stay_paused_when_rescheduled(bench: Bench) -> None:
    job_id = await bench.submit(NULL, NULL)
    await bench.client.pause_job(job_id)
    await bench.submit(NULL, MAKE)
    lengths = (await bench.client.list_queues()).items
    assert [(one.task_type, one.waiting, one.on_hold) for one in lengths] == [("make", 1, 0), ("null", 1, 2)]
    (attempt,) = await bench.claim(1)
    await bench.report(attempt)
    (_, null) = (await bench.client.list_queues()).items
    assert (null.waiting, null.on_hold, null.oldest_age) == (0, 2, None)
    assert (await bench.client.purge_queue("null")).purged == 2
    assert [one.task_type for one in (await bench.client.list_queues()).items] == ["make"]
    assert (await bench.client.reschedule(job_id)).rescheduled == 2
    await bench.claim()
    assert await bench.claim() == []
    await bench.client.resume_job(job_id)
    assert len(await bench.claim()) == 2


async def test_consumers_in_other_jobs_are_blocked_and_heal(bench: Bench) -> None:
    await bench.submit(MAKE)
    later = await bench.submit(FIND)
    assert (await bench.client.purge_queue("make")).blocked == 1
    assert await states(bench, later) == {"find": "blocked"}
    await bench.client.reschedule()
    assert await states(bench, later) == {"find": "waiting"}


async def test_a_queue_of_loops_can_be_purged_or_is_expanded_but_never_both(bench: Bench) -> None:
    jobs = [await bench.submit(null("first"), LATE_LOOP) for _ in range(5)]
    attempts = await bench.claim()

    async def report() -> None:
        for attempt in attempts:
            await bench.report(attempt, metadata={"list": [1, 2]})

    async def purge() -> int:
        return sum([(await bench.client.purge_queue("execution_for_loop")).purged for _ in range(10)])

    _, purged = await asyncio.gather(report(), purge())
    assert (await bench.client.reschedule()).rescheduled == purged
    for job_id in jobs:
        async with asyncio.timeout(60):
            while (await bench.client.get_job(job_id)).counts.total < 1 + 2 + 2 * 2:
                await bench.client.get_job(job_id)
    assert len(await bench.claim()) == 10


@pytest.mark.every_database
async def test_whole_queues_are_for_operators(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text('{"s": {"name": "sam", "scopes": ["read", "submit"]}}')
    tokens.chmod(0o600)
    url = f"sqlite:///{tmp_path}/s.db"
    app = create_app(SchedulerSettings(database_url=url, tokens_file=tokens, ids_patience_seconds=0))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http,
    ):
        sam = {"Authorization": "Bearer s"}
        calls = ("/queues/execution_chain/purge", "/queues/reschedule", "/jobs/9/reschedule")
        assert [(await http.post(path, headers=sam)).status_code for path in calls] == [403, 403, 404]


async def test_unknown_types_and_jobs_are_refused(bench: Bench) -> None:
    for name in ("nope", "re/schedule"):
        with pytest.raises(NotFoundError) as caught:
            await bench.client.purge_queue(name)
    assert caught.value.where in ("path.task_type", None)
    with pytest.raises(NotFoundError, match="no job 99"):
        await bench.client.reschedule(99)
    response = await bench.http.post("/queues/reschedule", json={"faild": True})
    assert (response.status_code, response.json()["where"]) == (422, "body.faild")


async def test_the_head_of_a_queue_is_a_table(bench: Bench) -> None:
    job_id = await bench.submit(null("a"), null("b"), job_name="night")
    text = (await bench.http.get("/queues/null", params={"format": "csv"})).text
    head, first, second = csv.reader(text.splitlines())
    assert head[2:7] == ["job_id", "job_name", "task_name", "number", "priority"]
    assert [row[2:7] for row in (first, second)] == [[str(job_id), "night", name, "1", "0"] for name in "ab"]
    found = await bench.client.get_queue("null")
    assert [one.attempt_id for one in found.items] == found.attempt_ids


async def test_large_queues_are_moved_in_parts(bench: Bench, database_url: str) -> None:
    job_id = await bench.submit(*[NULL] * 25)
    database = Database(database_url)
    await database.start()
    try:
        queues = Queues(SqlTransactor(database, lambda: datetime.now(UTC), Wakeups().wake), at_once=10)
        assert (await queues.purge("null", by="ada")).purged == 25
        assert (await queues.reschedule(RescheduleRequest(), job_id=job_id)).rescheduled == 25
    finally:
        await database.stop()
    assert await bench.counts(job_id) == {"done": 1, "queued": 25}


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.find_queued_of_type("null", 10),
        lambda store: store.find_out_of_queue(None, failed=True),
        lambda store: store.find_out_of_queue(3, failed=True),
    ],
)
def test_finished_jobs_are_passed_over_without_reading_their_tasks(call: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/plan.db"
    upgrade_schema(url, MIGRATIONS)
    engine = open_engine(url, writer=True, connections=1)
    plans: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def explain(_connection: Any, cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans.extend(row[3] for row in rows)

    with engine.begin() as connection:
        call(SelectionStore(connection))
    engine.dispose()
    assert plans
    assert not [plan for plan in plans if plan.startswith("SCAN task")], plans
