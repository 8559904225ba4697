"""Whether all that was emitted is stored, as far as the writers have said."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from eas.client.log_service import LogClient
from eas.contracts.logs import Completeness, LogBatch, LogQuery, StreamEnding
from eas_logging.main import create_app
from eas_logging.settings import LoggingSettings
from tests.integration.log_service.conftest import MakeDatabase, MakeRecord

pytestmark = pytest.mark.sqlite_only

PAGE = Path(__file__).parents[3] / "docs" / "logs.md"


def ending(emitted: int, stream: str = "worker-1:5:a") -> StreamEnding:
    return StreamEnding(attempt_id=1, stream=stream, emitted=emitted)


async def test_an_attempt_of_which_nothing_was_said_is_unknown(logs: LogClient) -> None:
    found = await logs.completeness(1)
    assert (found.state, found.emitted, found.stored, found.streams) == (Completeness.UNKNOWN, None, 0, [])


async def test_it_is_unknown_until_the_writer_has_ended_and_then_complete(
    logs: LogClient, make_record: MakeRecord
) -> None:
    await logs.ingest(LogBatch(records=[make_record(0), make_record(1)]))
    found = await logs.completeness(1)
    assert (found.state, found.emitted, found.stored) == (Completeness.UNKNOWN, None, 2)
    await logs.ingest(LogBatch(records=[], endings=[ending(2)]))
    found = await logs.completeness(1)
    assert (found.state, found.emitted, found.stored, found.missing) == (Completeness.COMPLETE, 2, 2, 0)


async def test_gaps_are_named_whether_the_end_is_known_or_not(logs: LogClient, make_record: MakeRecord) -> None:
    await logs.ingest(LogBatch(records=[make_record(number) for number in (1, 2, 5)]))
    found = await logs.completeness(1)
    assert (found.state, found.missing) == (Completeness.INCOMPLETE, 3)
    await logs.ingest(LogBatch(records=[], endings=[ending(8)]))
    found = await logs.completeness(1)
    assert (found.state, found.emitted, found.missing) == (Completeness.INCOMPLETE, 8, 5)
    assert [(gap.first, gap.last) for gap in found.streams[0].missing_ranges] == [(0, 0), (3, 4), (6, 7)]


async def test_all_writers_of_an_attempt_count_and_late_words_do_not_lower_what_was_said(
    logs: LogClient, make_record: MakeRecord
) -> None:
    records = [make_record(0), make_record(0, stream="worker-2:9:b"), make_record(1, stream="worker-2:9:b")]
    await logs.ingest(
        LogBatch(records=records, endings=[ending(1), ending(2, "worker-2:9:b"), ending(1, "worker-2:9:b")])
    )
    found = await logs.completeness(1)
    assert (found.state, found.emitted, found.stored) == (Completeness.COMPLETE, 3, 3)
    assert [(stream.stream, stream.emitted) for stream in found.streams] == [("worker-1:5:a", 1), ("worker-2:9:b", 2)]
    await logs.ingest(LogBatch(records=[], endings=[ending(3)]))
    assert (await logs.completeness(1)).state is Completeness.INCOMPLETE


@pytest.fixture
def address(make_database: MakeDatabase) -> Iterator[str]:
    """Where the service answers on a port of its own."""
    app: FastAPI = create_app(LoggingSettings(database_url=make_database("logging")))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    ready = threading.Event()
    port: list[int] = []

    async def serve() -> None:
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - the server sets no event
            await asyncio.sleep(0.01)
        port.append(server.servers[0].sockets[0].getsockname()[1])
        ready.set()
        await task

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(120)
    yield f"http://127.0.0.1:{port[0]}"
    server.should_exit = True
    thread.join()


async def test_the_recipe_for_shell_scripts_works(address: str) -> None:
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    recipe = PAGE.read_text().split("```sh\n")[1].split("```")[0]
    script = recipe.replace("$EAS_URL/logs", address).replace("$EAS_TOKEN", "any")
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    async with LogClient(address, None) as client:
        found = (await client.list_records(LogQuery(attempt_id=4711))).items
        assert [record.message for record in found] == ["begun", 'done in "3" s']
        assert (await client.completeness(4711)).state is Completeness.COMPLETE
