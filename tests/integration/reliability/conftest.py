"""The logic of a scheduler on a real database, and a transactor that can be poisoned."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from eas.contracts.errors import ConflictError
from eas.contracts.products import Adoption, AdoptionAnswer, VersionView
from eas.contracts.scheduler import (
    AttemptReport,
    ClaimedAttempt,
    ClaimRequest,
    OutputVersion,
    ReportRequest,
    ReportResponse,
    SlotDescription,
    TaskTypeDescription,
    WorkerAnnouncement,
)
from eas.database.committer import Database
from eas.database.migrations import upgrade_schema
from eas_scheduler.domain.job_mode import JobMode
from eas_scheduler.domain.policies import RetryLimits
from eas_scheduler.logic.assignment import DispatchRules
from eas_scheduler.logic.dispatch import Dispatch
from eas_scheduler.logic.expansion import Expansion
from eas_scheduler.logic.polls import Polls
from eas_scheduler.logic.reaper import Reaper
from eas_scheduler.logic.reuse import Reuse
from eas_scheduler.logic.submission import Submission
from eas_scheduler.logic.timers import Timers
from eas_scheduler.logic.wakeups import Wakeups
from eas_scheduler.runtime import MIGRATIONS
from eas_scheduler.storage.unit_of_work import SqlTransactor
from tests.support.databases import Inspector

from .poison import Poison, PoisonedTransactor

LIMITS = RetryLimits(attempts=5, losses=3, delay=0)
NULL = {"task": "null"}


def describe(name: str, *, outputs: Sequence[str] = ()) -> TaskTypeDescription:
    settings = {"duration": {"type": "number"}}
    schema = {"type": "object", "properties": settings, "additionalProperties": False}
    return TaskTypeDescription(
        name=name,
        version="1",
        settings_schema=schema,
        inputs=[],
        outputs=[SlotDescription(name=one) for one in outputs],
    )


class Adopter:
    """A product store that raises if it is asked to let one of the bad attempts adopt something."""

    def __init__(self) -> None:
        self.bad: set[int] = set()
        self.error: Exception = ConflictError("no such version")

    async def adopt(self, adoptions: Sequence[Adoption]) -> list[AdoptionAnswer]:
        if any(adoption.attempt_id in self.bad for adoption in adoptions):
            raise self.error
        return [AdoptionAnswer(version=self._view(adoption)) for adoption in adoptions]

    @staticmethod
    def _view(adoption: Adoption) -> VersionView:
        return VersionView(
            version_id=900 + adoption.attempt_id,
            product_id=1,
            directory=adoption.directory,
            filename=adoption.filename,
            semantic_type=adoption.semantic_type,
            mime_type="text/plain",
            attempt_id=adoption.attempt_id,
            task_id=adoption.task_id,
            job_id=adoption.job_id,
            md5="0" * 32,
            sha256=adoption.sha256,
            size=1,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            adopted_from=adoption.version_id,
        )


class Scheduler:
    """A scheduler by a clock that the test moves, with one worker's hands."""

    def __init__(self, database: Database) -> None:
        self.now = datetime(2026, 11, 26, 12, tzinfo=UTC)
        self.wakeups = Wakeups()
        self.transactor = transactor = PoisonedTransactor(SqlTransactor(database, self.tell_time, self.wakeups.wake))
        self.polls = Polls(DispatchRules(lease=timedelta(seconds=60), limits=LIMITS))
        self.submission = Submission(transactor, self.polls, 100)
        self.dispatch = Dispatch(transactor, self.wakeups, self.tell_time, self.polls)
        self.recovery = Reaper(transactor, self.tell_time, LIMITS, 5)
        self.timers = Timers(transactor, self.wakeups, self.polls)
        self.expansion = Expansion(transactor, self.wakeups, LIMITS, 100)
        self.adopter = Adopter()
        self.reuse = Reuse(transactor, self.wakeups, self.polls, self.adopter, LIMITS)

    def tell_time(self) -> datetime:
        return self.now

    def poison(self, verb: str, *keys: int) -> Poison:
        """Let a verb raise whenever it is called with one of these ids."""
        found = Poison(verb, *keys)
        self.transactor.poisons.append(found)
        return found

    async def announce(self, worker_id: str = "w1") -> None:
        types = [describe("null"), describe("make", outputs=["lightcurve"])]
        await self.dispatch.announce(
            WorkerAnnouncement(worker_id=worker_id, host="here", process_id=1, slots=1, task_types=types)
        )

    async def submit(self, *tasks: dict[str, Any], reuse: bool = False) -> int:
        text = json.dumps({"job_name": "night", "task_list": list(tasks)}).encode()
        job, _ = await self.submission.submit(text, submitted_by="ada", mode=JobMode(reuse=reuse, rerun=reuse))
        return job.job_id

    async def claim(self, limit: int = 100, wait: float = 0.0, worker_id: str = "w1") -> list[ClaimedAttempt]:
        request = ClaimRequest(worker_id=worker_id, per_type={"null": limit, "make": limit}, total=limit, wait=wait)
        return (await self.dispatch.claim(request)).attempts

    async def report(self, *reports: AttemptReport, claim: int = 0) -> ReportResponse:
        wanted = ClaimRequest(worker_id="w1", per_type={"null": claim, "make": claim}, total=claim) if claim else None
        return await self.dispatch.report(ReportRequest(worker_id="w1", reports=list(reports), claim=wanted))


def accept(attempt: ClaimedAttempt, **fields: Any) -> AttemptReport:
    return AttemptReport(attempt_id=attempt.attempt_id, lease_token=attempt.lease_token, state="accepted", **fields)


def version(attempt: ClaimedAttempt) -> OutputVersion:
    return OutputVersion(
        slot="lightcurve",
        version_id=attempt.attempt_id,
        directory=attempt.working_directory,
        filename=attempt.outputs["lightcurve"],
        md5="0" * 32,
        sha256="0" * 64,
        size=1,
        passed_qc=True,
    )


class Rows:
    """What the database says of tasks."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector

    def queued(self) -> list[tuple[int, int]]:
        """List the queued attempts in their order, with their tasks."""
        query = "SELECT id, task_id FROM attempt WHERE state = 'queued' ORDER BY id"
        return [(attempt, task) for attempt, task in self._inspector.fetch(query)]

    def tasks(self) -> dict[int, str]:
        """List the states of tasks that workers run."""
        query = "SELECT id, state FROM task WHERE task_type IN ('null', 'make') ORDER BY id"
        return dict(self._inspector.fetch(query))

    def end_of(self, task_id: int) -> tuple[str, str, str]:
        """Tell state, reason and message of a task."""
        query = f"SELECT state, reason, message FROM task WHERE id = {task_id}"
        ((state, reason, message),) = self._inspector.fetch(query)
        return state, reason, message

    def attempt(self, attempt_id: int) -> tuple[str, str, str]:
        """Tell state, reason and message of an attempt."""
        query = f"SELECT state, reason, message FROM attempt WHERE id = {attempt_id}"
        ((state, reason, message),) = self._inspector.fetch(query)
        return state, reason, message


@pytest.fixture
def database_url(make_database: Callable[[str], str]) -> str:
    return make_database("scheduler")


@pytest.fixture
def inspector(database_url: str) -> Iterator[Inspector]:
    found = Inspector(database_url)
    yield found
    found.close()


@pytest.fixture
def rows(inspector: Inspector) -> Rows:
    return Rows(inspector)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    await asyncio.to_thread(upgrade_schema, database_url, MIGRATIONS)
    found = Database(database_url)
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def scheduler(database: Database) -> Scheduler:
    found = Scheduler(database)
    await found.announce()
    return found
