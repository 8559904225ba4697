"""A deterministic simulation of scheduler, workers and clock: whatever is lost, doubled, late or killed, the law holds.

The logic and storage are the real ones, on SQLite; network, workers and time are dice. Each seed is one history.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pytest
from sqlalchemy import Connection, text

from eas.contracts.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from eas.contracts.execution import ExecutionRules, TaskTypeRules
from eas.contracts.products import Adoption, AdoptionAnswer, VersionView
from eas.contracts.queues import RescheduleRequest
from eas.contracts.scheduler import (
    AttemptReport,
    ClaimedAttempt,
    ClaimRequest,
    HeartbeatRequest,
    LeasedAttempt,
    OutputVersion,
    ReportRequest,
    RetryRequest,
    WorkerAnnouncement,
)
from eas.contracts.states import AttemptState
from eas.database.engines import open_engine
from eas.database.migrations import upgrade_schema
from eas_scheduler.domain.changes import Changes
from eas_scheduler.domain.job_mode import JobMode
from eas_scheduler.domain.lifecycle import ATTEMPT_SUCCESSORS
from eas_scheduler.domain.policies import RetryLimits
from eas_scheduler.logic.assignment import DispatchRules
from eas_scheduler.logic.control import Control
from eas_scheduler.logic.dispatch import Dispatch
from eas_scheduler.logic.expansion import Expansion
from eas_scheduler.logic.polls import Polls
from eas_scheduler.logic.queues import Queues
from eas_scheduler.logic.reaper import Reaper
from eas_scheduler.logic.reuse import Reuse
from eas_scheduler.logic.submission import Submission
from eas_scheduler.logic.timers import Timers
from eas_scheduler.logic.wakeups import Wakeups
from eas_scheduler.runtime import MIGRATIONS
from eas_scheduler.storage.unit_of_work import SqlTransactor, SqlUnitOfWork

from .conftest import TASK_TYPES

SEEDS = int(os.environ.get("EAS_TEST_SIMULATIONS", "60"))
STEPS = 120
MOST_JOBS = 4
#: Versions from this number on were adopted.
ADOPTED = 1_000_000
LEASE = timedelta(seconds=30)
LIMITS = RetryLimits(attempts=4, losses=4)

T = TypeVar("T")


class CrashError(Exception):
    """The scheduler died around a commit; nobody knows on which side."""


class DiceTransactor:
    """Runs commands at once, and now and then dies just before or just after a commit."""

    def __init__(self, database: Path, dice: random.Random) -> None:
        self._engine = open_engine(f"sqlite:///{database}", writer=True, connections=1)
        self._dice = dice
        self.crash_chance = 0.0

    def restart(self, clock: Callable[[], datetime], wake: Callable[[Changes], None]) -> None:
        self._real = SqlTransactor(self, clock, wake)  # type: ignore[arg-type]

    async def run(self, command: Callable[[SqlUnitOfWork], T]) -> T:
        return await self._real.run(command)

    def when_lost(self, action: Callable[[], None]) -> None:
        """A crash takes the keys with it: `restart`."""

    async def write(self, command: Callable[[Connection], T], *, when_committed: Callable[[], None]) -> T:
        fate = self._dice.random()
        with self._engine.begin() as connection:
            result = command(connection)
            if fate < self.crash_chance / 2:
                raise CrashError
        if fate < self.crash_chance:
            raise CrashError
        when_committed()
        return result

    def query(self, statement: str) -> list[Any]:
        with self._engine.connect() as connection:
            return list(connection.execute(text(statement)).all())

    def close(self) -> None:
        self._engine.dispose()


class DiceStore:
    """A product store that adopts, refuses, or is away."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._adopted: dict[tuple[int, str], VersionView] = {}
        self.fault_chance = 0.3

    async def adopt(self, adoptions: Sequence[Adoption]) -> list[AdoptionAnswer]:
        if self._dice.random() < self.fault_chance:
            raise UnavailableError("the store is away")
        return [self._answer(one) for one in adoptions]

    def _answer(self, adoption: Adoption) -> AdoptionAnswer:
        if self._dice.random() < self.fault_chance / 3:
            return AdoptionAnswer(message="it did not pass quality control")
        key = (adoption.attempt_id, adoption.filename)
        if key not in self._adopted:
            self._adopted[key] = VersionView(
                version_id=ADOPTED + len(self._adopted),
                product_id=1,
                directory=adoption.directory,
                filename=adoption.filename,
                semantic_type=adoption.semantic_type,
                mime_type="application/octet-stream",
                attempt_id=adoption.attempt_id,
                task_id=adoption.task_id,
                job_id=adoption.job_id,
                md5="0" * 32,
                sha256=adoption.sha256,
                size=1,
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
                adopted_from=adoption.version_id,
            )
        return AdoptionAnswer(version=self._adopted[key])


class SimulatedWorker:
    """What one worker believes that it holds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.on_hold: dict[int, ClaimedAttempt] = {}


class World:
    """One history."""

    def __init__(self, database: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.transactor = DiceTransactor(database, self.dice)
        self.workers = [SimulatedWorker(f"w{number}") for number in range(3)]
        self.store = DiceStore(self.dice)
        self.documents: list[bytes] = []
        self.said: list[ReportRequest] = []
        self.confirmed: set[int] = set()
        self.restart()

    def restart(self) -> None:
        """A new scheduler process on the same database."""
        wakeups, transactor = Wakeups(), self.transactor
        transactor.restart(lambda: self.now, wakeups.wake)
        polls = Polls(DispatchRules(lease=LEASE, limits=LIMITS))
        self.dispatch = Dispatch(transactor, wakeups, lambda: self.now, polls)
        self.expansion = Expansion(transactor, wakeups, LIMITS, 5)
        self.recovery = Reaper(transactor, lambda: self.now, LIMITS, 1.0)
        self.timers = Timers(transactor, wakeups, polls)
        self.reuse = Reuse(transactor, wakeups, polls, self.store, LIMITS)
        self.control = Control(transactor, wakeups)
        self.queues = Queues(transactor, at_once=2)
        self.submission = Submission(transactor, polls, 5)

    async def announce(self, worker: SimulatedWorker) -> None:
        await self.dispatch.announce(
            WorkerAnnouncement(worker_id=worker.name, host="h", process_id=1, slots=2, task_types=TASK_TYPES)
        )

    async def step(self) -> None:
        """Let one thing happen. A crash is followed by a restart."""
        self.now += timedelta(seconds=self.dice.choice([0.1, 1, 5, 20]))
        worker = self.dice.choice(self.workers)
        actions = [
            self.claim,
            self.report,
            self.report,
            self.repeat_a_report,
            self.beat,
            self.die,
            self.expand,
            self.reap,
            self.do_due,
            self.decide,
        ]
        rare = [
            *(self.cancel_a_task, self.pause, self.resume, self.retry, self.purge, self.reschedule),
            *(self.retry_otherwise, self.submit_again),
        ]
        action = self.dice.choice(rare if self.dice.random() < 0.08 else actions)
        try:
            await action(worker)
        except CrashError:
            self.restart()
        except NotFoundError:
            await self.revive(worker)
        except (ConflictError, InvalidInputError, UnavailableError):
            pass

    async def revive(self, worker: SimulatedWorker) -> None:
        while True:
            try:
                await self.announce(worker)
            except CrashError:
                self.restart()
            else:
                return

    async def claim(self, worker: SimulatedWorker) -> None:
        limits = {found.name: self.dice.randint(0, 3) for found in TASK_TYPES}
        request = ClaimRequest(worker_id=worker.name, per_type=limits, total=self.dice.randint(1, 4))
        answer = await self.dispatch.claim(request)
        if self.dice.random() < 0.85:
            worker.on_hold |= {one.attempt_id: one for one in answer.attempts}

    async def report(self, worker: SimulatedWorker) -> None:
        if not worker.on_hold:
            return
        some = self.dice.sample(sorted(worker.on_hold), self.dice.randint(1, min(3, len(worker.on_hold))))
        reports = [self.end_of(worker.on_hold[attempt_id]) for attempt_id in some]
        claim = ClaimRequest(worker_id=worker.name, per_type={"null": 2, "make": 1}, total=2)
        request = ReportRequest(worker_id=worker.name, reports=reports, claim=self.dice.choice([None, claim]))
        self.said.append(request)
        if self.dice.random() < 0.1:
            return
        answer = await self.dispatch.report(request)
        if self.dice.random() < 0.9:
            for result in answer.results:
                worker.on_hold.pop(result.attempt_id, None)
            worker.on_hold |= {one.attempt_id: one for one in (answer.claimed.attempts if answer.claimed else [])}
            self.note(request, {result.attempt_id for result in answer.results if result.recorded})

    async def repeat_a_report(self, _worker: SimulatedWorker) -> None:
        if self.said:
            request = self.dice.choice(self.said).model_copy(update={"claim": None})
            answer = await self.dispatch.report(request)
            self.note(request, {result.attempt_id for result in answer.results if result.recorded})

    def note(self, request: ReportRequest, recorded: set[int]) -> None:
        self.confirmed |= {one.attempt_id for one in request.reports if one.state == "accepted"} & recorded

    async def beat(self, worker: SimulatedWorker) -> None:
        held = [
            LeasedAttempt(
                attempt_id=one.attempt_id,
                lease_token=one.lease_token,
                phase=self.dice.choice(["running", "running", "checking"]),
            )
            for one in worker.on_hold.values()
        ]
        answer = await self.dispatch.beat(HeartbeatRequest(worker_id=worker.name, attempts=held))
        for attempt_id in answer.closed:
            worker.on_hold.pop(attempt_id, None)

    async def die(self, worker: SimulatedWorker) -> None:
        worker.on_hold.clear()
        if self.dice.random() < 0.5:
            await self.dispatch.dismiss(worker.name)

    async def expand(self, _worker: SimulatedWorker) -> None:
        await self.expansion.expand_next()

    async def reap(self, _worker: SimulatedWorker) -> None:
        await self.recovery.reap()

    async def do_due(self, _worker: SimulatedWorker) -> None:
        await self.timers.do_due()

    async def decide(self, _worker: SimulatedWorker) -> None:
        await self.reuse.decide()

    async def submit(self, document: dict[str, Any]) -> None:
        self.documents.append(orjson.dumps(document))
        await self.submission.submit(self.documents[-1], submitted_by="dice")

    async def submit_again(self, _worker: SimulatedWorker) -> None:
        mode = JobMode(rerun=True, reuse=self.dice.random() < 0.7)
        if self.count_jobs() < MOST_JOBS:
            await self.submission.submit(self.dice.choice(self.documents), submitted_by="dice", mode=mode)

    def count_jobs(self) -> int:
        return int(self.transactor.query("SELECT COUNT(*) FROM job")[0][0])

    def draw_job_id(self) -> int:
        return self.dice.randint(1, self.count_jobs())

    async def retry_otherwise(self, _worker: SimulatedWorker) -> None:
        failed = self.transactor.query("SELECT id, job_id FROM task WHERE state = 'failed' AND children = 0")
        if failed:
            task = self.dice.choice(failed)
            settings = {"duration": self.dice.choice([2, 3, None])}
            rules = self.dice.choice([None, ExecutionRules(max_attempts=2)])
            request = RetryRequest(task_ids=[task.id], settings=settings, execution=rules)
            await self.control.retry_job(task.job_id, request, by="dice")

    async def cancel_a_task(self, _worker: SimulatedWorker) -> None:
        leaves = self.transactor.query("SELECT id FROM task WHERE parent_id IS NOT NULL AND children = 0")
        await self.control.cancel_task(self.dice.choice(leaves)[0], by="dice")

    async def pause(self, _worker: SimulatedWorker) -> None:
        await self.control.pause_job(self.draw_job_id())

    async def resume(self, _worker: SimulatedWorker) -> None:
        await self.control.resume_job(self.draw_job_id())

    async def retry(self, _worker: SimulatedWorker) -> None:
        await self.control.retry_job(self.draw_job_id(), RetryRequest(), by="dice")

    async def purge(self, _worker: SimulatedWorker) -> None:
        task_types = [found.name for found in TASK_TYPES] + ["execution_for_loop", "execution_conditional"]
        await self.queues.purge(self.dice.choice(task_types), by="dice")

    async def reschedule(self, _worker: SimulatedWorker) -> None:
        request = RescheduleRequest(failed=self.dice.random() < 0.5)
        await self.queues.reschedule(request, job_id=self.dice.choice([None, self.draw_job_id()]))

    def end_of(self, attempt: ClaimedAttempt, *, well: bool = False) -> AttemptReport:
        state, reason = "accepted", None
        if not well:
            bad = [("failed", "science"), ("failed", "infrastructure"), ("failed", "timeout"), ("lost", "evicted")]
            ends = [("accepted", None)] * 8 + bad + [("failed", "out_of_memory")] * 2
            state, reason = self.dice.choice(ends)
        outputs = [
            OutputVersion(
                slot=slot,
                version_id=attempt.attempt_id,
                directory=attempt.working_directory,
                filename=filename,
                md5="0" * 32,
                sha256="0" * 64,
                size=1,
                passed_qc=True,
            )
            for slot, filename in attempt.outputs.items()
        ]
        return AttemptReport.model_validate(
            {
                "attempt_id": attempt.attempt_id,
                "lease_token": attempt.lease_token,
                "state": state,
                "reason": reason,
                "metadata": {"x": attempt.attempt_id % 3},
                "outputs": outputs if state == "accepted" else [],
            }
        )

    async def run_to_the_end(self) -> None:
        """Nothing goes wrong any more: one good worker must be able to finish everything."""
        self.transactor.crash_chance = 0.0
        self.store.fault_chance = 0.0
        good = SimulatedWorker("good")
        await self.announce(good)
        for job in self.transactor.query("SELECT id FROM job WHERE paused"):
            await self.control.resume_job(job.id)
        for _ in range(400):
            self.now += timedelta(seconds=10)
            await self.recovery.reap()
            await self.timers.do_due()
            while await self.expansion.expand_next():
                pass
            await self.reuse.decide()
            limits = {found.name: 100 for found in TASK_TYPES}
            answer = await self.dispatch.claim(ClaimRequest(worker_id=good.name, per_type=limits, total=100))
            reports = [self.end_of(one, well=True) for one in answer.attempts]
            await self.dispatch.report(ReportRequest(worker_id=good.name, reports=reports))
            if not self.transactor.query("SELECT 1 FROM job WHERE state = 'running'"):
                return
        raise AssertionError(f"still open: {self.transactor.query('SELECT id, task_type, state, unmet FROM task')}")


def draw_job(dice: random.Random, number: int) -> dict[str, Any]:
    """Draw a job of tasks that need each other in most ways that the language has."""

    def body(depth: int, tag: str) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = [{"task": "null", "name": "first", **dice.choice([{}, {"duration": 1}])}]
        for index in range(dice.randint(1, 3)):
            name = f"'{tag}_{index}_' + str(sorted(metadata.items())).replace('/', '_')"
            filename = f"({name})"
            kind = dice.choice(
                ["null", "files", "needs", "for", "if", "repeat"] if depth else ["null", "files", "needs"]
            )
            match kind:
                case "null":
                    tasks.append({"task": "null"})
                case "files":
                    tasks.append({"task": "make", "name": f"m{index}", "outputs": {"lightcurve": filename}})
                    tasks.append({"task": "find", "inputs": {"lightcurve": filename}})
                case "needs":
                    tasks.append({"task": "null", "requires_metadata_from": ["first"], "name": f"n{index}"})
                case "for":
                    loop = {"parameter": f"p{depth}", "values": [1, 2], "task_list": body(depth - 1, f"{tag}{index}")}
                    tasks.append({"task": "execution_for_loop", **loop})
                case "if":
                    test = {"criterion": "(requested_metadata['first'].get('x', 0) > 0)"}
                    lists = {"task_list": body(depth - 1, f"{tag}{index}t"), "else_task_list": [{"task": "null"}]}
                    needs = {"requires_metadata_from": ["first"], "name": f"i{index}"}
                    tasks.append({"task": "execution_conditional", **test, **lists, **needs})
                    tasks.append({"task": "null", "requires_metadata_from": [f"i{index}"]})
                case _:
                    loop = {"iteration_name": f"r{depth}", "requires_metadata_from_child": ["first"]}
                    test = {"repeat_criterion": f"(metadata['r{depth}_index'] < {dice.randint(1, 3)})"}
                    inner = body(depth - 1, f"{tag}{index}")
                    tasks.append({"task": "execution_do_while_loop", **loop, **test, "task_list": inner})
        return tasks

    rules = {
        "priority": dice.randint(-2, 2),
        "max_attempts": dice.randint(1, 4),
        "retry_delay": dice.choice([0, 3, 40]),
        "memory_gb": dice.choice([0.5, 2]),
        "queue_timeout": dice.choice([60.0, 5000.0, 5000.0]),
    }
    some = dict(dice.sample(sorted(rules.items()), dice.randint(0, 4)))
    top = {"working_directory": f"job{number}", "job_name": "dice", "seed": number, "reuse": dice.random() < 0.5}
    return {**top, "task_list": body(2, "t"), "execution": some}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "empty.db"
    upgrade_schema(f"sqlite:///{path}", MIGRATIONS)
    return path


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_history_keeps_the_law(seed: int, template: Path, tmp_path: Path) -> None:
    database = tmp_path / "scheduler.db"
    shutil.copy(template, database)
    world = World(database, seed)
    try:
        asyncio.run(live_through(world))
        check_law(world)
    finally:
        world.transactor.close()


async def live_through(world: World) -> None:
    for worker in world.workers:
        await world.announce(worker)
    await world.transactor.run(limit_types)
    for number in range(2):
        await world.submit(draw_job(world.dice, number))
    world.transactor.crash_chance = 0.15
    for _ in range(STEPS):
        await world.step()
        check_limits(world)
    world.restart()
    await world.run_to_the_end()


#: What rules do to attempts, that the dice must meet.
RULED = {
    "delayed": "not_before > queued_at",
    "overdue": "state = 'cancelled' AND reason = 'timeout'",
    "more memory": "memory_gb IN (1, 4)",
    "prior": "priority < 0",
}

#: What re-use does to attempts, that the dice must meet.
REUSED = {
    "adopted": "adopted_from IS NOT NULL",
    "adopted files": "adopted_from IS NOT NULL AND task_type = 'make'",
    "adopted nothing": "reuse IS NOT NULL AND adopted_from IS NULL",
    "read what was adopted": f"json_extract(inputs, '$.lightcurve.version_id') >= {ADOPTED}",
}


def limit_types(unit: SqlUnitOfWork) -> None:
    unit.registry.save_rules("make", TaskTypeRules(max_running=2), at=datetime(2026, 1, 1, tzinfo=UTC), by="dice")


def check_limits(world: World) -> None:
    """Never more of a limited type at the same time than the operator allows."""
    held = "SELECT COUNT(*) FROM attempt WHERE task_type = 'make' AND state IN ('running', 'checking')"
    assert world.transactor.query(held)[0][0] <= 2


def check_law(world: World) -> None:
    query = world.transactor.query
    accepted = query("SELECT task_id, COUNT(*) FROM attempt WHERE state = 'accepted' GROUP BY task_id")
    assert all(count == 1 for _, count in accepted), "a task was accepted twice"
    done = {row[0] for row in query("SELECT id FROM task WHERE state = 'done'")}
    assert done == {task_id for task_id, _ in accepted}, "done tasks are those with an accepted attempt"
    won = {row[0] for row in query("SELECT id FROM attempt WHERE state = 'accepted'")}
    assert world.confirmed <= won, "an acceptance that was confirmed is gone"
    assert query("SELECT id FROM attempt WHERE state IN ('queued', 'running', 'checking')") == [], "open for ever"
    for job in query("SELECT id, waiting, queued, running, done, failed, blocked, cancelled FROM job"):
        rows = Counter(dict(query(f"SELECT state, COUNT(*) FROM task WHERE job_id = {job.id} GROUP BY state")))
        counted = {name: count for name, count in job._asdict().items() if name != "id" and count}
        assert counted == rows, "counts equal rows"
    early = query(
        "SELECT d.task_id FROM dependency d JOIN task c ON c.id = d.task_id JOIN task s ON s.id = d.source_id"
        " WHERE c.state IN ('done', 'failed') AND s.state != 'done'"
    )
    assert early == [], "a task ran before what it needs was done"
    unmet = query(
        "SELECT t.id FROM task t WHERE t.unmet != (SELECT COUNT(*) FROM dependency d JOIN task s ON s.id = d.source_id"
        " WHERE d.task_id = t.id AND s.state != 'done')"
    )
    assert unmet == [], "counters of unmet dependencies equal the edges"
    causes = query(
        "SELECT t.id FROM task t LEFT JOIN task c ON c.id = t.blocked_by WHERE t.state = 'blocked' AND"
        " (c.state IS NULL OR c.state NOT IN ('failed', 'cancelled'))"
    )
    assert causes == [], "what is blocked names a cause that will not be done"
    check_versions(world)
    check_adoptions(world)
    states: dict[int, str | None] = {}
    for attempt_id, before, after in query(
        "SELECT attempt_id, state_before, state_after FROM transition WHERE attempt_id IS NOT NULL ORDER BY id"
    ):
        assert states.get(attempt_id) == before, "every step starts where the last one ended"
        if before is not None:
            assert AttemptState(after) in ATTEMPT_SUCCESSORS[AttemptState(before)]
        states[attempt_id] = after
    assert states == dict(query("SELECT id, state FROM attempt")), "the history ends in the present"


def check_versions(world: World) -> None:
    """Every job reads what it made itself, also where others made it anew: its documents name nothing else."""
    read = world.transactor.query(
        "SELECT c.job_id AS reader, s.job_id AS maker, p.version AS made, a.inputs, d.label FROM dependency d"
        " JOIN product_promise p ON p.id = d.promise_id JOIN task s ON s.id = p.task_id"
        " JOIN task c ON c.id = d.task_id LEFT JOIN attempt a ON a.id = c.accepted_attempt_id"
    )
    for row in read:
        assert row.reader == row.maker
        if row.inputs is not None:
            assert orjson.loads(row.inputs)[row.label]["version_id"] == orjson.loads(row.made)["version_id"]
    generations = world.transactor.query("SELECT directory, filename, generation FROM product_promise ORDER BY 1, 2, 3")
    newest: dict[tuple[str, str], int] = {}
    for directory, filename, generation in generations:
        assert generation == newest.get((directory, filename), 0) + 1, "generations follow each other"
        newest[directory, filename] = generation


def check_adoptions(world: World) -> None:
    """What was adopted is what an equal attempt made, and only where that was asked for."""
    adopted = world.transactor.query(
        "SELECT a.fingerprint AS own, o.fingerprint AS theirs, o.state, a.metadata AS result, o.metadata AS original,"
        " a.worker_id, j.reuse, a.outputs, o.outputs AS sources FROM attempt a JOIN job j ON j.id = a.job_id"
        " LEFT JOIN attempt o ON o.id = a.adopted_from WHERE a.adopted_from IS NOT NULL"
    )
    for row in adopted:
        assert (row.own, row.result, row.state) == (row.theirs, row.original, "accepted")
        assert (row.worker_id, bool(row.reuse)) == ("scheduler", True)
        for one, source in zip(orjson.loads(row.outputs or "[]"), orjson.loads(row.sources or "[]"), strict=True):
            assert (one["sha256"], one["qc_reason"]) == (
                source["sha256"],
                f"adopted from version {source['version_id']}",
            )
    assert world.transactor.query("SELECT id FROM attempt WHERE undecided AND state != 'cancelled'") == []


def test_the_simulation_meets_what_it_is_for(template: Path, tmp_path: Path) -> None:
    """The dice do reach retries, lost leases, failures, blocked tasks and refused reports, or they prove nothing."""
    met: Counter[str] = Counter()
    for seed in range(20):
        database = tmp_path / f"{seed}.db"
        shutil.copy(template, database)
        world = World(database, seed)
        try:
            asyncio.run(live_through(world))
            for state, count in world.transactor.query("SELECT state, COUNT(*) FROM attempt GROUP BY state"):
                met[state] += count
            for state, count in world.transactor.query("SELECT state, COUNT(*) FROM task GROUP BY state"):
                met[f"task {state}"] += count
            for name, where in RULED.items():
                met[name] += world.transactor.query(f"SELECT COUNT(*) FROM attempt WHERE {where}")[0][0]
            for name, where in REUSED.items():
                met[name] += world.transactor.query(f"SELECT COUNT(*) FROM attempt WHERE {where}")[0][0]
            met["re-runs"] += world.transactor.query("SELECT COUNT(*) FROM product_promise WHERE generation > 1")[0][0]
            met["changed"] += world.transactor.query("SELECT COUNT(*) FROM task WHERE changed_at IS NOT NULL")[0][0]
            met["retries"] += world.transactor.query("SELECT COUNT(*) FROM attempt WHERE number > 1")[0][0]
        finally:
            world.transactor.close()
    wanted = ("accepted", "failed", "lost", "task blocked", "task failed", "retries", "re-runs", "changed")
    assert min(met[name] for name in (*wanted, *RULED, *REUSED)) > 0, met
