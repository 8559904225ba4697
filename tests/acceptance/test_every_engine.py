"""A job ends the same on every engine, whatever dies while it runs: services, workers, children, broker, database.

`EAS_TEST_SEED` repeats a run whose seed was printed; `EAS_TEST_CHAOS_ROUNDS` lets each process die more often.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from eas.amqp.connection import BrokerConnection
from eas.amqp.ports import Message
from eas.amqp.publisher import QueuePublisher
from eas.amqp.settings import BrokerSettings
from eas.amqp.topology import Topology
from eas.client.log_service import LogClient
from eas.client.product_store import ProductStoreClient
from eas.client.scheduler import SchedulerClient
from eas.contracts.errors import UnavailableError
from eas.contracts.logs import Completeness
from eas.contracts.scheduler import JobView
from tests.support.cluster import SERVICES, Cluster
from tests.support.databases import KINDS, SERVERS, DatabaseServer, Inspector
from tests.support.private_server import open_server
from tests.support.rabbitmq import RabbitmqServer

#: The job has 5 tasks for each of these, and one that fails.
PAIRS = 100
ROUNDS = int(os.environ.get("EAS_TEST_CHAOS_ROUNDS", "1"))
LEASE_S = 4
TASK_TYPES = Path(__file__).parent / "restless_task_types"
SETTINGS = {
    "EAS_SCHEDULER_LEASE_SECONDS": str(LEASE_S),
    "EAS_SCHEDULER_REAP_SECONDS": "0.5",
    "EAS_SCHEDULER_MAX_LOSSES": "1000",
    "EAS_SCHEDULER_MAX_ATTEMPTS": "1000",
    "EAS_SCHEDULER_RETRY_DELAY_SECONDS": "0.1",
    "EAS_SCHEDULER_LEADER_LEASE_SECONDS": "3",
}

pytestmark = pytest.mark.acceptance


@dataclass
class Site:
    """Where a suite runs, and what else can be hurt there."""

    databases: dict[str, str]
    broker_url: str | None = None
    database: DatabaseServer | None = None
    broker: RabbitmqServer | None = None


def _make_job() -> dict[str, Any]:
    """A job of 5 tasks a pair: sources with files, their digests, what only waits for metadata, and what fails."""
    name = "'{}_{{i}}.txt'.format(**metadata)"
    make = {
        "task": "source",
        "name": "made",
        "number": "(metadata['i'])",
        "outputs": {"numbers": name.format("numbers")},
    }
    read = {
        "task": "digest",
        "name": "read",
        "inputs": {"numbers": name.format("numbers")},
        "outputs": {"digest": name.format("digest")},
    }
    wait = {"task": "null", "requires_metadata_from": ["read"]}
    pairs = {
        "task": "execution_for_loop",
        "parameter": "i",
        "values": f"(range({PAIRS}))",
        "task_list": [make, read, wait, {"task": "null"}],
    }
    return {"job_name": "restless", "working_directory": "restless", "task_list": [pairs, {"task": "hopeless"}]}


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """SQLite with HTTP alone, servers with RabbitMQ."""
    if request.param == "sqlite":
        yield Site({service: f"sqlite:///{tmp_path}/{service}.db" for service in SERVICES})
        return
    with ExitStack() as stack:
        database = stack.enter_context(open_server(SERVERS[request.param]))
        broker = stack.enter_context(open_server(RabbitmqServer))
        databases = {service: database.make_database() for service in SERVICES}
        yield Site(databases, broker.url, database, broker)


@asynccontextmanager
async def run_cluster(site: Site, folder: Path) -> AsyncIterator[Cluster]:
    folder.mkdir()
    cluster = Cluster(folder, site.databases, site.broker_url, TASK_TYPES, SETTINGS)
    try:
        for service in SERVICES:
            cluster.start(service)
        for service in SERVICES:
            await cluster.until_ready(service)
        for _ in range(2):
            cluster.start_worker()
        yield cluster
    finally:
        cluster.close()


async def submit(client: SchedulerClient) -> JobView:
    """Submit once the workers have said what they can run."""

    async def are_known() -> bool:
        return {"source", "digest", "hopeless"} <= {found.name for found in await client.list_task_types()}

    await until(are_known)
    return await client.submit_job(json.dumps(_make_job()).encode())


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)


async def until_over(client: SchedulerClient, job: JobView) -> JobView:
    while job.state.value == "running":
        try:
            job = await client.get_job(job.job_id, wait=60)
        except UnavailableError:
            await asyncio.sleep(0.2)
    return job


# --- what is done to it ---------------------------------------------------------------------------------------------


class Mischief:
    """Hurts one thing after the other, each at a random moment."""

    def __init__(self, cluster: Cluster, site: Site, dice: random.Random) -> None:
        self._cluster = cluster
        self._site = site
        self._dice = dice
        deeds: list[Callable[[], Awaitable[None]]] = [
            *(self._kill_service(service) for service in SERVICES),
            self._kill_worker,
            self._kill_child,
        ]
        if site.database is not None:
            deeds += [self._stop_database, self._kill_database]
        if site.broker is not None:
            deeds += [self._stop_broker, self._lose_queues, self._confuse_workers]
        self._deeds = deeds

    async def run(self) -> None:
        deeds = self._deeds * ROUNDS
        self._dice.shuffle(deeds)
        for deed in deeds:
            await asyncio.sleep(self._dice.uniform(0.2, 1.0))
            await deed()

    def _kill_service(self, service: str) -> Callable[[], Awaitable[None]]:
        async def deed() -> None:
            print(f"  SIGKILL {service}")
            self._cluster.kill(service)
            await asyncio.sleep(self._dice.uniform(0, 0.5))
            self._cluster.start(service)
            await self._cluster.until_ready(service)

        return deed

    async def _kill_worker(self) -> None:
        worker = self._dice.choice(self._cluster.workers)
        print(f"  SIGKILL {worker}")
        self._cluster.kill(worker)
        self._cluster.start_worker()

    async def _kill_child(self) -> None:
        children = [child for worker in self._cluster.workers for child in self._cluster.find_children(worker)]
        if children:
            print("  SIGKILL a child")
            with suppress(ProcessLookupError):
                os.kill(self._dice.choice(children), signal.SIGKILL)

    async def _stop_database(self) -> None:
        assert self._site.database is not None
        print("  the database server stops and starts")
        await asyncio.to_thread(self._site.database.stop)
        await asyncio.sleep(self._dice.uniform(0, 1))
        await asyncio.to_thread(self._site.database.start)

    async def _kill_database(self) -> None:
        assert self._site.database is not None
        print("  SIGKILL the database server")
        await asyncio.to_thread(self._site.database.kill)
        await asyncio.to_thread(self._site.database.start)

    async def _stop_broker(self) -> None:
        assert self._site.broker is not None
        print("  the broker stops and starts")
        await asyncio.to_thread(self._site.broker.stop)
        await asyncio.to_thread(self._site.broker.start)

    async def _lose_queues(self) -> None:
        assert self._site.broker is not None
        print("  the broker loses its queues")
        await asyncio.to_thread(self._site.broker.reset)

    async def _confuse_workers(self) -> None:
        """Duplicated, delayed and reordered doorbells, for attempts that were, will be and never are, and garbage."""
        assert self._site.broker_url is not None
        print("  false doorbells")
        topology = Topology()
        bodies = [str(self._dice.randrange(1, 3000)).encode() for _ in range(100)] + [b"garbage", b""]
        self._dice.shuffle(bodies)
        messages = [Message(topology.task_queue(self._dice.choice(("source", "null"))), body) for body in bodies * 2]
        async with AsyncExitStack() as stack:
            connection = BrokerConnection(BrokerSettings(url=SecretStr(self._site.broker_url)), name="mischief")
            await connection.start()
            stack.push_async_callback(connection.close)
            publisher = QueuePublisher(connection, topology)
            stack.push_async_callback(publisher.close)
            with suppress(UnavailableError):
                await publisher.publish_many(messages)


# --- what must hold afterwards --------------------------------------------------------------------------------------


@dataclass
class History:
    """What a job came to, whatever happened meanwhile: by task, its state, reason, metadata and products."""

    tasks: dict[str, tuple[Any, ...]]


def read_history(inspector: Inspector, store: Inspector) -> History:
    digests = {
        (row.directory, row.filename, row.attempt_id): row.md5
        for row in store.fetch(
            "SELECT p.directory, p.filename, v.attempt_id, v.md5 FROM version v JOIN product p"
            " ON p.product_id = v.product_id"
        )
    }
    rows = inspector.fetch(
        "SELECT t.id, t.parent_id, t.position, t.task_type, t.state, t.reason, a.metadata, a.outputs"
        " FROM task t LEFT JOIN attempt a ON a.id = t.accepted_attempt_id ORDER BY t.id"
    )
    places: dict[int, str] = {}
    tasks: dict[str, tuple[Any, ...]] = {}
    attempts = dict(inspector.fetch("SELECT id, accepted_attempt_id FROM task"))
    for row in rows:
        places[row.id] = f"{places.get(row.parent_id, '')}/{row.position}"
        outputs = sorted(
            (made["slot"], made["filename"], digests[made["directory"], made["filename"], attempts[row.id]])
            for made in json.loads(row.outputs or "[]")
        )
        tasks[places[row.id]] = (row.task_type, row.state, row.reason, json.loads(row.metadata or "{}"), outputs)
    return History(tasks)


def check_rows(inspector: Inspector) -> None:
    """Every task has one accepted attempt or a reason, nothing is held, and counts equal rows."""
    wins = inspector.fetch(
        "SELECT t.id, t.state, t.reason, SUM(CASE WHEN a.state = 'accepted' THEN 1 ELSE 0 END) AS wins"
        " FROM task t LEFT JOIN attempt a ON a.task_id = t.id GROUP BY t.id, t.state, t.reason"
    )
    wrong = [row for row in wins if row.wins != (row.state == "done") or (row.state != "done" and not row.reason)]
    assert wrong == []
    assert inspector.fetch("SELECT id FROM attempt WHERE state IN ('queued', 'running', 'checking')") == []
    ends = inspector.fetch(
        "SELECT attempt_id FROM transition WHERE attempt_id IS NOT NULL"
        " AND state_after IN ('accepted', 'rejected', 'failed', 'lost', 'cancelled')"
        " GROUP BY attempt_id HAVING COUNT(*) <> 1"
    )
    assert ends == []
    (job,) = inspector.fetch("SELECT done, failed, waiting + queued + running + blocked + cancelled AS rest FROM job")
    (real,) = inspector.fetch(
        "SELECT SUM(CASE WHEN state = 'done' THEN 1 ELSE 0 END), SUM(CASE WHEN state = 'failed' THEN 1 ELSE 0 END),"
        " SUM(CASE WHEN state IN ('done', 'failed') THEN 0 ELSE 1 END) FROM task"
    )
    assert tuple(job) == tuple(int(number) for number in real)


async def check_bytes(store: ProductStoreClient, rows: Inspector) -> int:
    """The bytes of every version that quality control accepted are those of its MD5."""
    versions = rows.fetch("SELECT version_id, md5 FROM version WHERE passed_qc")
    for version in versions:
        data = await store.read(version.version_id)
        assert hashlib.md5(data).hexdigest() == version.md5
    return len(versions)


async def check_logs(logs: LogClient, attempts: Inspector, records: Inspector) -> int:
    """What accepted attempts emitted is what is stored of them, each line once."""
    accepted = attempts.fetch("SELECT id FROM attempt WHERE state = 'accepted' AND task_type IN ('source', 'digest')")

    left = [attempt_id for (attempt_id,) in accepted]
    deadline = asyncio.get_running_loop().time() + 60
    while left:
        found = [await logs.completeness(attempt_id) for attempt_id in left]
        incomplete = [one for one in found if one.state is not Completeness.COMPLETE or one.stored != one.emitted]
        assert asyncio.get_running_loop().time() < deadline, incomplete
        left = [one.attempt_id for one in incomplete]
    lines = records.fetch(
        "SELECT attempt_id, COUNT(*), COUNT(DISTINCT message) FROM log_record"
        " WHERE message LIKE '%says line%' GROUP BY attempt_id"
    )
    counted = {row[0]: (row[1], row[2]) for row in lines}
    assert {attempt_id: counted.get(attempt_id) for (attempt_id,) in accepted} == dict.fromkeys(
        [attempt_id for (attempt_id,) in accepted], (3, 3)
    )
    return len(accepted)


@pytest.mark.timeout(600)
async def test_whatever_dies_the_history_is_that_of_an_undisturbed_run(
    site: Site, tmp_path: Path, make_reference: Callable[[], Awaitable[History]]
) -> None:
    seed = int(os.environ.get("EAS_TEST_SEED") or random.randrange(10**6))
    print(f"EAS_TEST_SEED={seed}")
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(run_cluster(site, tmp_path / "cluster"))
        client = await stack.enter_async_context(SchedulerClient(cluster.url("scheduler"), None))
        store = await stack.enter_async_context(ProductStoreClient(cluster.url("product_store"), None))
        logs = await stack.enter_async_context(LogClient(cluster.url("logging"), None))
        job = await submit(client)
        await Mischief(cluster, site, random.Random(seed)).run()
        job = await until_over(client, job)
        inspectors = {service: Inspector(url) for service, url in site.databases.items()}
        for inspector in inspectors.values():
            stack.callback(inspector.close)
        await until_heard(inspectors["scheduler"], inspectors["product_store"])
        cluster.stop_workers()
        assert (job.state.value, job.counts.failed) == ("failed", 1)
        check_rows(inspectors["scheduler"])
        versions = await check_bytes(store, inspectors["product_store"])
        attempts = await check_logs(logs, inspectors["scheduler"], inspectors["logging"])
        history = read_history(inspectors["scheduler"], inspectors["product_store"])
        lost = inspectors["scheduler"].fetch("SELECT COUNT(*) FROM attempt WHERE state = 'lost'")[0][0]
    print(f"{job.counts.total} tasks, {lost} attempts lost, {versions} versions, logs of {attempts} attempts")
    assert (versions, attempts) == (2 * PAIRS, 2 * PAIRS)
    assert lost > 0  # or it was over before anything was hurt
    assert history == await make_reference()


async def until_heard(scheduler: Inspector, store: Inspector) -> None:
    """Wait until the product store has heard every verdict; what has left the outbox may still be with the broker."""

    async def is_told() -> bool:
        return not scheduler.fetch("SELECT COUNT(*) FROM outbox")[0][0]

    async def is_heard() -> bool:
        accepted = scheduler.fetch("SELECT id FROM attempt WHERE state = 'accepted'")
        judged = store.fetch("SELECT attempt_id FROM version WHERE passed_qc")
        made = store.fetch("SELECT attempt_id FROM version")
        return {row[0] for row in accepted} & {row[0] for row in made} == {row[0] for row in judged}

    await until(is_told)
    await until(is_heard)


_REFERENCE: list[History] = []


@pytest.fixture
def make_reference(tmp_path: Path) -> Callable[[], Awaitable[History]]:
    """The history of the same job on SQLite, over HTTP, with nobody disturbing it."""

    async def make() -> History:
        if not _REFERENCE:
            databases = {service: f"sqlite:///{tmp_path}/reference_{service}.db" for service in SERVICES}
            async with run_cluster(Site(databases), tmp_path / "reference") as cluster:
                async with SchedulerClient(cluster.url("scheduler"), None) as client:
                    job = await until_over(client, await submit(client))
                assert (job.state.value, job.counts.failed) == ("failed", 1)
                scheduler, store = Inspector(databases["scheduler"]), Inspector(databases["product_store"])
                _REFERENCE.append(read_history(scheduler, store))
                scheduler.close()
                store.close()
        return _REFERENCE[0]

    return make
