"""The ways of sending records: JSON, lines of JSON, packed; and being told to come again later."""

from __future__ import annotations

import asyncio
import gzip

import httpx
import pytest

from eas.client.log_service import LogClient
from eas.contracts.errors import BusyError
from eas.contracts.logs import MAX_BATCH_BYTES, LogBatch, LogScope
from eas_logging.main import create_app
from eas_logging.settings import LoggingSettings
from tests.integration.log_service.conftest import MakeDatabase, MakeRecord

pytestmark = pytest.mark.sqlite_only

LINES = {"Content-Type": "application/x-ndjson"}
PACKED = {"Content-Encoding": "gzip"}


async def test_lines_of_json_are_taken_with_empty_ones_among_them(
    http: httpx.AsyncClient, make_record: MakeRecord
) -> None:
    lines = b"\n\n".join(make_record(number).model_dump_json().encode() for number in range(3)) + b"\r\n"
    answer = await http.post("records", content=lines, headers=LINES)
    assert answer.json() == {"stored": 3, "repeated": 0, "refused": 0}


async def test_packed_bodies_of_both_forms_are_unpacked(http: httpx.AsyncClient, make_record: MakeRecord) -> None:
    batch = LogBatch(records=[make_record(0)]).model_dump_json().encode()
    answer = await http.post("records", content=gzip.compress(batch), headers=PACKED)
    assert answer.json() == {"stored": 1, "repeated": 0, "refused": 0}
    line = make_record(0).model_dump_json().encode()
    answer = await http.post("records", content=gzip.compress(line), headers={**LINES, **PACKED})
    assert answer.json() == {"stored": 0, "repeated": 1, "refused": 0}


@pytest.mark.parametrize(
    ("content", "headers", "status", "place"),
    [
        (gzip.compress(b" " * (20 * MAX_BATCH_BYTES), mtime=0), PACKED, 413, "body"),
        (b"not gzip", PACKED, 422, "body"),
        (gzip.compress(b'{"records":[]}', mtime=0)[:-9], PACKED, 422, "body"),
        (b"{}", {"Content-Encoding": "br"}, 415, "header.Content-Encoding"),
        (
            gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0),
            {"Content-Encoding": "gzip, gzip"},
            415,
            "header.Content-Encoding",
        ),
        (b'{"stream":"w","sequence":0', LINES, 400, None),
        (b'{"stream":"w"}', LINES, 422, "body.records[0].sequence"),
    ],
    ids=["bomb", "no gzip", "cut off", "brotli", "packed twice", "broken line", "incomplete line"],
)
async def test_bad_bodies_are_refused(
    http: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int, place: str | None
) -> None:
    answer = await http.post("records", content=content, headers=headers)
    assert (answer.status_code, answer.json()["where"]) == (status, place)


async def test_a_line_holds_one_record(logs: LogClient, http: httpx.AsyncClient, make_record: MakeRecord) -> None:
    line = make_record(0).model_dump_json().encode()
    answer = await http.post("records", content=line + b"," + line, headers=LINES)
    assert (answer.status_code, answer.json()["where"]) == (422, "body")
    assert (await logs.counts(LogScope())).total == 0


async def test_too_much_at_once_is_told_to_come_later_and_loses_nothing(
    make_database: MakeDatabase, make_record: MakeRecord
) -> None:
    settings = LoggingSettings(database_url=make_database("logging"), max_waiting=1000)
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        LogClient("http://logs", None, transport=httpx.ASGITransport(app)) as logs,
    ):
        batches = [LogBatch(records=[make_record(part * 600 + n) for n in range(600)]) for part in range(8)]
        answers = await asyncio.gather(*(logs.ingest(batch) for batch in batches), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, BaseException)]
        assert refused
        assert all(isinstance(answer, BusyError) for answer in refused)
        assert (await logs.counts(LogScope())).total == 600 * (8 - len(refused))
        for batch in batches:
            await logs.ingest(batch)
        assert (await logs.counts(LogScope())).total == 600 * 8


async def test_the_answer_says_when_to_come_again(make_database: MakeDatabase, make_record: MakeRecord) -> None:
    app = create_app(LoggingSettings(database_url=make_database("logging"), max_waiting=1))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(base_url="http://logs", transport=httpx.ASGITransport(app)) as http,
    ):
        body = LogBatch(records=[make_record(number) for number in range(500)]).model_dump_json()
        answers = await asyncio.gather(*(http.post("records", content=body) for _ in range(4)))
    busy = [answer for answer in answers if answer.status_code == 429]
    assert busy
    assert busy[0].headers["Retry-After"] == "1"
    assert busy[0].json()["slug"] == "busy"
