"""The log service over HTTP: ingestion, idempotence, queries, counts, errors, tokens, documentation."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from eas.client.log_service import LogClient
from eas.contracts.errors import (
    ForbiddenError,
    InvalidInputError,
    InvalidJsonError,
    TooLargeError,
    UnauthenticatedError,
)
from eas.contracts.logs import (
    MAX_BATCH,
    MAX_BATCH_BYTES,
    MAX_MESSAGE_LENGTH,
    LogBatch,
    LogQuery,
    LogRecord,
    LogScope,
    RecordOrder,
)
from eas.database.migrations import find_drift, upgrade_schema
from eas.http.auth import AccessScope, Principal, write_tokens_file
from eas_logging.main import create_app
from eas_logging.runtime import MIGRATIONS
from eas_logging.settings import LoggingSettings
from eas_logging.storage.text_indexes import list_metadata
from tests.integration.log_service.conftest import MakeDatabase

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def record(sequence: int, **fields: Any) -> LogRecord:
    standard = {
        "attempt_id": 1,
        "task_id": 1,
        "job_id": 1,
        "stream": "worker-1:5:a",
        "sequence": sequence,
        "time": NOON + timedelta(seconds=sequence),
        "level": 20,
        "message": f"message {sequence}",
    }
    return LogRecord(**{**standard, **fields})


async def ingest(logs: LogClient, *records: LogRecord) -> tuple[int, int]:
    answer = await logs.ingest(LogBatch(records=list(records)))
    return answer.stored, answer.repeated


async def messages(logs: LogClient, **query: Any) -> list[str]:
    return [item.message for item in (await logs.list_records(LogQuery(**query))).items]


async def test_a_record_comes_back_as_it_was_sent(logs: LogClient, database_kind: str) -> None:
    sent = record(
        0,
        time=datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC),
        template="value %d of %s",
        arguments=[3, "x", None, {"a": [1.5]}],
        traceback="Traceback …",
        logger="tls",
        host="node07",
        process_id=77,
        message="naïve \0 ✓ 𝛱",
    )
    assert await ingest(logs, sent) == (1, 0)
    (found,) = (await logs.list_records(LogQuery(attempt_id=1))).items
    kept = {"message": sent.message.replace("\0", "\ufffd")} if database_kind == "postgresql" else {}
    assert found.model_dump(exclude={"record_id"}) == {**sent.model_dump(), **kept}


async def test_a_repeated_batch_changes_nothing(logs: LogClient) -> None:
    batch = [record(number) for number in range(10)]
    assert await ingest(logs, *batch[:6]) == (6, 0)
    assert await ingest(logs, *batch) == (4, 6)
    assert await ingest(logs, *batch, *batch) == (0, 20)
    assert await ingest(logs, record(3, message="another")) == (0, 1)
    assert await messages(logs) == [f"message {number}" for number in range(10)]


async def test_the_same_number_from_another_stream_or_attempt_is_another_record(logs: LogClient) -> None:
    assert await ingest(logs, record(0), record(0, stream="worker-1:6:b"), record(0, attempt_id=2)) == (3, 0)


async def test_batches_that_arrive_together_are_stored_once(logs: LogClient) -> None:
    batch = [record(number) for number in range(50)]
    answers = await asyncio.gather(*(ingest(logs, *batch) for _ in range(8)))
    assert sum(stored for stored, _ in answers) == 50
    assert len(await messages(logs)) == 50


async def test_a_long_batch_that_is_there_in_part_adds_the_rest(logs: LogClient) -> None:
    batch = [record(number, arguments=[number], fields={"n": number}) for number in range(1037)]
    assert await ingest(logs, *batch[100:700]) == (600, 0)
    assert await ingest(logs, *batch, *batch[:3]) == (437, 603)
    found = (await logs.list_records(LogQuery(limit=5000))).items
    assert [(item.sequence, item.arguments, item.fields) for item in found] == [
        (number, [number], {"n": number}) for number in range(1037)
    ]


async def test_an_empty_batch_is_fine(logs: LogClient) -> None:
    assert await ingest(logs) == (0, 0)


async def test_over_long_texts_are_cut_and_kept(logs: LogClient) -> None:
    assert await ingest(logs, record(0, message="x" * 200_000)) == (1, 0)
    (found,) = await messages(logs)
    assert len(found) <= MAX_MESSAGE_LENGTH
    assert "characters cut" in found


@pytest.fixture
async def filled(logs: LogClient) -> LogClient:
    """Two jobs; each two tasks; each two attempts; each a record of every level, one a minute."""
    records = []
    for attempt in range(8):
        for position, level in enumerate((10, 20, 30, 40, 50)):
            number = attempt * 5 + position
            records.append(
                record(
                    position,
                    attempt_id=attempt + 1,
                    task_id=attempt // 2 + 1,
                    job_id=attempt // 4 + 1,
                    stream=f"worker-{attempt % 2}",
                    time=NOON + timedelta(minutes=number),
                    level=level,
                    message=f"{number}",
                )
            )
    records.reverse()  # what arrives last may have been made first
    await ingest(logs, *records)
    return logs


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"attempt_id": 3}, range(10, 15)),
        ({"task_id": 2}, range(10, 20)),
        ({"job_id": 2}, range(20, 40)),
        ({"job_id": 1, "task_id": 2, "attempt_id": 4}, range(15, 20)),
        ({"job_id": 2, "task_id": 1}, []),
        ({"attempt_id": 99}, []),
        ({"min_level": 50}, [4, 9, 14, 19, 24, 29, 34, 39]),
        ({"job_id": 1, "min_level": "error"}, [3, 4, 8, 9, 13, 14, 18, 19]),
        ({"job_id": 1, "since": NOON + timedelta(minutes=18)}, [18, 19]),
        ({"until": NOON + timedelta(minutes=2)}, [0, 1]),
        ({"since": NOON + timedelta(minutes=4), "until": NOON + timedelta(minutes=6), "job_id": 1}, [4, 5]),
        ({"stream": "worker-1", "job_id": 1, "min_level": 50}, [9, 19]),
        ({"stream": "nobody"}, []),
        ({"limit": 3}, [0, 1, 2]),
        ({"limit": 3, "order": "desc"}, [39, 38, 37]),
        ({"job_id": 1, "order": RecordOrder.DESCENDING, "min_level": 40, "limit": 3}, [19, 18, 14]),
    ],
)
async def test_queries(filled: LogClient, query: dict[str, Any], numbers: list[int]) -> None:
    assert await messages(filled, **query) == [str(number) for number in numbers]


@pytest.mark.parametrize("order", list(RecordOrder))
@pytest.mark.parametrize("limit", [1, 7, 10, 20, 40])
async def test_pages_follow_each_other_without_gap_or_repetition(
    logs: LogClient, order: RecordOrder, limit: int
) -> None:
    await ingest(logs, *(record(n, time=NOON + timedelta(seconds=n // 4), level=10 * (n % 3)) for n in range(40)))
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        page = await logs.list_records(LogQuery(job_id=1, order=order, limit=limit, after=after))
        assert page.items
        found += [item.sequence for item in page.items]
        after = page.next_after
    assert found == (list(range(40)) if order is RecordOrder.ASCENDING else list(range(39, -1, -1)))


async def test_a_page_after_nothing_is_refused(filled: LogClient) -> None:
    with pytest.raises(InvalidInputError, match="no record 999"):
        await filled.list_records(LogQuery(after=999))


async def test_counts_by_level(filled: LogClient) -> None:
    counts = await filled.counts(LogScope(job_id=1, task_id=1))
    assert (counts.levels, counts.total) == ({10: 2, 20: 2, 30: 2, 40: 2, 50: 2}, 10)
    assert (await filled.counts(LogScope())).total == 40
    assert (await filled.counts(LogScope(job_id=9))).levels == {}


@pytest.mark.parametrize(
    ("body", "error", "place"),
    [
        (b'{"records": [', InvalidJsonError, None),
        (b"\xff\xfe", InvalidJsonError, None),
        (b"[]", InvalidInputError, "body"),
        (b'{"records": [{"stream": "w"}]}', InvalidInputError, "body.records[0].sequence"),
        (b'{"records": [' + b",".join([b"1"] * (MAX_BATCH + 1)) + b"]}", InvalidInputError, "body.records"),
        (b" " * (MAX_BATCH_BYTES + 1), TooLargeError, "body"),
    ],
    ids=["broken", "bytes", "list", "incomplete", "many", "long"],
)
async def test_a_bad_batch_is_refused_with_its_place(
    logs: LogClient, http: httpx.AsyncClient, body: bytes, error: type[InvalidInputError], place: str | None
) -> None:
    response = await http.post("records", content=body)
    assert response.json()["slug"] == error.slug
    assert response.json()["where"] == place
    assert (await logs.counts(LogScope())).total == 0


async def test_one_bad_record_leaves_nothing_of_its_batch(logs: LogClient) -> None:
    good = record(0).model_dump_json().encode()
    with pytest.raises(InvalidInputError, match="Field required") as caught:
        await logs.ingest_lines([good, b'{"message": "no stream"}'])
    assert caught.value.where == "body.records[1].stream"
    assert (await logs.counts(LogScope())).total == 0


@pytest.mark.parametrize(
    "query",
    ["min_level=loud", "since=yesterday", "since=2026-03-01T12:00:00", "limit=0", "job=1", "order=up", "after=-1"],
)
async def test_a_bad_query_is_refused_with_its_place(http: httpx.AsyncClient, query: str) -> None:
    response = await http.get(f"records?{query}")
    assert response.status_code == 422
    assert response.json()["where"] == f"query.{query.partition('=')[0]}"


async def test_writing_and_reading_need_their_scopes(tmp_path: Path, make_database: MakeDatabase) -> None:
    tokens = tmp_path / "tokens.json"
    write_tokens_file(
        tokens,
        {
            "w": Principal("worker", frozenset({AccessScope.WORK})),
            "r": Principal("ada", frozenset({AccessScope.READ})),
        },
    )
    served = create_app(LoggingSettings(database_url=make_database("logging"), tokens_file=tokens))
    async with served.router.lifespan_context(served):
        transport = httpx.ASGITransport(served)
        worker, reader, nobody = (LogClient("http://logs", token, transport=transport) for token in ("w", "r", None))
        assert await ingest(worker, record(0)) == (1, 0)
        assert await messages(reader) == ["message 0"]
        with pytest.raises(ForbiddenError, match="work"):
            await ingest(reader, record(1))
        with pytest.raises(ForbiddenError, match="read"):
            await messages(worker)
        with pytest.raises(UnauthenticatedError):
            await nobody.counts(LogScope())


@pytest.mark.parametrize("prefix", ["", "/logs"])
async def test_the_documentation_is_complete_alone_and_mounted(served: FastAPI, prefix: str) -> None:
    root = FastAPI()
    root.mount("/logs", served)
    transport = httpx.ASGITransport(root if prefix else served)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://x{prefix}/") as http:
        document = (await http.get("openapi.json")).json()
        assert f"{prefix}/openapi.json" in (await http.get("docs")).text
        assert (await http.get("health/ready")).json()["service"] == "logging"
    operations = [(path, found) for path, methods in document["paths"].items() for found in methods.values()]
    for path, operation in operations:
        assert operation["summary"], path
        assert operation["operationId"], path
        for parameter in operation.get("parameters", ()):
            described = {**parameter, **parameter["schema"]}
            assert "examples" in described or "default" in described or "description" in described, parameter
    example = document["paths"]["/records"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert LogBatch.model_validate(example).records[0].arguments == [3.8491, 12]


def test_the_migrations_make_the_tables_of_the_row_classes(make_database: MakeDatabase) -> None:
    url = make_database("fresh")
    upgrade_schema(url, MIGRATIONS)
    assert find_drift(url, list_metadata(url)) == []
    upgrade_schema(url, MIGRATIONS)


async def test_records_outlive_the_service(make_database: MakeDatabase) -> None:
    for expected in ((1, 0), (0, 1)):
        served = create_app(LoggingSettings(database_url=make_database("logging")))
        async with served.router.lifespan_context(served):
            logs = LogClient("http://logs", None, transport=httpx.ASGITransport(served))
            assert await ingest(logs, record(0)) == expected
