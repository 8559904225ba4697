"""Log records on their way through a real broker, with broker and log service killed on the way."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from eas.amqp.connection import BrokerConnection
from eas.amqp.fallback_publisher import FallbackPublisher
from eas.amqp.inspection import QueueInspector
from eas.amqp.publisher import QueuePublisher
from eas.amqp.settings import BrokerSettings
from eas.amqp.topology import QueueType, Topology
from eas.client.log_service import LogClient
from eas.contracts.errors import UnavailableError
from eas.contracts.logs import MAX_PAGE, LogQuery, LogScope
from eas.journal.journal import list_segments
from eas.journal.shipper import Shipper
from eas_logging.main import create_app
from eas_logging.settings import LoggingSettings
from eas_worker.factory import open_worker
from eas_worker.settings import WorkerSettings
from eas_worker.storage.broker_log_sink import BrokerLineSink
from tests.integration.log_service.service_process import LogServiceProcess
from tests.support.patience import PATIENCE_S
from tests.support.private_server import open_server
from tests.support.rabbitmq import RabbitmqServer

ROOT = Path(__file__).parents[3]

WRITER = """
import logging, sys
from pathlib import Path
from eas.journal.handler import JournalHandler
handler = JournalHandler(Path(sys.argv[1]), "writer")
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.INFO)
handler.set_attempt(int(sys.argv[2]), task_id=1, job_id=1)
for number in range(int(sys.argv[3])):
    logging.info("line %d", number)
"""


class Http:
    """The way over HTTP, counted, and to be opened and closed."""

    def __init__(self, client: LogClient, *, is_open: bool) -> None:
        self._client = client
        self.is_open = is_open
        self.lines = 0

    async def ingest_lines(self, lines: Sequence[bytes]) -> None:
        if not self.is_open:
            raise UnavailableError("closed")
        await self._client.ingest_lines(lines)
        self.lines += len(lines)


class Operator:
    """Publishes and looks at queues."""

    def __init__(self, url: str, queue_type: QueueType = QueueType.CLASSIC) -> None:
        settings = BrokerSettings(
            url=SecretStr(url),
            timeout_s=PATIENCE_S,
            confirm_timeout_s=PATIENCE_S,
            first_pause_s=0.05,
            longest_pause_s=0.5,
        )
        self.topology = Topology(queue_type=queue_type)
        self.queue = self.topology.queue("logs")
        self.connection = BrokerConnection(settings, name="test")
        self.publisher = QueuePublisher(self.connection, self.topology)
        self.queues = QueueInspector(self.connection, self.topology)

    def fallback(self) -> FallbackPublisher:
        return FallbackPublisher(self.connection, self.publisher, self.queue, first_rest_s=0)

    async def wait_for_length(self, queue: str, length: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self.queues.length(queue) != length:  # noqa: ASYNC110 - others empty it
                await asyncio.sleep(0.05)


@asynccontextmanager
async def operate(url: str, queue_type: QueueType = QueueType.CLASSIC) -> AsyncIterator[Operator]:
    operator = Operator(url, queue_type)
    await operator.connection.start()
    try:
        await operator.connection.wait_until_up()
        yield operator
    finally:
        await operator.connection.close()


@asynccontextmanager
async def serve(folder: Path, url: str | None) -> AsyncIterator[LogClient]:
    """A log service in this process that takes batches by both doors."""
    broker = None if url is None else SecretStr(url)
    app = create_app(LoggingSettings(database_url=f"sqlite:///{folder}/logging.db", broker_url=broker))
    async with (
        app.router.lifespan_context(app),
        LogClient("http://logs", None, transport=httpx.ASGITransport(app)) as client,
    ):
        yield client


def write(spool: Path, attempt_id: int, lines: int) -> None:
    subprocess.run([sys.executable, "-c", WRITER, str(spool), str(attempt_id), str(lines)], cwd=ROOT, check=True)


async def ship(spool: Path, sink: BrokerLineSink) -> None:
    shipper = Shipper(spool, sink, poll_seconds=0.01)
    assert await shipper.drain(120)
    await shipper.stop()
    assert list_segments(spool) == []


async def wait_for(client: LogClient, total: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if (await client.counts(LogScope())).total >= total:
                    return
            except UnavailableError:
                pass
            await asyncio.sleep(0.05)


async def read(client: LogClient, attempt_id: int) -> list[str]:
    found: list[str] = []
    after: int | None = 0
    while after is not None:
        page = await client.list_records(LogQuery(attempt_id=attempt_id, after=after, limit=MAX_PAGE))
        found += [record.message for record in page.items]
        after = page.next_after
    return found


def emitted(lines: int) -> list[str]:
    return [f"line {number}" for number in range(lines)]


@pytest.fixture
def vhost(rabbitmq_server: RabbitmqServer) -> str:
    return rabbitmq_server.make_vhost()


@pytest.fixture(scope="module")
def own_server() -> Iterator[RabbitmqServer]:
    """A server that tests of this module may kill."""
    with open_server(RabbitmqServer) as found:
        yield found


async def test_what_a_worker_says_arrives_without_http(vhost: str, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    settings = WorkerSettings(
        scheduler_url=nowhere,
        product_store_url=nowhere,
        log_service_url=nowhere,
        work_directory=tmp_path / "work",
        worker_id="w1",
        broker_url=SecretStr(vhost),
        drain_seconds=30,
    )
    async with serve(tmp_path, vhost) as client, operate(vhost):
        async with open_worker(settings):
            logging.getLogger("tests").warning("said by %s", "w1")
        await wait_for(client, 1)
        assert "said by w1" in await read(client, 0)


async def test_lines_of_a_journal_arrive_in_order_and_once(vhost: str, tmp_path: Path) -> None:
    write(tmp_path / "spool", 1, 5000)
    async with serve(tmp_path, vhost) as client, operate(vhost) as operator:
        http = Http(client, is_open=False)
        await ship(tmp_path / "spool", BrokerLineSink(operator.fallback(), http))
        await wait_for(client, 5000)
        assert await read(client, 1) == emitted(5000)
        assert http.lines == 0
        assert (await client.completeness(1)).emitted == 5000


async def test_a_killed_broker_that_comes_back_without_its_queues_costs_no_line(
    own_server: RabbitmqServer, tmp_path: Path
) -> None:
    spool, url = tmp_path / "spool", own_server.url
    async with operate(url) as operator:
        publisher = operator.fallback()
        await publisher.start()
        async with serve(tmp_path, None) as client:
            http = Http(client, is_open=True)
            sink = BrokerLineSink(publisher, http)
            # Confirmed, and not stored: the log service does not listen to the broker yet.
            write(spool, 1, 3000)
            await ship(spool, sink)
            assert (http.lines, (await client.counts(LogScope())).total) == (0, 0)
            # The broker is killed: what it has taken with it goes over HTTP, as what comes now.
            own_server.kill()
            write(spool, 2, 3000)
            await ship(spool, sink)
            await wait_for(client, 6000)
            # It is there again, loses all that it knew, and is used again.
            own_server.start()
            own_server.reset()
            await operator.connection.wait_until_up()
            over_http = http.lines
            write(spool, 3, 3000)
            await ship(spool, sink)
            assert http.lines == over_http
        async with serve(tmp_path, url) as client:
            await wait_for(client, 9000)
            for attempt_id in (1, 2, 3):
                assert await read(client, attempt_id) == emitted(3000)
        await publisher.close()


async def test_what_is_no_batch_goes_to_the_dead_letters_while_the_next_is_taken(vhost: str, tmp_path: Path) -> None:
    write(tmp_path / "spool", 1, 10)
    bad = [b"hello", b'{"records":[{"sequence":0}]}', b"\x1f\x8b\x08"]
    async with serve(tmp_path, vhost) as client, operate(vhost) as operator:
        for body in bad:
            await operator.queues.publish(operator.queue, body)
        await ship(tmp_path / "spool", BrokerLineSink(operator.fallback(), Http(client, is_open=False)))
        await wait_for(client, 10)
        assert await read(client, 1) == emitted(10)
        dead = operator.topology.dead_letter_queue
        await operator.wait_for_length(dead, len(bad))
        assert sorted(await operator.queues.list_messages(dead, 10)) == sorted(bad)
        assert await operator.queues.length(operator.queue) == 0


@pytest.mark.parametrize("queue_type", QueueType)
async def test_a_log_service_killed_with_messages_in_hand_loses_and_repeats_nothing(
    queue_type: QueueType, vhost: str, tmp_path: Path
) -> None:
    spool, lines = tmp_path / "spool", 5_000
    database = f"sqlite:///{tmp_path}/logging.db"
    service = LogServiceProcess(tmp_path, database, broker_url=vhost, queue_type=queue_type.value)
    try:
        async with LogClient(service.url, None) as client, operate(vhost, queue_type) as operator:
            http = Http(client, is_open=False)
            for attempt_id in (1, 2, 3):
                write(spool, attempt_id, lines)
            await ship(spool, BrokerLineSink(operator.fallback(), http))
            stored = 0
            for _ in range(2):
                service.start()
                await wait_for(client, min(stored + 1, 3 * lines))
                service.kill()
                service.start()
                await service.ready()
                stored = (await client.counts(LogScope())).total
                service.kill()
            service.start()
            await wait_for(client, 3 * lines)
            await operator.wait_for_length(operator.queue, 0)
            for attempt_id in (1, 2, 3):
                assert await read(client, attempt_id) == emitted(lines)
            assert (await client.counts(LogScope())).total == 3 * lines
            assert http.lines == 0
    finally:
        service.kill()
