"""A log service in a process of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.support.private_server import free_port

ROOT = Path(__file__).parents[3]


class LogServiceProcess:
    """The real service in a process of its own, which can be killed and started again."""

    def __init__(self, folder: Path, database: str, **settings: str) -> None:
        self.folder = folder
        self._settings = {f"EAS_LOGGING_{name.upper()}": value for name, value in settings.items()}
        self._port = free_port()
        self.database = database
        self.url = f"http://127.0.0.1:{self._port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        own = {"EAS_LOGGING_DATABASE_URL": self.database, "EAS_LOGGING_PORT": str(self._port)}
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "eas_logging.main"],
                cwd=ROOT,
                env={**os.environ, **self._settings, **own},
                stdout=log,
                stderr=log,
            )

    def log(self) -> str:
        """Read what it had to say."""
        return (self.folder / "service.log").read_text()

    async def ready(self) -> None:
        deadline = time.monotonic() + 180
        async with httpx.AsyncClient(base_url=self.url) as http:
            while time.monotonic() < deadline:
                try:
                    if (await http.get("/health/ready")).is_success:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        raise TimeoutError("the log service does not get ready")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
