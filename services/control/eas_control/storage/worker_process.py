"""A worker's process, as its parent sees it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress

from eas_control.storage.worker_logs import WorkerLogs


class WorkerProcess:
    """A running worker.

    It has a session of its own, so that Ctrl-C reaches it only through its parent, and it stops when its standard input
    ends, so that it does not outlive a parent that was killed.

    Parameters
    ----------
    worker_id
        Its name.
    process
        The process.
    logs
        Where it writes what it says on its standard streams.
    """

    def __init__(self, worker_id: str, process: asyncio.subprocess.Process, logs: WorkerLogs) -> None:
        self.worker_id = worker_id
        self._logs = logs
        self._process = process

    @classmethod
    async def start(cls, worker_id: str, settings: Mapping[str, str], logs: WorkerLogs) -> WorkerProcess:
        """Start a worker.

        Parameters
        ----------
        worker_id
            Its name.
        settings
            Its environment variables besides this process's own.
        logs
            Gets the file with its words.

        Raises
        ------
        OSError
            It cannot be started.
        """
        await asyncio.to_thread(logs.prune)
        environment = {name: value for name, value in os.environ.items() if not _is_secret(name)}
        environment |= settings
        environment |= {"EAS_WORKER_WORKER_ID": worker_id, "EAS_WORKER_FOLLOW_PARENT": "true", "PYTHONSAFEPATH": "1"}
        with logs.opened(worker_id) as descriptor:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "eas_worker.main"),
                stdin=asyncio.subprocess.PIPE,
                stdout=descriptor,
                stderr=descriptor,
                env=environment,
                start_new_session=True,
            )
        return cls(worker_id, process, logs)

    async def wait(self) -> int:
        """Wait for its end. Returns the exit status, or the negative number of the signal that killed it."""
        status = await self._process.wait()
        if status == 0:
            self._logs.path_of(self.worker_id).unlink(missing_ok=True)
        return status

    def ask_to_stop(self) -> None:
        """Let it stop in good order; asked a second time, it stops at once."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def read_last_words(self) -> str:
        """Read the last line that it wrote, or why it could not write one; nothing if it wrote none."""
        return self._logs.read_last_words(self.worker_id)


def _is_secret(name: str) -> bool:
    """Tell whether an environment variable is nothing for a worker: where databases are, and how users get in."""
    return name in ("EAS_URL", "EAS_TOKEN", "EAS_DATABASE", "EAS_BROKER") or name.endswith("_DATABASE_URL")
