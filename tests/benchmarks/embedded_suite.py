"""A real suite, as `eas up` starts it, in a folder of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunningSuite:
    """Where a suite answers, and to whom, and the process of its services."""

    url: str
    tokens: dict[str, str]
    process_id: int


@contextmanager
def embedded_suite(
    *, workers: int = 2, database: str | None = None, broker: str | None = None
) -> Iterator[RunningSuite]:
    """Start the suite, wait until it says that it is ready, and stop it afterwards."""
    with tempfile.TemporaryDirectory(prefix="eas-bench-") as folder:
        eas = Path(sys.executable).with_name("eas")
        command = [str(eas), "up", "--data", folder, "--port", "0", "--workers", str(workers)]
        command += ["--database", database] if database else []
        command += ["--broker", broker] if broker else []
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if "http://" not in line:
                raise RuntimeError(f"eas up did not become ready: {line!r}")
            url = next(word for word in line.split() if word.startswith("http://"))
            document = json.loads((Path(folder) / "tokens.json").read_text())
            yield RunningSuite(url, {entry["name"]: token for token, entry in document.items()}, process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
