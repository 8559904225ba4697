"""A transaction saves its changes before the commit and wakes listeners after it, whatever its command forgets."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import event

from eas.contracts.scheduler import TaskCounts
from eas.contracts.states import AttemptState, TaskState
from eas.database.committer import Database
from eas.database.migrations import upgrade_schema
from eas_scheduler.domain.changes import Changes
from eas_scheduler.domain.job_mode import JobMode
from eas_scheduler.runtime import MIGRATIONS
from eas_scheduler.storage.unit_of_work import SqlTransactor, SqlUnitOfWork
from tests.support.databases import Inspector

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
EVENTS = "SELECT job_id, task_id, attempt_id, state_before, state_after, reason FROM transition ORDER BY id"
COUNTS = "SELECT queued, running, done FROM job"


class Ward:
    """A transactor, the changes that its listeners were told of, and how often its clock was read."""

    def __init__(self, database: Database) -> None:
        self.woken: list[Changes] = []
        self.readings = 0
        self.transactor = SqlTransactor(database, self.tell_time, self.woken.append)

    def tell_time(self) -> datetime:
        self.readings += 1
        return NOON


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    await asyncio.to_thread(upgrade_schema, database_url, MIGRATIONS)
    found = Database(database_url)
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
def ward(database: Database) -> Ward:
    return Ward(database)


def add_job(unit: SqlUnitOfWork) -> int:
    return unit.jobs.add(
        name=None,
        working_directory="",
        document={},
        seed=1,
        root_task_id=1,
        submitted_at=unit.changes.at,
        submitted_by="ada",
        mode=JobMode(),
    )


def note_running(unit: SqlUnitOfWork, job_id: int) -> None:
    unit.changes.note_attempt(job_id, 1, 7, AttemptState.QUEUED, AttemptState.RUNNING)
    unit.changes.note_task(job_id, TaskState.QUEUED, TaskState.RUNNING)


async def add_queued_job(ward: Ward) -> int:
    def command(unit: SqlUnitOfWork) -> int:
        job_id = add_job(unit)
        unit.changes.note_new_tasks(job_id, Counter({TaskState.QUEUED: 1}))
        return job_id

    job_id = await ward.transactor.run(command)
    ward.woken.clear()
    return job_id


@pytest.mark.every_database
async def test_a_command_that_only_notes_changes_has_them_stored_and_wakes_listeners(
    ward: Ward, inspector: Inspector
) -> None:
    job_id = await add_queued_job(ward)

    def command(unit: SqlUnitOfWork) -> None:
        note_running(unit, job_id)
        unit.changes.tell("plan", {"products": []})

    ward.readings = 0
    await ward.transactor.run(command)
    assert inspector.fetch(EVENTS) == [(job_id, 1, 7, "queued", "running", None)]
    assert inspector.fetch(COUNTS) == [(0, 1, 0)]
    assert inspector.fetch("SELECT kind FROM outbox") == [("plan",)]
    (changes,) = ward.woken
    assert [(step.attempt_id, step.after) for step in changes.transitions] == [(7, "running")]
    assert changes.at == NOON
    assert ward.readings == 1


async def test_listeners_hear_which_jobs_ended(ward: Ward) -> None:
    job_id = await add_queued_job(ward)

    def command(unit: SqlUnitOfWork) -> None:
        unit.changes.note_task(job_id, TaskState.QUEUED, TaskState.RUNNING)
        unit.changes.note_task(job_id, TaskState.RUNNING, TaskState.DONE)

    await ward.transactor.run(command)
    assert [changes.finished_jobs for changes in ward.woken] == [[job_id]]


async def test_a_command_that_raises_stores_nothing_and_wakes_nobody(ward: Ward, inspector: Inspector) -> None:
    job_id = await add_queued_job(ward)

    def command(unit: SqlUnitOfWork) -> None:
        note_running(unit, job_id)
        unit.flush()
        raise KeyError("no")

    with pytest.raises(KeyError):
        await ward.transactor.run(command)
    assert inspector.fetch(EVENTS) == []
    assert inspector.fetch(COUNTS) == [(1, 0, 0)]
    assert ward.woken == []


@pytest.mark.every_database
async def test_what_a_command_describes_counts_its_changes_and_those_that_follow_are_stored_once(
    ward: Ward, inspector: Inspector
) -> None:
    job_id = await add_queued_job(ward)

    def command(unit: SqlUnitOfWork) -> tuple[TaskCounts, TaskCounts]:
        note_running(unit, job_id)
        first = unit.describe_job(job_id)
        unit.changes.note_attempt(job_id, 1, 7, AttemptState.RUNNING, AttemptState.CHECKING)
        unit.changes.note_task(job_id, TaskState.RUNNING, TaskState.DONE)
        return first.counts, unit.describe_job(job_id).counts

    first, second = await ward.transactor.run(command)
    assert (first.queued, first.running, first.done) == (0, 1, 0)
    assert (second.queued, second.running, second.done) == (0, 0, 1)
    assert [row[3:5] for row in inspector.fetch(EVENTS)] == [("queued", "running"), ("running", "checking")]
    assert inspector.fetch(COUNTS) == [(0, 0, 1)]
    (changes,) = ward.woken
    assert len(changes.transitions) == 2
    assert changes.finished_jobs == [job_id]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_command_without_changes_sends_no_statement_of_its_own(ward: Ward) -> None:
    seen: list[str] = []

    def command(unit: SqlUnitOfWork) -> None:
        event.listen(unit.jobs._connection, "before_cursor_execute", lambda *values: seen.append(values[2]))
        unit.jobs._connection.exec_driver_sql("SELECT 1")

    await ward.transactor.run(command)
    assert seen == ["SELECT 1"]


async def test_listeners_are_woken_although_the_caller_has_gone(ward: Ward, inspector: Inspector) -> None:
    job_id = await add_queued_job(ward)
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def command(unit: SqlUnitOfWork) -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(10)
        note_running(unit, job_id)

    caller = asyncio.create_task(ward.transactor.run(command))
    await begun.wait()
    caller.cancel()
    await asyncio.wait([caller])
    go_on.set()
    await ward.transactor.run(lambda unit: None)  # commits after it
    assert inspector.fetch(COUNTS) == [(0, 1, 0)]
    assert [len(changes.transitions) for changes in ward.woken] == [1, 0]
