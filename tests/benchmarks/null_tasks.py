"""How fast tasks that do nothing go through the whole suite: throughput, time per hop, and how soon a task starts.

Embedded SQLite with durable commits (synchronous=FULL), two workers, every attempt with its times and its history.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from datetime import UTC, datetime
from typing import Any

import orjson

from eas.client.scheduler import SchedulerClient
from eas.contracts.scheduler import JobView
from tests.benchmarks.embedded_suite import embedded_suite
from tests.benchmarks.figures import Figure
from tests.support.mariadb import MariadbServer
from tests.support.postgresql import PostgresqlServer
from tests.support.rabbitmq import RabbitmqServer

#: `eas up` makes the databases of its services.
_ALL_RIGHTS = {"postgresql": "ALTER ROLE eas CREATEDB", "mariadb": "GRANT ALL ON *.* TO eas@'127.0.0.1'"}
INDEPENDENT = 2000
CHAIN = 100
SINGLE = 50
ROUNDS = 3


def measure_null_tasks() -> dict[str, Figure]:
    """Measure on a suite of its own; the best of several rounds counts, as other work on the machine only slows."""
    with embedded_suite() as suite:
        return asyncio.run(_measure(suite.url, suite.tokens["user"]))


def measure_null_tasks_on_servers() -> dict[str, Figure]:
    """Measure the same on servers whose commits are durable, with RabbitMQ, all on the same machine."""
    figures: dict[str, Figure] = {}
    with RabbitmqServer() as broker:
        for name, kind in (("postgresql", PostgresqlServer), ("mariadb", MariadbServer)):
            with kind(durable=True) as server:
                url = server.make_database()
                server.query(_ALL_RIGHTS[name])
                with embedded_suite(database=url, broker=broker.make_vhost()) as suite:
                    found = asyncio.run(_measure(suite.url, suite.tokens["user"]))
                figures |= {f"{key}_{name}": figure for key, figure in found.items()}
    return figures


async def _measure(url: str, token: str) -> dict[str, Figure]:
    async with SchedulerClient(f"{url}/scheduler", token) as client:
        await _run(client, make_grid(200))
        rates = [INDEPENDENT / await _run(client, make_grid(INDEPENDENT)) for _ in range(ROUNDS)]
        hops = [await _run(client, _chain(CHAIN)) / CHAIN * 1e3 for _ in range(ROUNDS)]
        starts = [await _start_one(client) * 1e3 for _ in range(SINGLE)]
    spread = f"rounds: {', '.join(f'{rate:.0f}' for rate in rates)}"
    return {
        "null_tasks_per_s": Figure(max(rates), "tasks/s", f"{INDEPENDENT} tasks, submission to end; {spread}"),
        "hop_ms": Figure(min(hops), "ms", f"chain of {CHAIN}; rounds: {', '.join(f'{hop:.2f}' for hop in hops)}"),
        "submit_to_start_p50_ms": Figure(
            statistics.median(starts), "ms", f"{SINGLE} jobs of one task; worst {max(starts):.1f} ms"
        ),
    }


def make_grid(count: int) -> dict[str, Any]:
    """Make a job of so many tasks that do nothing and do not depend on each other."""
    loop = {
        "task": "execution_for_loop",
        "parameter": "i",
        "values": f"(range({count}))",
        "task_list": [{"task": "null"}],
    }
    return {"task_list": [loop]}


def _chain(length: int) -> dict[str, Any]:
    tasks: list[dict[str, Any]] = [{"task": "null", "name": "0"}]
    tasks += [{"task": "null", "name": str(n), "requires_metadata_from": [str(n - 1)]} for n in range(1, length)]
    return {"task_list": tasks}


async def _run(client: SchedulerClient, document: dict[str, Any]) -> float:
    """Submit a job and wait for its end. Returns how long both took [s]."""
    begin = time.perf_counter()
    job = await client.submit_job(orjson.dumps(document))
    await finish_job(client, job)
    return time.perf_counter() - begin


async def finish_job(client: SchedulerClient, job: JobView) -> None:
    """Wait for a job's end. Raises RuntimeError where it is not done then."""
    while job.state.value == "running":
        job = await client.get_job(job.job_id, wait=30)
    if job.state.value != "done":
        raise RuntimeError(f"the job ended {job.state.value}: {job.counts}")


async def _start_one(client: SchedulerClient) -> float:
    """Submit one task to an idle suite. Returns how long it took to start in a worker [s]."""
    begin = datetime.now(UTC)
    job = await client.submit_job(b'{"task_list": [{"task": "null"}]}')
    await finish_job(client, job)
    task = (await client.get_tree(job.job_id)).items[1]
    started = (await client.get_task(task.task_id)).attempts[0].started_at
    assert started is not None
    return (started - begin).total_seconds()
