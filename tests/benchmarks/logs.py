"""How fast log records are taken in, and found among many: EAS_BENCH_LOG_RECORDS says among how many."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import orjson

from shared.clients.log_service import LogClient
from shared.contracts.logs import LogQuery, RecordOrder
from tests.benchmarks.embedded_suite import RunningSuite, embedded_suite
from tests.benchmarks.figures import Figure

RECORDS = int(os.environ.get("EAS_BENCH_LOG_RECORDS", "200000"))
BATCH = 2000
OF_ATTEMPT = 20
QUERIES = 30
RARE = 100_000
START = datetime(2026, 3, 1, tzinfo=UTC)


def measure_logs() -> dict[str, Figure]:
    """Measure ingestion as journals do it, with the text index brought up to date, and queries."""
    with embedded_suite(workers=1) as suite:
        return asyncio.run(_measure(suite))


async def _measure(suite: RunningSuite) -> dict[str, Figure]:
    async with LogClient(f"{suite.url}/logs", suite.tokens["worker"]) as client:
        begin = time.perf_counter()
        starts = iter(range(0, RECORDS, BATCH))

        async def send() -> None:
            for start in starts:
                await client.ingest_lines(_lines(start))

        await asyncio.gather(*(send() for _ in range(4)))
        stored = time.perf_counter() - begin
        await client.list_records(LogQuery(text="sentinel"))
        indexed = time.perf_counter() - begin
        return {
            "log_records_per_s": Figure(
                RECORDS / stored, "records/s", f"{RECORDS} in batches of {BATCH}, four at a time"
            ),
            "log_indexed_per_s": Figure(RECORDS / indexed, "records/s", "until all of them are found by text"),
            **await _measure_queries(client),
        }


async def _measure_queries(client: LogClient) -> dict[str, Figure]:
    chance = random.Random(1)
    last = RECORDS // OF_ATTEMPT

    def attempt() -> int:
        return chance.randint(1, last)

    rare = RECORDS // RARE - 1
    queries: dict[str, tuple[Callable[[], LogQuery], str]] = {
        "log_query_ms": (lambda: LogQuery(attempt_id=attempt()), f"{OF_ATTEMPT} records of one attempt"),
        "log_newest_ms": (lambda: LogQuery(order=RecordOrder.DESCENDING, min_level=30), "newest 200 warnings of all"),
        "log_text_common_ms": (
            lambda: LogQuery(text="transits found", order=RecordOrder.DESCENDING),
            "a phrase of all",
        ),
        "log_text_rare_ms": (lambda: LogQuery(text=f"rare{chance.randint(0, max(rare, 0))}"), "one record of all"),
        "log_text_two_ms": (lambda: LogQuery(text=f"star{chance.randint(0, 4999)} found"), "a rare and a common word"),
        "log_text_attempt_ms": (lambda: LogQuery(text="transits", attempt_id=attempt()), "a common word, one attempt"),
        "log_text_level_ms": (lambda: LogQuery(text="transits", min_level=40), "a common word, a rare level"),
        "log_host_ms": (lambda: LogQuery(host=f"node{chance.randint(0, 39):02d}"), "200 records of one host"),
    }
    found = {}
    for name, (make, remark) in queries.items():
        found[name] = Figure(await _time(client.list_records, make) * 1e3, "ms", f"{remark}, among {RECORDS}")
    return found


async def _time(ask: Callable[[LogQuery], Awaitable[object]], make: Callable[[], LogQuery]) -> float:
    """Time the slowest but one of some queries [s]."""
    times = []
    for _ in range(QUERIES):
        query = make()
        begin = time.perf_counter()
        await ask(query)
        times.append(time.perf_counter() - begin)
    return sorted(times)[-2]


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
            "time": START + timedelta(microseconds=500 * number),
            "level": 40 if number % 50_000 == 7 else 30 if number % 50 == 7 else 20,
            "logger": "services.worker.tasks.transit_search_tls",
            "message": f"star{number % 5000}: 12 transits found at period {number % 977 / 50:.3f} d{rare}",
            "host": f"node{attempt % 40:02d}",
            "process_id": 5120,
        }
    )
