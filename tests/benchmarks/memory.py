"""How much memory the services of `eas up` have while work goes through them: it must not grow with the work.

Null tasks on embedded SQLite, job after job. Linux alone tells the resident memory of a process. ``EAS_BENCH_TASKS``
says how many tasks.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path

import orjson

from eas.client.scheduler import SchedulerClient
from tests.benchmarks.embedded_suite import RunningSuite, embedded_suite
from tests.benchmarks.figures import Figure
from tests.benchmarks.null_tasks import finish_job, make_grid

TASKS = int(os.environ.get("EAS_BENCH_TASKS", "200000"))
#: Tasks of one job.
STEP = 10_000


def measure_memory() -> dict[str, Figure]:
    """Run many tasks, and print the services' resident memory after each job, and their processor time in it."""
    with embedded_suite() as suite:
        sizes = asyncio.run(_run_jobs(suite))
    middle = sizes[len(sizes) // 2]
    return {
        "memory_first_mb": Figure(sizes[0], "MB", f"after {STEP} tasks"),
        "memory_half_mb": Figure(middle, "MB", "after half of the tasks"),
        "memory_last_mb": Figure(sizes[-1], "MB", f"after {len(sizes) * STEP} tasks"),
        "memory_growth_mb": Figure(sizes[-1] - middle, "MB", "in the second half"),
    }


async def _run_jobs(suite: RunningSuite) -> list[float]:
    sizes = []
    async with SchedulerClient(f"{suite.url}/scheduler", suite.tokens["user"]) as client:
        for number in range(1, TASKS // STEP + 1):
            begin, cpu_before = time.perf_counter(), read_cpu_seconds(suite.process_id)
            await finish_job(client, await client.submit_job(orjson.dumps(make_grid(STEP))))
            rate = STEP / (time.perf_counter() - begin)
            sizes.append(read_memory(suite.process_id))
            cost = (read_cpu_seconds(suite.process_id) - cpu_before) / STEP * 1e6
            print(f"{number * STEP:9} tasks {sizes[-1]:8.1f} MB {rate:8.0f} tasks/s {cost:8.0f} us/task", flush=True)
    return sizes


def read_cpu_seconds(process_id: int) -> float:
    """Read the processor time of a process, which depends on other work on the machine less than rates do [s]."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_memory(process_id: int) -> float:
    """Read the resident memory of a process [MB]."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1e3
