"""From a log call in one process to the log service in another, with each of them killed on the way."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from eas.client.log_service import LogClient
from eas.contracts.errors import UnavailableError
from eas.contracts.logs import MAX_PAGE, Completeness, LogQuery, LogScope, StoredRecord
from eas.journal.journal import Journal, list_segments
from eas.journal.shipper import Shipper
from eas_logging.main import create_app
from eas_logging.settings import LoggingSettings
from tests.integration.log_service.conftest import MakeDatabase
from tests.integration.log_service.service_process import LogServiceProcess
from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]

# It is about spools and shippers; the database is behind the log service.
pytestmark = pytest.mark.sqlite_only

WRITER = """
import logging, sys
from pathlib import Path
from eas.journal.handler import JournalHandler
from eas.journal.journal import SpoolBound
handler = JournalHandler(Path(sys.argv[1]), "writer", bound=SpoolBound(BOUND))
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.INFO)
handler.set_attempt(int(sys.argv[2]), task_id=1, job_id=1)
for number in range(int(sys.argv[3])):
    logging.info("line %d", number)
    if number % 50 == 49:
        print(number, flush=True)
"""

SHIPPER = """
import asyncio, sys
from pathlib import Path
from eas.client.log_service import LogClient
from eas.journal.shipper import Shipper
async def main():
    shipper = Shipper(Path(sys.argv[1]), LogClient(sys.argv[2], None), poll_seconds=0.01)
    await shipper.start()
    print("started", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
def service(tmp_path: Path, make_database: MakeDatabase) -> Iterator[LogServiceProcess]:
    found = LogServiceProcess(tmp_path, make_database("logging"))
    yield found
    found.kill()


@pytest.fixture
async def client(make_database: MakeDatabase) -> AsyncIterator[LogClient]:
    """A client of a service in this process, for tests in which nothing is killed."""
    app = create_app(LoggingSettings(database_url=make_database("logging")))
    async with (
        app.router.lifespan_context(app),
        LogClient("http://logs", None, transport=httpx.ASGITransport(app)) as found,
    ):
        yield found


def start_writer(spool: Path, attempt_id: int, lines: int, *, bound: str = "segment=20_000") -> subprocess.Popen[str]:
    script = WRITER.replace("BOUND", bound)
    command = [sys.executable, "-c", script, str(spool), str(attempt_id), str(lines)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def start_shipper(spool: Path, url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SHIPPER, str(spool), url], cwd=ROOT, stdout=subprocess.DEVNULL)


def line(sequence: int) -> bytes:
    return b'{"stream": "w", "sequence": %d, "time": "2026-03-01T00:00:00Z", "level": 20, "message": "x"}' % sequence


async def all_records(client: LogClient, query: LogQuery) -> list[StoredRecord]:
    found: list[StoredRecord] = []
    after: int | None = 0
    while after is not None:
        page = await client.list_records(query.model_copy(update={"after": after, "limit": MAX_PAGE}))
        found += page.items
        after = page.next_after
    return found


async def count(client: LogClient) -> int:
    try:
        return (await client.counts(LogScope())).total
    except UnavailableError:
        return -1


async def wait_for_more(client: LogClient, than: int) -> int:
    async with asyncio.timeout(PATIENCE_S):
        while (found := await count(client)) <= than:  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.01)
    return found


async def test_an_outage_loses_nothing_and_repeats_nothing(service: LogServiceProcess, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    lines = 20_000
    writers = [start_writer(spool, attempt, lines) for attempt in (1, 2)]
    async with LogClient(service.url, None) as client:
        shipper = Shipper(spool, client, poll_seconds=0.01)
        await shipper.start()
        stored = 0
        for _ in range(4):
            service.start()
            await service.ready()
            stored = await wait_for_more(client, stored)
            service.kill()
        for writer in writers:
            writer.communicate()
            assert writer.returncode == 0
        service.start()
        await service.ready()
        assert await shipper.drain(60)
        await shipper.stop()
        for attempt in (1, 2):
            found = await all_records(client, LogQuery(attempt_id=attempt))
            assert [record.sequence for record in found] == list(range(lines))
            assert [record.message for record in found] == [f"line {number}" for number in range(lines)]
        assert await count(client) == 2 * lines
    assert list_segments(spool) == []


async def test_a_killed_shipper_is_taken_over_without_loss_or_repetition(
    service: LogServiceProcess, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    lines = 20_000
    service.start()
    await service.ready()
    writer = start_writer(spool, 1, lines)
    async with LogClient(service.url, None) as client:
        stored = 0
        for _ in range(4):
            with start_shipper(spool, service.url) as process:
                stored = await wait_for_more(client, stored) if stored < lines else stored
                process.kill()
        writer.communicate()
        shipper = Shipper(spool, client)
        assert await shipper.drain(60)
        await shipper.stop()
        found = await all_records(client, LogQuery(attempt_id=1))
        assert [record.sequence for record in found] == list(range(lines))
    assert list_segments(spool) == []


async def test_a_killed_writer_loses_no_line_that_it_had_written(client: LogClient, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    writer = start_writer(spool, 1, 10_000_000)
    assert writer.stdout is not None
    said = [writer.stdout.readline() for _ in range(20)]
    os.kill(writer.pid, signal.SIGKILL)
    said += writer.communicate()[0].splitlines()
    reached = max(int(number) for number in said)
    shipper = Shipper(spool, client)
    assert await shipper.drain(60)
    await shipper.stop()
    found = await all_records(client, LogQuery(attempt_id=1))
    assert [record.sequence for record in found] == list(range(len(found)))
    assert len(found) > reached
    assert list_segments(spool) == []


async def test_an_outage_and_the_death_of_a_whole_worker_cost_no_line(
    service: LogServiceProcess, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    dying = start_writer(spool, 1, 10_000_000)
    with start_shipper(spool, service.url) as shipping:
        assert dying.stdout is not None
        said = [dying.stdout.readline() for _ in range(400)]
        ended = start_writer(spool, 2, 5_000)
        ended.communicate()
        os.kill(dying.pid, signal.SIGKILL)
        shipping.kill()
    said += dying.communicate()[0].splitlines()
    reached = max(int(number) for number in said)
    service.start()
    await service.ready()
    async with LogClient(service.url, None) as client:
        shipper = Shipper(spool, client)
        assert await shipper.drain(60)
        await shipper.stop()
        killed, whole = await client.completeness(1), await client.completeness(2)
        assert killed.stored > reached
        assert (killed.state, killed.emitted, killed.missing) == (Completeness.COMPLETE, killed.stored, 0)
        assert (whole.state, whole.emitted, whole.stored) == (Completeness.COMPLETE, 5_000, 5_000)
    assert list_segments(spool) == []


async def test_refused_records_are_set_aside_and_do_not_hold_up_the_rest(client: LogClient, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    damaged = Journal(spool, "damaged")
    bad = [b'{"message": "no stream"}', b"\0\0\0\0", b'{"message": "torn', b'{"a": 1}, {"b": 2}']
    for number in range(40):
        damaged.append(line(number))
        if number % 10 == 5:
            damaged.append(bad[number // 10])
    shipper = Shipper(spool, client)
    assert await shipper.drain(60)
    await shipper.stop()
    assert [found.sequence for found in await all_records(client, LogQuery())] == list(range(40))
    assert (spool / "rejected").read_bytes().splitlines() == bad


async def test_drain_gives_up_in_time_and_leaves_everything_for_later(client: LogClient, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    Journal(spool, "writer").append(line(0))
    async with LogClient("http://127.0.0.1:9", None) as nobody:
        shipper = Shipper(spool, nobody)
        await shipper.start()
        assert not await shipper.drain(0.5)
        await shipper.stop()
    shipper = Shipper(spool, client)
    assert await shipper.drain(60)
    await shipper.stop()
    assert await count(client) == 1


async def test_wake_ships_at_once(client: LogClient, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    shipper = Shipper(spool, client, poll_seconds=3600)
    await shipper.start()
    journal = Journal(spool, "writer")
    for number in range(3):
        journal.append(line(number))
        shipper.wake()
        assert await wait_for_more(client, number) == number + 1
    await shipper.stop()


async def test_a_full_spool_leaves_a_gap_that_the_service_shows(client: LogClient, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    writer = start_writer(spool, 1, 100, bound="total=3000, segment=500, measure_every=0")
    writer.communicate()
    assert writer.returncode == 0
    shipper = Shipper(spool, client)
    assert await shipper.drain(60)
    await shipper.stop()
    *lines, notice = await all_records(client, LogQuery(attempt_id=1))
    assert 0 < len(lines) < 100
    assert notice.message == f"{100 - len(lines)} records dropped: the spool or its disk is full"
    assert notice.sequence == 100
    found = await client.completeness(1)
    assert (found.state, found.emitted, found.missing) == (Completeness.INCOMPLETE, 101, 100 - len(lines))
    assert sum(gap.last - gap.first + 1 for gap in found.streams[0].missing_ranges) == found.missing
    assert notice.level == 30
