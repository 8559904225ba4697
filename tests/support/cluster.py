"""A suite of real processes, each of which can be killed and started again by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
SERVICES = ("scheduler", "product_store", "logging")
READY_SECONDS = 90.0


def find_free_ports(number: int) -> list[int]:
    """Find ports of the loopback interface that nobody listens on."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _list_children(process_id: int) -> list[int]:
    with suppress(OSError):
        return [int(word) for word in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]
    return []


class Cluster:
    """Three services and some workers.

    Parameters
    ----------
    folder
        Everything that they write is in it.
    databases
        URL by service.
    broker
        URL of a RabbitMQ; None: HTTP alone.
    task_types
        Folder of task types for the workers.
    settings
        Further environment variables of all of them.
    """

    def __init__(
        self,
        folder: Path,
        databases: Mapping[str, str],
        broker: str | None,
        task_types: Path,
        settings: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self._ports = dict(zip(SERVICES, find_free_ports(len(SERVICES)), strict=True))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._numbers = count(1)
        self._environment = {**os.environ, **settings}
        for service, url in databases.items():
            self._environment[f"EAS_{service.upper()}_DATABASE_URL"] = url
            self._environment[f"EAS_{service.upper()}_PORT"] = str(self._ports[service])
        worker = {
            "SCHEDULER_URL": self.url("scheduler"),
            "PRODUCT_STORE_URL": self.url("product_store"),
            "LOG_SERVICE_URL": self.url("logging"),
            "WORK_DIRECTORY": str(folder / "workers"),
            "TASK_TYPE_FOLDER": str(task_types),
            "PRELOAD": "false",
            "SLOTS": "2",
        }
        self._environment |= {f"EAS_WORKER_{name}": value for name, value in worker.items()}
        self._environment["EAS_SCHEDULER_PRODUCT_STORE_URL"] = self.url("product_store")
        self._environment["EAS_PRODUCT_STORE_ARCHIVE"] = str(folder / "products")
        if broker is not None:
            self._environment |= {f"EAS_{name.upper()}_BROKER_URL": broker for name in (*SERVICES, "worker")}

    def url(self, service: str) -> str:
        """Where a service answers."""
        return f"http://127.0.0.1:{self._ports[service]}"

    @property
    def workers(self) -> list[str]:
        """Names of the workers that were started and not killed."""
        return [name for name in self._processes if name not in SERVICES]

    def start(self, service: str) -> None:
        """Start a service."""
        self._spawn(service, f"eas_{service}.main", {})

    def start_worker(self) -> str:
        """Start a worker under a new name."""
        name = f"worker-{next(self._numbers)}"
        self._spawn(name, "eas_worker.main", {"EAS_WORKER_WORKER_ID": name})
        return name

    def kill(self, name: str) -> None:
        """End a service or a worker without a word."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def find_children(self, worker: str) -> list[int]:
        """List the processes in which a worker's tasks run."""
        servers = _list_children(self._processes[worker].pid)
        return [child for server in servers for child in _list_children(server)]

    async def until_ready(self, service: str) -> None:
        """Wait until a service answers."""
        deadline = time.monotonic() + READY_SECONDS
        async with httpx.AsyncClient(base_url=self.url(service), timeout=5) as http:
            while time.monotonic() < deadline:
                with suppress(httpx.TransportError):
                    if (await http.get("/health/ready")).is_success:
                        return
                await asyncio.sleep(0.1)
        raise TimeoutError(f"{service} does not get ready:\n{self.read_log(service)}")

    def read_log(self, name: str) -> str:
        """Read the last of what a process had to say."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def close(self) -> None:
        """End everything."""
        for name in [*self.workers, *SERVICES]:
            with suppress(KeyError):
                self.kill(name)

    def stop_workers(self) -> None:
        """Let workers end in good order, so that they ship the last of their logs."""
        for name in self.workers:
            self._processes[name].send_signal(signal.SIGTERM)
        for name in self.workers:
            self._processes[name].wait(60)

    def _spawn(self, name: str, module: str, settings: Mapping[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=ROOT,
                env={**self._environment, **settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
