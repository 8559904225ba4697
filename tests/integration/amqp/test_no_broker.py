"""Without a broker's address nothing of its library is imported.

Each test runs a process: only a new one has imported nothing yet.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

SERVICE = """
import sys
from eas_{name}.main import create_app
app = create_app()
async def main():
    async with app.router.lifespan_context(app):
        print(sorted({{"aio_pika", "aiormq", "pamqp"}} & set(sys.modules)))
import asyncio
asyncio.run(main())
"""

WORKER = """
import sys
from eas_worker.factory import open_worker
from eas_worker.settings import WorkerSettings
async def main():
    async with open_worker(WorkerSettings()):
        print(sorted({"aio_pika", "aiormq", "pamqp"} & set(sys.modules)))
import asyncio
asyncio.run(main())
"""

PROGRAMS = {
    **{name: SERVICE.format(name=name) for name in ("scheduler", "product_store", "logging")},
    "worker": WORKER,
}


def run(name: str, folder: Path, **environment: str) -> str:
    # The address of another process, which is not there: whoever needs it waits for it.
    own = {
        "PYTHONPATH": str(ROOT),
        "EAS_WORKER_SCHEDULER_URL": "http://127.0.0.1:9/s",
        "EAS_WORKER_PRODUCT_STORE_URL": "http://127.0.0.1:9/p",
        "EAS_WORKER_LOG_SERVICE_URL": "http://127.0.0.1:9/l",
        "EAS_WORKER_DRAIN_SECONDS": "0",
        "EAS_WORKER_WORK_DIRECTORY": str(folder / "work"),
    }
    command = [sys.executable, "-c", PROGRAMS[name]]
    result = subprocess.run(
        command, cwd=folder, env={**os.environ, **own, **environment}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_process_without_a_broker_does_not_import_its_library(name: str, tmp_path: Path) -> None:
    assert run(name, tmp_path) == "[]"


def test_a_process_with_a_broker_starts_without_it(tmp_path: Path) -> None:
    url = "amqp://guest:guest@127.0.0.1:9/"
    assert "aio_pika" in run("logging", tmp_path, EAS_LOGGING_BROKER_URL=url)
    assert "aio_pika" in run("worker", tmp_path, EAS_WORKER_BROKER_URL=url)
