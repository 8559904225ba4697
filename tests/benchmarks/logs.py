"""How fast log records are taken in, found among many, and let go: EAS_BENCH_LOG_RECORDS says among how many."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import orjson

from eas.client.log_service import LogClient
from eas.contracts.log_retention import RetentionPolicy, RetentionRule
from eas.contracts.logs import ExportForm, LogQuery, LogScope, RecordOrder
from tests.benchmarks.embedded_suite import RunningSuite, embedded_suite
from tests.benchmarks.figures import Figure, peak_memory

RECORDS = int(os.environ.get("EAS_BENCH_LOG_RECORDS", "200000"))
BATCH = 2000
OF_ATTEMPT = 20
QUERIES = 40
RARE = 100_000
APART = timedelta(microseconds=500)
START = datetime(2026, 3, 1, tzinfo=UTC)
#: Records of a batch that is sent while others are let go.
SMALL_BATCH = 200


def measure_logs() -> dict[str, Figure]:
    """Measure ingestion as journals do it, with the text index brought up to date, queries, export and retention."""
    with embedded_suite(workers=1) as suite:
        return asyncio.run(_measure(suite))


async def _measure(suite: RunningSuite) -> dict[str, Figure]:
    async with (
        LogClient(f"{suite.url}/logs", suite.tokens["worker"]) as writer,
        LogClient(f"{suite.url}/logs", suite.tokens["user"]) as operator,
    ):
        return {
            **await _measure_ingestion(writer),
            **await _measure_queries(writer),
            **await _measure_counts(writer),
            **await _measure_export(writer, suite.process_id),
            **await _measure_retention(writer, operator),
        }


async def _measure_ingestion(client: LogClient) -> dict[str, Figure]:
    starts = iter(range(0, RECORDS, BATCH))
    begin = time.perf_counter()

    async def send() -> None:
        for start in starts:
            await client.ingest_lines(_lines(start))

    await asyncio.gather(*(send() for _ in range(4)))
    stored = time.perf_counter() - begin
    await client.list_records(LogQuery(text="sentinel"))
    indexed = time.perf_counter() - begin
    remark = f"{RECORDS:,} in batches of {BATCH}, four at a time"
    return {
        "log_records_per_s": Figure(RECORDS / stored, "records/s", remark),
        "log_indexed_per_s": Figure(RECORDS / indexed, "records/s", "until all of them are found by text"),
    }


def _make_queries() -> dict[str, tuple[Callable[[], LogQuery], str]]:
    chance = random.Random(1)
    last = RECORDS // OF_ATTEMPT
    rare = max(RECORDS // RARE - 1, 0)
    middle = START + RECORDS // 2 * APART
    newest = RecordOrder.DESCENDING

    def attempt() -> int:
        return chance.randint(1, last)

    def job() -> int:
        return 1 + attempt() // 50_000

    return {
        "log_query": (lambda: LogQuery(attempt_id=attempt()), f"{OF_ATTEMPT} records of one attempt"),
        "log_newest": (lambda: LogQuery(order=newest, min_level=30), "newest 200 warnings of all"),
        "log_text_common": (lambda: LogQuery(text="transits found", order=newest), "two common words"),
        "log_text_phrase": (lambda: LogQuery(text='"transits found"'), "two common words that stand together"),
        "log_text_rare": (lambda: LogQuery(text=f"rare{chance.randint(0, rare)}"), "one record of all"),
        "log_text_two": (lambda: LogQuery(text=f"star{chance.randint(0, 4999)} found"), "a rare and a common word"),
        "log_text_begin": (lambda: LogQuery(text=f"star{chance.randint(10, 99)}*"), "the beginning of a word"),
        "log_text_none": (lambda: LogQuery(text=f"star{chance.randint(0, 4999)} rare{rare}"), "words never together"),
        "log_text_attempt": (lambda: LogQuery(text="transits", attempt_id=attempt()), "a common word, one attempt"),
        "log_text_job": (lambda: LogQuery(text="star17 found", job_id=job()), "two words, one job"),
        "log_text_level": (lambda: LogQuery(text="transits", min_level=40), "a common word, a rare level"),
        "log_text_time": (
            lambda: LogQuery(text=f"star{chance.randint(0, 4999)}", since=middle, until=middle + timedelta(minutes=5)),
            "a rare word, five minutes in the middle",
        ),
        "log_host": (lambda: LogQuery(host=f"node{chance.randint(0, 39):02d}"), "200 records of one host"),
    }


async def _measure_queries(client: LogClient) -> dict[str, Figure]:
    found = {}
    for name, (make, remark) in _make_queries().items():
        times = sorted([await _time(client.list_records(make())) for _ in range(QUERIES)])
        slow = times[-1 - QUERIES // 20]
        found[f"{name}_ms"] = Figure(
            times[QUERIES // 2] * 1e3, "ms", f"p50 ({slow * 1e3:.1f} p95): {remark}, among {RECORDS:,}"
        )
    return found


async def _measure_counts(client: LogClient) -> dict[str, Figure]:
    everything = await _time(client.counts(LogScope()))
    by_task = await _time(client.count_tasks(1))
    return {
        "log_counts_ms": Figure(everything * 1e3, "ms", f"all {RECORDS:,} by level"),
        "log_count_tasks_ms": Figure(by_task * 1e3, "ms", "a job's first 1,000 tasks by level"),
    }


async def _measure_export(client: LogClient, process_id: int) -> dict[str, Figure]:
    before = peak_memory(process_id)
    begin = time.perf_counter()
    records = 0
    async for piece in client.export(LogQuery(), ExportForm.NDJSON):
        records += piece.count(b"\n")
    seconds = time.perf_counter() - begin
    if records < RECORDS:
        raise RuntimeError(f"only {records} records exported of {RECORDS}")
    more = peak_memory(process_id) - before
    return {
        "log_export_per_s": Figure(records / seconds, "records/s", "all of them as JSON lines"),
        "log_export_memory_mb": Figure(more, "MB", f"more than before, at the peak ({before:.0f} MB)"),
    }


async def _measure_retention(writer: LogClient, operator: LogClient) -> dict[str, Figure]:
    """Let a tenth of all go by age, and another by size, while small batches come in."""
    tenth = START + RECORDS // 10 * APART
    days = (datetime.now(UTC) - tenth) / timedelta(days=1)
    by_age = RetentionPolicy(rules=[RetentionRule(max_level=50, older_than_days=days)])
    planning = await _time(operator.preview_retention(by_age))
    alone = await _send_small(writer, asyncio.create_task(asyncio.sleep(5)), 1)
    await operator.set_retention(by_age)
    begin = time.perf_counter()
    run = asyncio.create_task(operator.run_retention())
    aged = await _send_small(writer, run, 2)
    took = time.perf_counter() - begin
    expired = sum((await run).expired.values())
    report = await operator.preview_retention()
    await operator.set_retention(RetentionPolicy(max_bytes=report.used_bytes * 9 // 10))
    begin = time.perf_counter()
    run = asyncio.create_task(operator.run_retention())
    sized = await _send_small(writer, run, 3)
    shrunk = (await run).over_size
    seconds = time.perf_counter() - begin
    await operator.set_retention(RetentionPolicy())
    return {
        "log_retention_plan_ms": Figure(planning * 1e3, "ms", "a dry run by age"),
        "log_retention_per_s": Figure(expired / took, "records/s", f"{expired:,} let go by age while others come in"),
        "log_retention_size_per_s": Figure(shrunk / seconds, "records/s", f"{shrunk:,} let go by size"),
        "log_pause_alone_ms": Figure(alone * 1e3, "ms", f"longest wait of a batch of {SMALL_BATCH} in 5 s"),
        "log_pause_age_ms": Figure(aged * 1e3, "ms", "the same while records go by age"),
        "log_pause_size_ms": Figure(sized * 1e3, "ms", "the same while records go by size"),
    }


async def _send_small(client: LogClient, until: asyncio.Task[object], turn: int) -> float:
    """Send small batches until something is done, and tell how long the slowest took [s]."""
    slowest = 0.0
    start = RECORDS
    while not until.done():
        lines = [_line(number).replace(b'"bench:', b'"late%d:' % turn) for number in range(start, start + SMALL_BATCH)]
        slowest = max(slowest, await _time(client.ingest_lines(lines)))
        start += SMALL_BATCH
    return slowest


async def _time(call: Awaitable[object]) -> float:
    begin = time.perf_counter()
    await call
    return time.perf_counter() - begin


def _lines(start: int) -> list[bytes]:
    """Make records as a journal has them."""
    return [_line(number) for number in range(start, min(start + BATCH, RECORDS))]


def _line(number: int) -> bytes:
    attempt = 1 + number // OF_ATTEMPT
    rare = f" rare{number // RARE}" if number % RARE == 0 else ""
    return orjson.dumps(
        {
            "attempt_id": attempt,
            "task_id": attempt,
            "job_id": 1 + attempt // 50_000,
            "stream": f"bench:{attempt % 8}",
            "sequence": number % OF_ATTEMPT,
            "time": START + APART * number,
            "level": 40 if number % 50_000 == 7 else 30 if number % 50 == 7 else 20,
            "logger": "eas_worker.tasks.transit_search_tls",
            "message": f"star{number % 5000}: 12 transits found at period {number % 977 / 50:.3f} d{rare}",
            "host": f"node{attempt % 40:02d}",
            "process_id": 5120,
        }
    )
