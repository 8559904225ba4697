"""What a worker costs besides the science, and whether its slots are ever idle: on a suite as `eas up` starts it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from eas.client.scheduler import SchedulerClient
from eas.contracts.scheduler import AttemptView, JobView
from tests.benchmarks.embedded_suite import RunningSuite, embedded_suite
from tests.benchmarks.figures import Figure

ROOT = Path(__file__).parents[2]
NULLS = 4000
SPINS = int(os.environ.get("EAS_BENCH_SPINS", "1000"))
SLOTS = 2
TICKS = os.sysconf("SC_CLK_TCK")


def measure_worker() -> dict[str, Figure]:
    """Measure processor time of the workers' processes a null task, and how busy slots are with tasks of 0.1 s."""
    spinning = "spin=tests.benchmarks.spinning:TASK_TYPE"
    with (
        _environment(EAS_WORKER_TASK_TYPES=spinning, PYTHONPATH=str(ROOT)),
        embedded_suite(workers=SLOTS) as suite,
    ):
        return asyncio.run(_measure(suite))


async def _measure(suite: RunningSuite) -> dict[str, Figure]:
    async with SchedulerClient(f"{suite.url}/scheduler", suite.tokens["user"]) as client:
        await _run(client, _nulls(500))
        before = _processor_time(suite)
        await _run(client, _nulls(NULLS))
        workers, services = _since(before, _processor_time(suite))
        figures = {
            "null_worker_us": Figure(workers / NULLS * 1e6, "µs", "CPU of supervisors and children a null task"),
            "null_services_us": Figure(services / NULLS * 1e6, "µs", "CPU of the three services a null task"),
        }
        await _run(client, _spins(20, "warm"))
        before, begin = _processor_time(suite), time.perf_counter()
        job = await _run(client, _spins(SPINS, "spin"))
        elapsed = time.perf_counter() - begin
        workers, services = _since(before, _processor_time(suite))
        attempts = await _attempts(client, job)
    return figures | _describe(attempts, elapsed, workers, services)


def _describe(attempts: list[AttemptView], elapsed: float, workers: float, services: float) -> dict[str, Figure]:
    runs = [(found.started_at, found.ended_at) for found in attempts if found.started_at and found.ended_at]
    occupied = sum((ended - begun).total_seconds() for begun, ended in runs)
    science = sum(found.cpu_time or 0.0 for found in attempts)
    count = len(attempts)
    span = (max(ended for _, ended in runs) - min(begun for begun, _ in runs)).total_seconds()
    busy = workers + services
    return {
        "spin_slots_busy": Figure(100 * occupied / (SLOTS * span), "%", f"{count} tasks of 0.1 s CPU, {elapsed:.1f} s"),
        "spin_cores_busy": Figure(
            100 * busy / (SLOTS * elapsed), "%", "CPU of all processes of the suite, of two cores"
        ),
        "spin_science_share": Figure(100 * science / busy, "%", "of that in the tasks' code"),
        "spin_worker_ms": Figure((workers - science) / count * 1e3, "ms", "CPU of the workers a task besides its code"),
        "spin_services_ms": Figure(services / count * 1e3, "ms", "CPU of the three services a task"),
    }


def _nulls(count: int) -> dict[str, Any]:
    return {"task_list": [_loop(count, [{"task": "null"}])]}


def _spins(count: int, directory: str) -> dict[str, Any]:
    """Pairs of tasks: one makes a curve, the other reads it and makes the next."""
    tasks = [
        {"task": "spin", "outputs": {"lightcurve": "'{i_index}_a.npz'.format(**metadata)"}},
        {
            "task": "spin",
            "inputs": {"lightcurve": "'{i_index}_a.npz'.format(**metadata)"},
            "outputs": {"lightcurve": "'{i_index}_b.npz'.format(**metadata)"},
        },
    ]
    return {"working_directory": directory, "task_list": [_loop(count // 2, tasks)]}


def _loop(count: int, tasks: list[dict[str, Any]]) -> dict[str, Any]:
    return {"task": "execution_for_loop", "parameter": "i", "values": f"(range({count}))", "task_list": tasks}


async def _run(client: SchedulerClient, document: dict[str, Any]) -> JobView:
    job = await client.submit_job(orjson.dumps(document))
    while job.state.value == "running":
        job = await client.get_job(job.job_id, wait=30)
    if job.state.value != "done":
        raise RuntimeError(f"the job ended {job.state.value}: {job.counts}")
    return job


async def _attempts(client: SchedulerClient, job: JobView) -> list[AttemptView]:
    found: list[AttemptView] = []
    after = None
    while True:
        page = await client.get_tree(job.job_id, after=after)
        for line in page.items:
            if line.task_type == "spin":
                found += (await client.get_task(line.task_id)).attempts
        if page.next_after is None:
            return found
        after = page.next_after


def _since(before: tuple[float, float], now: tuple[float, float]) -> tuple[float, float]:
    return now[0] - before[0], now[1] - before[1]


def _processor_time(suite: RunningSuite) -> tuple[float, float]:
    """CPU of all processes that the suite's own has started, and of that one itself [s]."""
    parents, times = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(folder.name)] = int(words[1])
            times[int(folder.name)] = sum(map(int, words[11:13])) / TICKS
    family, found = {suite.process_id}, 0
    while len(family) != found:
        found = len(family)
        family |= {pid for pid, parent in parents.items() if parent in family}
    own = times[suite.process_id]
    return sum(times[pid] for pid in family) - own, own


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
