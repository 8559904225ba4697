"""Workers that are processes of their own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.integration.worker.http_services import HttpServices
from tests.integration.worker.trial import ROOT, TASK_TYPES


def environment(services: HttpServices, folder: Path, **settings: str) -> dict[str, str]:
    given = {
        "SCHEDULER_URL": f"{services.url}/scheduler",
        "PRODUCT_STORE_URL": f"{services.url}/products",
        "LOG_SERVICE_URL": f"{services.url}/logs",
        "WORK_DIRECTORY": str(folder / "work"),
        "TASK_TYPES": ",".join(TASK_TYPES[:5]),
        "ONLY": "act,null",
        "SLOTS": "1",
        "PRELOAD_MODULES": "",
        "TOKEN": "a-secret",
        "GRACE_SECONDS": "0.2",
        "DRAIN_SECONDS": "5",
    } | settings
    return os.environ | {"PYTHONPATH": str(ROOT)} | {f"EAS_WORKER_{name}": value for name, value in given.items()}


@contextmanager
def start_worker(
    services: HttpServices,
    folder: Path,
    *,
    stdin: int = subprocess.DEVNULL,
    group: Path | None = None,
    launcher: Sequence[str] = (),
    **settings: str,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker until the block ends, in a control group if there is one; or by a program that execs it."""
    into_group = [*launcher]
    if group is not None:
        into_group += ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs")]
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [*into_group, sys.executable, "-m", "eas_worker.main"],
            env=environment(services, folder, **settings),
            cwd=ROOT,
            stdin=stdin,
            stderr=log,
        )
    with process:
        try:
            yield process
        finally:
            process.kill()


async def end_of(process: subprocess.Popen[bytes]) -> int:
    async with asyncio.timeout(120):
        return await asyncio.to_thread(process.wait)
