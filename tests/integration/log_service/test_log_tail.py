"""Following records as they arrive, going on after a break, and being told what was skipped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from eas.client.log_service import LogClient
from eas.contracts.errors import InvalidInputError
from eas.contracts.logs import LogBatch, LogQuery, LogRecord, SkippedRecords, StoredRecord
from eas.database.committer import Database
from eas.database.migrations import upgrade_schema
from eas_logging.logic.arrivals import Arrivals
from eas_logging.logic.indexing import TextIndexing
from eas_logging.logic.tail import Tail
from eas_logging.runtime import MIGRATIONS, LoggingRuntime
from eas_logging.settings import LoggingSettings
from eas_logging.storage.records import RecordCatalog
from eas_logging.storage.text_indexes import make_text_index
from tests.integration.log_service.conftest import MakeDatabase, MakeRecord
from tests.integration.log_service.service_process import LogServiceProcess
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.sqlite_only

Found = StoredRecord | SkippedRecords


@pytest.fixture
async def factory(make_database: MakeDatabase) -> AsyncIterator[LoggingRuntime]:
    found = LoggingRuntime(
        LoggingSettings(database_url=make_database("logging"), tail_behind=2500, tail_heartbeat_seconds=30)
    )
    found.prepare()
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def remote(tmp_path: Path, make_database: MakeDatabase) -> AsyncIterator[LogClient]:
    service = LogServiceProcess(tmp_path, make_database("logging"))
    service.start()
    try:
        await service.ready()
        async with LogClient(service.url, None) as client:
            yield client
    finally:
        service.kill()


async def take(stream: AsyncGenerator[Found, None], count: int) -> list[Found]:
    async with asyncio.timeout(PATIENCE_S):
        return [await anext(stream) for _ in range(count)]


def messages(found: list[Found]) -> list[str]:
    return [record.message for record in found if isinstance(record, StoredRecord)]


async def test_new_records_of_a_query_come_as_they_arrive_and_go_on_after_a_break(
    remote: LogClient, make_record: MakeRecord
) -> None:
    await remote.ingest(LogBatch(records=[make_record(0, message="early")]))
    async with aclosing(remote.follow(LogQuery(attempt_id=1, min_level=30), after=0)) as stream:
        coming = asyncio.ensure_future(take(stream, 2))
        for number in range(1, 4):
            await remote.ingest(
                LogBatch(records=[make_record(number, level=30), make_record(number, attempt_id=2, level=30)])
            )
        first = await coming
    assert messages(first) == ["message 1", "message 2"]
    last = first[-1]
    assert isinstance(last, StoredRecord)
    async with aclosing(remote.follow(LogQuery(attempt_id=1, min_level=30), after=last.record_id)) as stream:
        assert messages(await take(stream, 1)) == ["message 3"]


@pytest.mark.parametrize("query", [LogQuery(text="second"), LogQuery(field=["a=2"]), LogQuery(job_id=1)])
async def test_only_new_records_come_unless_one_says_where_to_begin(
    remote: LogClient, make_record: MakeRecord, query: LogQuery
) -> None:
    await remote.ingest(LogBatch(records=[make_record(0, message="a second", fields={"a": 2})]))
    stop = asyncio.Event()

    async def send() -> None:
        number = 1
        while not stop.is_set():
            await remote.ingest(LogBatch(records=[make_record(number, message="the second", fields={"a": 2})]))
            number += 1

    sending = asyncio.create_task(send())
    async with aclosing(remote.follow(query)) as stream:
        found = await take(stream, 3)
    stop.set()
    await sending
    assert messages(found) == ["the second"] * 3
    numbers = [record.sequence for record in found if isinstance(record, StoredRecord)]
    assert numbers == list(range(numbers[0], numbers[0] + 3))


@pytest.mark.every_database
@pytest.mark.parametrize("query", [{"job_id": 1}, {"text": "message"}, {"job_id": 1, "min_level": 20}])
async def test_a_reader_that_is_too_slow_is_told_what_it_missed(
    factory: LoggingRuntime, make_record: MakeRecord, query: dict[str, Any]
) -> None:
    tail, count = factory.tail, 6000
    with tail.follow(LogQuery(**query), 0) as reader:
        for start in range(0, count, 2000):
            ours = [make_record(number) for number in range(start, start + 1000)]
            others = [
                make_record(number, job_id=2, attempt_id=2, message="other") for number in range(start, start + 1000)
            ]
            await factory.ingestion.ingest(LogBatch(records=ours + others))
        found: list[Found] = []
        while len(found) < 1001:
            got = await reader.next()
            found += [got] if isinstance(got, SkippedRecords) else got
    skipped, records = found[0], found[1:]
    assert isinstance(skipped, SkippedRecords)
    assert (skipped.skipped, skipped.after) == (2000, 0)
    assert [record.sequence for record in records if isinstance(record, StoredRecord)] == list(range(4000, 5000))


class LateRecords(RecordCatalog):
    """Has a record arrive whenever the index has just been brought up to date, until there are no more."""

    def __init__(self, database: Database, arrivals: Arrivals, late: list[LogRecord]) -> None:
        super().__init__(database, make_text_index(database.url))
        self._arrivals = arrivals
        self._late = late

    async def index_some(self, most: int) -> int:
        indexed = await super().index_some(most)
        if self._late:
            await self.add([self._late.pop(0)])
            self._arrivals.announce()
        return indexed


async def test_what_arrives_between_indexing_and_looking_is_not_passed_over(
    make_database: MakeDatabase, make_record: MakeRecord
) -> None:
    url = make_database("logging")
    upgrade_schema(url, MIGRATIONS)
    database = Database(url)
    await database.start()
    arrivals = Arrivals()
    records = LateRecords(database, arrivals, [make_record(number) for number in range(1, 4)])
    await records.add([make_record(0)])
    tail = Tail(records, arrivals, TextIndexing(records, arrivals), max_behind=1000, heartbeat=30)
    found: list[Found] = []
    with tail.follow(LogQuery(text="message"), 0) as reader:
        while len(found) < 4:
            got = await reader.next()
            assert isinstance(got, list)
            assert got, "nothing came any more"
            found += got
    await database.stop()
    assert messages(found) == [f"message {number}" for number in range(4)]


async def test_a_reader_whose_own_records_are_few_misses_none_however_many_others_there_are(
    factory: LoggingRuntime, make_record: MakeRecord
) -> None:
    await factory.ingestion.ingest(LogBatch(records=[make_record(0)]))
    await factory.ingestion.ingest(LogBatch(records=[make_record(number, attempt_id=2) for number in range(4000)]))
    with factory.tail.follow(LogQuery(attempt_id=1), 0) as reader:
        (found,) = await reader.next()
        assert isinstance(found, StoredRecord)
        assert found.attempt_id == 1


async def test_a_quiet_stream_gives_signs_of_life(make_database: MakeDatabase) -> None:
    settings = LoggingSettings(database_url=make_database("logging"), tail_heartbeat_seconds=0.05)
    factory = LoggingRuntime(settings)
    factory.prepare()
    await factory.start()
    with factory.tail.follow(LogQuery(), 0) as reader:
        assert await reader.next() == []
    await factory.stop()


async def test_a_stream_that_cannot_be_is_refused(remote: LogClient) -> None:
    with pytest.raises(InvalidInputError):
        await anext(remote.follow(LogQuery(text="!")))
    async with httpx.AsyncClient(base_url=remote.url, timeout=PATIENCE_S) as http:
        answer = await http.get("records/follow", headers={"Last-Event-ID": "x"})
        assert (answer.status_code, answer.json()["where"]) == (422, "header.Last-Event-ID")
        assert httpx.codes.is_client_error((await http.get("records/follow?after=-1")).status_code)
