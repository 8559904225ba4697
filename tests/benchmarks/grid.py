"""How the scheduler alone takes large jobs: a grid of 128,000 rows, and the cost of a task as finished rows pile up."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson

from eas.client.scheduler import SchedulerClient
from eas.contracts.errors import UnavailableError
from eas.contracts.scheduler import (
    AttemptReport,
    ClaimRequest,
    ReportRequest,
    SlotDescription,
    TaskTypeDescription,
    WorkerAnnouncement,
)
from tests.benchmarks.figures import Figure, peak_memory

ROWS, COLUMNS = 178, 179
BATCH = 64
#: Finished rows between which the cost of a task is compared. Set EAS_BENCH_ROWS for more.
FINISHED = int(os.environ.get("EAS_BENCH_ROWS", "100000"))

WORKER = WorkerAnnouncement(
    worker_id="bench",
    host="bench",
    process_id=1,
    slots=1,
    task_types=[
        TaskTypeDescription(name="null", version="1", settings_schema={"type": "object"}),
        TaskTypeDescription(
            name="make", version="1", settings_schema={"type": "object"}, outputs=[SlotDescription(name="lightcurve")]
        ),
        TaskTypeDescription(
            name="find", version="1", settings_schema={"type": "object"}, inputs=[SlotDescription(name="lightcurve")]
        ),
    ],
)


def measure_grid() -> dict[str, Figure]:
    """Submit the grid and look at it."""
    return asyncio.run(_measure_grid())


def measure_cost_curve() -> dict[str, Figure]:
    """Run null tasks with a worker that costs nothing, and compare the first thousand with the last."""
    return asyncio.run(_measure_cost_curve())


@asynccontextmanager
async def _lone_scheduler() -> AsyncIterator[tuple[SchedulerClient, int]]:
    with tempfile.TemporaryDirectory(prefix="eas-bench-") as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        environment = os.environ | {
            "EAS_SCHEDULER_DATABASE_URL": f"sqlite:///{folder}/scheduler.db",
            "EAS_SCHEDULER_PORT": str(port),
            "EAS_SCHEDULER_IDS_PATIENCE_SECONDS": "0",
        }
        command = [sys.executable, "-m", "eas_scheduler.main"]
        process = _start(command, environment)
        try:
            async with SchedulerClient(f"http://127.0.0.1:{port}", None) as client:
                while True:
                    with suppress(UnavailableError):
                        await client.announce(WORKER)
                        break
                    await asyncio.sleep(0.05)
                yield client, process.pid
        finally:
            process.terminate()
            process.wait()


async def _measure_grid() -> dict[str, Figure]:
    name = "'p_{i_index}_{j_index}.gz'.format(**metadata)"
    body = [
        {"task": "make", "outputs": {"lightcurve": name}, "radius": "(metadata['i'])"},
        {"task": "find", "name": "find", "inputs": {"lightcurve": name}, "lc_duration": 40},
        {"task": "null", "requires_metadata_from": ["find"]},
    ]
    inner = {"task": "execution_for_loop", "parameter": "j", "values": f"(range({COLUMNS}))", "task_list": body}
    outer = {"task": "execution_for_loop", "parameter": "i", "values": f"(range({ROWS}))", "task_list": [inner]}
    document = orjson.dumps({"working_directory": "grid", "task_list": [outer]})
    async with _lone_scheduler() as (client, pid):
        client.answer_timeout = 120.0
        expansion = await _time(client.submit_job(document))
        job = (await client.list_jobs()).items[0]
        listing = await _time(client.list_jobs())
        tree = await _time(client.get_tree(job.job_id, limit=1000))
        rows = job.counts.total
        peak = peak_memory(pid)
    return {
        "grid_expansion_s": Figure(expansion, "s", f"{rows} rows with files and dependencies, validated and durable"),
        "grid_tree_ms": Figure(tree * 1e3, "ms", "the first 1,000 tasks of its tree"),
        "grid_list_ms": Figure(listing * 1e3, "ms", "its counts by state"),
        "grid_memory_mb": Figure(peak, "MB", "peak of the scheduler's process"),
    }


async def _time(call: Awaitable[Any]) -> float:
    begin = time.perf_counter()
    await call
    return time.perf_counter() - begin


async def _measure_cost_curve() -> dict[str, Figure]:
    curve: list[tuple[int, float]] = []
    async with _lone_scheduler() as (client, _pid):
        finished = 0
        while finished < FINISHED:
            count = 1000 if finished < 5000 else 10_000
            loop = {"task": "execution_for_loop", "parameter": "i", "values": f"(range({count}))"}
            await client.submit_job(orjson.dumps({"task_list": [loop | {"task_list": [{"task": "null"}]}]}))
            begin = time.perf_counter()
            await _drain(client)
            finished += count
            curve.append((finished, (time.perf_counter() - begin) / count * 1e6))
    points = [point for point in curve if point[0] in (1000, 5000, 15_000, 55_000, 105_000) or point == curve[-1]]
    first = min(cost for finished, cost in curve if finished <= 5000)
    last = min(cost for _, cost in curve[-3:])
    words = ", ".join(f"{finished}: {cost:.0f} µs" for finished, cost in points)
    return {
        "scheduler_us_per_task": Figure(first, "us", f"claim and report in batches of {BATCH}, durable; {words}"),
        "scheduler_cost_ratio": Figure(
            last / first, "", f"cost of a task at {finished} finished rows to that at 5,000"
        ),
    }


async def _drain(client: SchedulerClient) -> None:
    claim = ClaimRequest(worker_id="bench", per_type={"null": BATCH}, total=BATCH)
    reports: list[AttemptReport] = []
    while True:
        answer = await client.report(ReportRequest(worker_id="bench", reports=reports, claim=claim))
        if answer.claimed is None or not answer.claimed.attempts:
            return
        reports = [
            AttemptReport(attempt_id=one.attempt_id, lease_token=one.lease_token, state="accepted", wall_time=0.0)
            for one in answer.claimed.attempts
        ]


def _start(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
