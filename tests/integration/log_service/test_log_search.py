"""Finding records by words, host and typed fields; counting by task; exporting."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest

from eas.client.log_service import LogClient
from eas.contracts.errors import InvalidInputError
from eas.contracts.logs import ExportForm, LogBatch, LogQuery, RecordOrder
from tests.integration.log_service.conftest import NOON, MakeRecord


@pytest.fixture
async def found_planets(logs: LogClient, make_record: MakeRecord) -> LogClient:
    """Six records of two jobs, three attempts and two hosts."""
    await logs.ingest(
        LogBatch(
            records=[
                make_record(0, message="Période trouvée: 3.85 d, twelve transits", host="node-07.cluster", level=10),
                make_record(
                    1, message="no transit found", host="node-08.cluster", fields={"period": 3.5, "star": "A b"}
                ),
                make_record(0, attempt_id=2, message="transit search of a star", fields={"period": 12, "ok": True}),
                make_record(1, attempt_id=2, level=40, message="failed", traceback="… ValueError: bad flux_error"),
                make_record(
                    0, attempt_id=3, job_id=2, message="found a transit", fields={"period": "3.5", "ok": False}
                ),
                make_record(1, attempt_id=3, job_id=2, message='100% "done" \0 here', level=35, time=NOON),
            ]
        )
    )
    return logs


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"text": "transit"}, [2, 3, 5]),
        ({"text": "TRANSIT found"}, [2, 5]),
        ({"text": '"found a transit"'}, [5]),
        ({"text": "transit*"}, [1, 2, 3, 5]),
        ({"text": "periode"}, [1]),
        ({"text": "valueerror"}, [4]),
        ({"text": "flux_error"}, [4]),
        ({"text": "flux error"}, [4]),
        ({"text": 'done" OR (100%'}, []),
        ({"text": '100% "done"'}, [6]),
        ({"text": "message"}, []),
        ({"text": "j1"}, []),
        ({"text": "transit", "job_id": 2}, [5]),
        ({"text": "transit", "attempt_id": 2}, [3]),
        ({"text": "transit", "attempt_id": 2, "job_id": 2}, []),
        ({"text": "found", "order": "desc"}, [5, 2]),
        ({"text": "found", "order": "desc", "limit": 1}, [5]),
        ({"text": "found", "after": 2}, [5]),
        ({"text": "transit*", "min_level": 20}, [2, 3, 5]),
        ({"text": "transit*", "min_level": 90}, []),
        ({"text": "transit*", "until": NOON + timedelta(seconds=1)}, [1, 3, 5]),
        ({"host": "node-07.cluster"}, [1]),
        ({"host": "node-0"}, []),
        ({"host": "node-08.cluster", "text": "found", "job_id": 1}, [2]),
        ({"host": "", "min_level": 35}, [4, 6]),
        ({"field": ["period>3"]}, [3, 2]),
        ({"field": ["period>=3.5", "period < 12"]}, [2]),
        ({"field": ['period="3.5"']}, [5]),
        ({"field": ["period!=3.5"]}, [3]),
        ({"field": ["star=A b"]}, [2]),
        ({"field": ["ok=true"]}, [3]),
        ({"field": ["ok!=true"]}, [5]),
        ({"field": ["nothing=1"]}, []),
        ({"field": ["period>3"], "text": "search"}, [3]),
    ],
)
async def test_searches(found_planets: LogClient, query: dict[str, Any], numbers: list[int]) -> None:
    page = await found_planets.list_records(LogQuery(**query))
    assert [item.record_id for item in page.items] == numbers


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ({"text": "*** —"}, "query.text"),
        ({"text": ""}, "query.text"),
        ({"field": ["period"]}, "query.field"),
        ({"field": ["ok>true"]}, "query.field"),
        ({"field": ['a"b=1']}, "query.field"),
    ],
)
async def test_what_cannot_be_searched_for_is_refused(
    found_planets: LogClient, query: dict[str, Any], place: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await found_planets.list_records(LogQuery(**query))
    assert caught.value.where == place


async def test_a_record_can_be_found_as_soon_as_it_is_stored(logs: LogClient, make_record: MakeRecord) -> None:
    for number in range(5):
        await logs.ingest(LogBatch(records=[make_record(number, message=f"word{number} common")]))
        assert len((await logs.list_records(LogQuery(text="common"))).items) == number + 1


@pytest.mark.parametrize("order", list(RecordOrder))
async def test_pages_of_a_search_follow_each_other(
    logs: LogClient, make_record: MakeRecord, order: RecordOrder
) -> None:
    await logs.ingest(LogBatch(records=[make_record(number) for number in range(20)]))
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        page = await logs.list_records(LogQuery(text="message", order=order, limit=7, after=after))
        found += [item.sequence for item in page.items]
        after = page.next_after
    assert found == (list(range(20)) if order is RecordOrder.ASCENDING else list(range(19, -1, -1)))


async def test_counts_by_level_and_task(logs: LogClient, make_record: MakeRecord) -> None:
    records = [
        make_record(number, attempt_id=task, task_id=task, level=10 + 10 * (number % 2))
        for task in (3, 5, 8)
        for number in range(task)
    ]
    await logs.ingest(LogBatch(records=[*records, make_record(0, job_id=2, task_id=4, attempt_id=9)]))
    first = await logs.count_tasks(1, limit=2)
    assert [(item.task_id, item.levels) for item in first.items] == [(3, {10: 2, 20: 1}), (5, {10: 3, 20: 2})]
    assert first.next_after == 5
    second = await logs.count_tasks(1, after=5, limit=2)
    assert [(item.task_id, item.total) for item in second.items] == [(8, 8)]
    assert second.next_after is None


async def test_an_export_has_all_records_in_both_forms(logs: LogClient, make_record: MakeRecord) -> None:
    count = 5000
    await logs.ingest(LogBatch(records=[make_record(number) for number in range(count)]))
    strange = 'a, "b"\nc\u2028'
    await logs.ingest(LogBatch(records=[make_record(count, message=strange, fields={"period": 3.5})]))
    lines = b"".join([piece async for piece in logs.export(LogQuery(job_id=1), ExportForm.NDJSON)])
    records = [json.loads(line) for line in lines.split(b"\n")[:-1]]
    assert [record["sequence"] for record in records] == list(range(count + 1))
    assert (records[-1]["message"], records[-1]["fields"]) == (strange, {"period": 3.5})
    table = b"".join([piece async for piece in logs.export(LogQuery(job_id=1), ExportForm.CSV)]).decode()
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert [int(row["sequence"]) for row in rows] == list(range(count + 1))
    assert (rows[-1]["message"], rows[-1]["fields"], rows[0]["time"]) == (
        strange,
        '{"period":3.5}',
        "2026-03-01T12:00:00Z",
    )


async def test_a_bad_export_is_refused_before_it_begins(logs: LogClient) -> None:
    with pytest.raises(InvalidInputError):
        _ = [piece async for piece in logs.export(LogQuery(text="*"), ExportForm.CSV)]


async def test_an_empty_export_is_a_line_of_names_or_nothing(logs: LogClient) -> None:
    assert [piece async for piece in logs.export(LogQuery(), ExportForm.NDJSON)] == []
    (names,) = [piece async for piece in logs.export(LogQuery(), ExportForm.CSV)]
    assert names.startswith(b"record_id,time,level,")
