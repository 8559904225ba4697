"""Several schedulers on one database: all serve, one leads, and none undoes what another did."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, Engine, event, text

from eas.client.scheduler import SchedulerClient
from eas.contracts.errors import UnavailableError
from eas.contracts.scheduler import HeartbeatRequest
from eas.database.committer import Database
from eas.database.migrations import upgrade_schema
from eas.database.types import count_microseconds
from eas_scheduler.domain.job_mode import JobMode
from eas_scheduler.logic.leadership import DeposedError, Election, LeadersTransactor
from eas_scheduler.logic.wakeups import Wakeups
from eas_scheduler.runtime import MIGRATIONS
from eas_scheduler.storage.unit_of_work import SqlTransactor, SqlUnitOfWork
from tests.support.databases import KINDS, SERVER_KINDS, Inspector

from .conftest import TASK_TYPES, Bench, OpenBench, find_wrong_counts

NULL = {"task": "null"}
#: How long fail-over may take on a machine with other work [s]. What it takes is printed: 10 s or less on an idle one.
FAIL_OVER = 60.0


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """Of a SQLite file there is one scheduler only."""
    kind: str = request.param
    return kind


on_servers = pytest.mark.parametrize("database_kind", SERVER_KINDS, indirect=True)


@pytest.fixture
async def pair(open_bench: OpenBench) -> AsyncIterator[tuple[Bench, Bench]]:
    async with open_bench(replica="a") as first, open_bench(replica="b") as second:
        await first.announce()
        yield first, second


@on_servers
async def test_a_worker_that_waits_at_one_gets_what_is_submitted_to_another(pair: tuple[Bench, Bench]) -> None:
    first, second = pair
    waiting = asyncio.create_task(second.claim(1, wait=20))
    await second.settle()
    await first.submit(NULL)
    (attempt,) = await waiting
    assert attempt.task_type == "null"


@on_servers
async def test_a_wait_for_a_job_at_one_ends_with_a_report_to_another(pair: tuple[Bench, Bench]) -> None:
    first, second = pair
    job_id = await first.submit(NULL)
    waiting = asyncio.create_task(second.client.get_job(job_id, wait=20))
    await second.settle()
    await first.run_one()
    assert (await waiting).state == "done"


@on_servers
async def test_a_worker_hears_at_one_what_an_operator_said_to_another(pair: tuple[Bench, Bench]) -> None:
    first, second = pair
    await first.client.drain("w1")
    beat = HeartbeatRequest(worker_id="w1", attempts=[])
    assert (await second.client.beat(beat)).drain
    await second.announce()
    assert not (await first.client.beat(beat)).drain


@on_servers
async def test_many_workers_at_both_get_every_attempt_once(pair: tuple[Bench, Bench], inspector: Inspector) -> None:
    jobs = await asyncio.gather(*(pair[number % 2].submit(*[NULL] * 40) for number in range(6)))
    taken: list[int] = []

    async def work(bench: Bench, worker_id: str) -> None:
        await bench.announce(worker_id)
        while attempts := await bench.claim(7, worker_id=worker_id):
            for attempt in attempts:
                taken.append(attempt.attempt_id)
                assert (await bench.report(attempt, worker_id=worker_id)).results[0].recorded

    await asyncio.gather(*(work(pair[number % 2], f"worker{number}") for number in range(8)))
    assert len(taken) == len(set(taken)) == 240
    for job_id in jobs:
        assert (await pair[0].counts(job_id)) == {"done": 41}
    assert find_wrong_counts(inspector) == []


@on_servers
async def test_what_one_has_seen_of_task_types_and_rules_another_has_changed(pair: tuple[Bench, Bench]) -> None:
    first, second = pair
    await second.submit(NULL)
    response = await first.http.put("/task-types/null/rules", json={"max_running": 1})
    assert response.status_code == 200, response.text
    await first.submit(NULL)
    assert len(await second.claim()) == 1
    assert await first.claim() == []


@on_servers
async def test_ids_grow_with_time_whoever_gives_them(pair: tuple[Bench, Bench], inspector: Inspector) -> None:
    """Queues take the smaller id first, and the product store takes it for the older plan."""
    jobs = [await pair[number % 2].submit(NULL) for number in (0, 1, 0, 0, 1, 0)]
    for table in ("task", "attempt"):
        rows = inspector.fetch(f"SELECT job_id, MAX(id) FROM {table} GROUP BY job_id ORDER BY 2")
        assert [row[0] for row in rows] == jobs


@on_servers
async def test_a_new_description_counts_although_it_comes_with_an_earlier_time(
    transactors: tuple[SqlTransactor, SqlTransactor],
) -> None:
    at = datetime(2026, 11, 26, tzinfo=UTC)
    old, new = (TASK_TYPES[0].model_copy(update={"version": version}) for version in ("1", "2"))
    await transactors[0].run(lambda unit: unit.registry.save_task_types([old, *TASK_TYPES[1:]], at))
    await transactors[1].run(lambda unit: unit.registry.find_task_types())
    await transactors[0].run(lambda unit: unit.registry.save_task_types([new], at - timedelta(seconds=1)))
    found = await transactors[1].run(lambda unit: unit.registry.find_task_types())
    assert found[old.name].version == "2"


async def add_job(transactor: SqlTransactor, document: dict[str, object], *, fails: bool) -> int:
    """Add a job and read its document, as handing its tasks out in the same transaction does."""

    def command(unit: SqlUnitOfWork) -> int:
        job_id = unit.jobs.add(
            name=None,
            working_directory="",
            document=document,
            seed=1,
            root_task_id=1,
            submitted_at=datetime(2026, 11, 26, tzinfo=UTC),
            submitted_by="ada",
            mode=JobMode(),
        )
        assert unit.jobs.find_documents([job_id]) == {job_id: document}
        if fails:
            raise KeyError("changed my mind")
        return job_id

    return await transactor.run(command)


@pytest.mark.parametrize("database_kind", KINDS, indirect=True)
async def test_the_document_of_a_job_that_was_taken_back_is_not_another_ones(
    transactors: tuple[SqlTransactor, SqlTransactor],
) -> None:
    with pytest.raises(KeyError):
        await add_job(transactors[0], {"task_list": ["of the job that never was"]}, fails=True)
    await add_job(transactors[0], {"task_list": ["of the job that is"]}, fails=False)


class Hand:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 26, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def transactors(database_url: str) -> AsyncIterator[tuple[SqlTransactor, SqlTransactor]]:
    upgrade_schema(database_url, MIGRATIONS)
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(2):
            database = Database(database_url)
            await database.start()
            stack.push_async_callback(database.stop)
            found.append(SqlTransactor(database, lambda: datetime.now(UTC), Wakeups().wake))
        yield found[0], found[1]


@on_servers
async def test_a_leader_that_slept_is_refused_when_it_wakes_up(
    transactors: tuple[SqlTransactor, SqlTransactor], inspector: Inspector
) -> None:
    clock = Hand()
    old, new = (Election(one, clock, name, timedelta(seconds=6)) for one, name in zip(transactors, "ab", strict=True))
    await old.start({})
    await new.start({})
    guarded = LeadersTransactor(transactors[0], old)

    def mark(unit: SqlUnitOfWork) -> None:
        unit.attempts.take_ids(1)

    await guarded.run(mark)
    clock.now += timedelta(seconds=7)
    await new.start({})
    before = inspector.fetch("SELECT * FROM key_sequence")
    with pytest.raises(DeposedError, match="leads no longer: b does"):
        await guarded.run(mark)
    assert inspector.fetch("SELECT * FROM key_sequence") == before
    assert inspector.fetch("SELECT holder, fence FROM leadership") == [("b", 2)]


class Replica:
    """A scheduler in a process of its own."""

    def __init__(self, database_url: str, name: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.name = name
        environment = os.environ | {
            "EAS_SCHEDULER_DATABASE_URL": database_url,
            "EAS_SCHEDULER_PORT": str(port),
            "EAS_SCHEDULER_REPLICA": name,
            "EAS_SCHEDULER_LEASE_SECONDS": "1",
            "EAS_SCHEDULER_REAP_SECONDS": "0.2",
            "EAS_SCHEDULER_LEADER_LEASE_SECONDS": "3",
            "EAS_SCHEDULER_IDS_PATIENCE_SECONDS": "0",
            "EAS_SCHEDULER_MAX_LOSSES": "100",
            "EAS_SCHEDULER_RETRY_DELAY_SECONDS": "0",
        }
        self.process = subprocess.Popen([sys.executable, "-m", "eas_scheduler.main"], env=environment)

    async def until_ready(self) -> None:
        async with SchedulerClient(self.url, None) as client:
            while True:
                with suppress(UnavailableError):
                    await client.list_task_types()
                    return
                await asyncio.sleep(0.05)

    async def leads(self) -> bool:
        async with httpx.AsyncClient() as http:
            return bool((await http.get(f"{self.url}/leadership")).json()["leads"])

    async def until_it(self, *, leads: bool, within: float) -> None:
        begun = asyncio.get_running_loop().time()
        while await self.leads() is not leads:
            assert asyncio.get_running_loop().time() - begun < within
            await asyncio.sleep(0.05)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@pytest.fixture
def replicas(database_url: str) -> Iterator[list[Replica]]:
    upgrade_schema(database_url, MIGRATIONS)
    found = [Replica(database_url, name) for name in "ab"]
    yield found
    for replica in found:
        replica.process.kill()
        replica.process.wait()


@on_servers
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
async def test_when_the_leader_falls_another_reaps(
    replicas: list[Replica], blow: signal.Signals, inspector: Inspector
) -> None:
    for replica in replicas:
        await replica.until_ready()
    leader, other = replicas if await replicas[0].leads() else reversed(replicas)
    async with (
        SchedulerClient(other.url, None) as client,
        httpx.AsyncClient(base_url=other.url, timeout=30) as http,
    ):
        bench = Bench(client, http)
        await bench.announce()
        await bench.submit(NULL)
        (lost,) = await bench.claim()
        leader.send(blow)
        begun = asyncio.get_running_loop().time()
        (again,) = await bench.claim(wait=60)  # the lease of the first attempt ends, and somebody has to see it
        print(f"fail-over after {blow.name}: {asyncio.get_running_loop().time() - begun:.1f} s")
        assert (lost.task_id, lost.number, again.number) == (again.task_id, 1, 2)
        # The lease of one second ends before the report when the machine is busy: the next attempt is as good.
        while not (await bench.report(again)).results[0].recorded:
            (again,) = await bench.claim(wait=60)
        assert await other.leads()
        if blow is signal.SIGSTOP:
            leader.send(signal.SIGCONT)
            await leader.until_it(leads=False, within=FAIL_OVER)
    attempts = inspector.fetch("SELECT number, state FROM attempt WHERE task_type = 'null' ORDER BY number")
    assert attempts == [*((number, "lost") for number in range(1, again.number)), (again.number, "accepted")]
    assert find_wrong_counts(inspector) == []


@on_servers
async def test_a_leader_that_is_stopped_in_a_transaction_is_followed_as_soon(
    replicas: list[Replica], inspector: Inspector
) -> None:
    for replica in replicas:
        await replica.until_ready()
    leader, other = replicas if await replicas[0].leads() else reversed(replicas)
    with inspector.holding_up("leadership"):
        await asyncio.to_thread(inspector.wait_until_held_up, "leadership")  # it has the turn of all writers
        leader.send(signal.SIGSTOP)
    await other.until_it(leads=True, within=FAIL_OVER)
    leader.send(signal.SIGCONT)
    await leader.until_it(leads=False, within=FAIL_OVER)


@on_servers
async def test_a_leader_that_stops_in_good_order_is_followed_at_once(
    replicas: list[Replica], inspector: Inspector
) -> None:
    for replica in replicas:
        await replica.until_ready()
    leader, other = replicas if await replicas[0].leads() else reversed(replicas)
    leader.send(signal.SIGTERM)
    assert leader.process.wait(60) is not None
    given_up = inspector.fetch("SELECT expires_at FROM leadership WHERE holder = :leader", leader=leader.name)
    assert all(until <= count_microseconds(datetime.now(UTC)) for (until,) in given_up)  # the other need not wait
    await other.until_it(leads=True, within=FAIL_OVER)
    assert inspector.fetch("SELECT holder FROM leadership") == [(other.name,)]


@on_servers
async def test_one_that_stands_still_in_a_transaction_gives_its_turn_back(database_url: str) -> None:
    """As a stopped process would that holds the turn of all writers."""
    upgrade_schema(database_url, MIGRATIONS)
    still, moving = Database(database_url), Database(database_url)
    awake, holding = threading.Event(), threading.Event()

    def stand_still(connection: Connection) -> None:
        connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
        holding.set()
        awake.wait(200)
        connection.execute(text("SELECT 1"))

    await still.start()
    await moving.start()
    try:
        sleeping = asyncio.create_task(still.write(stand_still))
        await asyncio.to_thread(holding.wait, 10)
        begun = asyncio.get_running_loop().time()
        await moving.write(lambda connection: connection.execute(text("SELECT 1")).scalar_one())
        assert asyncio.get_running_loop().time() - begun < FAIL_OVER
        awake.set()
        with pytest.raises(UnavailableError):
            await sleeping
    finally:
        awake.set()
        await still.stop()
        await moving.stop()


@on_servers
async def test_a_long_submission_keeps_saying_that_it_goes_on(open_bench: OpenBench) -> None:
    """Working a plan out takes long between two statements, and a transaction that stands still loses its turn."""
    said: list[str] = []
    tasks = 10_000
    loop = {"task": "execution_for_loop", "parameter": "i", "linear_range": [1, tasks, tasks], "task_list": [NULL]}
    async with open_bench() as bench:
        await bench.announce()

        def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement == "SELECT 1":
                said.append(statement)

        event.listen(Engine, "before_cursor_execute", listen)
        try:
            await bench.submit(loop)
        finally:
            event.remove(Engine, "before_cursor_execute", listen)
    assert len(said) >= 4  # over edges, states, attempts and events
