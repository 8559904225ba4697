"""SIGKILL hits a real scheduler at random moments under load: nothing accepted is lost or accepted twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from contextlib import suppress

import httpx
import pytest

from eas.client.scheduler import SchedulerClient
from eas.contracts.errors import EasError, UnavailableError
from eas.contracts.scheduler import AttemptReport, ClaimRequest, ReportRequest
from tests.support.databases import Inspector

from .conftest import TASK_TYPES, Bench, find_wrong_counts

ROUNDS = int(os.environ.get("EAS_TEST_KILLS", "3"))
TASKS = 400


class SchedulerProcess:
    """A scheduler of its own process, always on the same port and database."""

    def __init__(self, database_url: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.database_url = database_url
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = os.environ | {
            "EAS_SCHEDULER_DATABASE_URL": self.database_url,
            "EAS_SCHEDULER_PORT": str(self.port),
            "EAS_SCHEDULER_LEASE_SECONDS": "1",
            "EAS_SCHEDULER_REAP_SECONDS": "0.2",
            "EAS_SCHEDULER_IDS_PATIENCE_SECONDS": "0",
            "EAS_SCHEDULER_MAX_LOSSES": "1000",
            "EAS_SCHEDULER_MAX_ATTEMPTS": "1000",
            # A pause that doubles with each loss would make a slow machine lose more and wait for minutes.
            "EAS_SCHEDULER_RETRY_DELAY_SECONDS": "0",
        }
        command = [sys.executable, "-m", "eas_scheduler.main"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


async def until_ready(client: SchedulerClient) -> None:
    while True:
        with suppress(UnavailableError):
            await client.list_task_types()
            return
        await asyncio.sleep(0.05)


async def work(url: str, name: str, accepted: dict[int, int]) -> None:
    """Claim and report until cancelled; keep what the scheduler confirmed. Every third report is lost on the way."""
    dice = random.Random(name)
    async with SchedulerClient(url, None) as client:
        bench = Bench(client, None, name)  # type: ignore[arg-type]
        reports: list[AttemptReport] = []
        while True:
            try:
                claim = ClaimRequest(worker_id=name, per_type={found.name: 9 for found in TASK_TYPES}, total=9)
                answer = await client.report(ReportRequest(worker_id=name, reports=reports, claim=claim))
            except UnavailableError:
                await asyncio.sleep(0.02)
                continue
            except EasError:
                await bench.announce()
                continue
            if answer.claimed is None:
                await bench.announce()
            for result in answer.results:
                if result.recorded:
                    accepted[result.attempt_id] = accepted.get(result.attempt_id, 0) + 1
            claimed = answer.claimed.attempts if answer.claimed else []
            reports = [
                AttemptReport(attempt_id=one.attempt_id, lease_token=one.lease_token, state="accepted")
                for one in claimed
                if dice.random() < 0.67
            ]
            if not claimed:
                await asyncio.sleep(0.01)


@pytest.mark.timeout(240)
async def test_a_scheduler_that_is_killed_loses_and_doubles_nothing(database_url: str, inspector: Inspector) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    scheduler = SchedulerProcess(database_url)
    scheduler.start()
    url = f"http://127.0.0.1:{scheduler.port}"
    accepted: dict[int, int] = {}
    try:
        async with SchedulerClient(url, None) as client:
            await until_ready(client)
            await Bench(client, None, "first").announce()  # type: ignore[arg-type]
            chain = [{"task": "null", "name": "a"}, {"task": "null", "requires_metadata_from": ["a"]}]
            body = str(chain).replace("'", '"')
            loop = f'"task": "execution_for_loop", "parameter": "i", "values": "(range({TASKS // 2}))"'
            job = await client.submit_job(f'{{"task_list": [{{{loop}, "task_list": {body}}}]}}')
            workers = [asyncio.create_task(work(url, f"w{number}", accepted)) for number in range(3)]
            for _ in range(ROUNDS):
                await asyncio.sleep(dice.uniform(0.05, 0.6))
                scheduler.kill()
                scheduler.start()
                await until_ready(client)
            while job.state.value == "running":
                with suppress(UnavailableError):
                    job = await client.get_job(job.job_id, wait=60)
            for worker in workers:
                worker.cancel()
            assert job.state.value == "done"
            assert job.counts.done == 2 + TASKS // 2 + TASKS
    finally:
        scheduler.kill()
    check_history(inspector, accepted)


def check_history(rows: Inspector, accepted: dict[int, int]) -> None:
    wins = rows.fetch(
        "SELECT task_id FROM attempt GROUP BY task_id HAVING SUM(CASE WHEN state = 'accepted' THEN 1 ELSE 0 END) <> 1"
    )
    assert wins == []
    assert {row[0] for row in rows.fetch("SELECT DISTINCT state FROM attempt")} <= {"accepted", "lost"}
    confirmed = rows.fetch("SELECT id FROM attempt WHERE state = 'accepted'")
    assert set(accepted) <= {row[0] for row in confirmed}
    ends = rows.fetch(
        "SELECT attempt_id FROM transition WHERE state_after IN ('accepted', 'lost') GROUP BY attempt_id"
        " HAVING COUNT(*) <> 1"
    )
    assert ends == []
    assert find_wrong_counts(rows) == []


async def test_a_long_poll_ends_with_its_caller(database_url: str) -> None:
    scheduler = SchedulerProcess(database_url)
    scheduler.start()
    url = f"http://127.0.0.1:{scheduler.port}"
    try:
        async with SchedulerClient(url, None) as client:
            await until_ready(client)
            bench = Bench(client, None, "w1")  # type: ignore[arg-type]
            await bench.announce()
            await bench.announce("w2")
            claim = {"worker_id": "w2", "per_type": {"null": 1}, "total": 1, "wait": 30}
            for _ in range(5):
                async with httpx.AsyncClient(timeout=0.2) as impatient:
                    with pytest.raises(httpx.ReadTimeout):
                        await impatient.post(f"{url}/attempts/claim", json=claim)
            await client.submit_job(b'{"task_list": [{"task": "null"}]}')
            (attempt,) = await bench.claim(wait=60)
            assert attempt.number == 1
    finally:
        scheduler.kill()
