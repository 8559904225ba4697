"""What workers say on their standard streams: a file for each, of which those of dead workers go in time."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from eas.disk import describe_full, free_bytes

logger = logging.getLogger(__name__)

#: How many files of workers that died are kept, the newest ones.
MOST_KEPT = 10

LAST_WORDS = 300

#: With less room than this nobody can write down why it ended [bytes].
NOTHING_LEFT = 1_000_000


class WorkerLogs:
    """The folder of these files.

    Parameters
    ----------
    folder
        Exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path_of(self, worker_id: str) -> Path:
        """Name the file of a worker."""
        return self._folder / f"{worker_id}.log"

    @contextmanager
    def opened(self, worker_id: str) -> Iterator[int]:
        """Make the file of a worker that is about to start, as a descriptor that the worker inherits.

        The file is locked for as long as any process has the descriptor. So a locked file is a living worker's.

        Raises
        ------
        OSError
            It cannot be made.
        """
        path = self.path_of(worker_id)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def prune(self) -> int:
        """Remove the files of dead workers but the newest. Returns how many were removed."""
        dead = sorted(self._find_dead(), key=lambda found: found[0], reverse=True)
        for _, path in dead[MOST_KEPT:]:
            path.unlink(missing_ok=True)
        return len(dead[MOST_KEPT:])

    def read_last_words(self, worker_id: str) -> str:
        """Read the last line that a worker wrote, and say where the disk was too full for it to write one."""
        if free_bytes(self._folder) < NOTHING_LEFT:
            return describe_full(self._folder)
        with suppress(FileNotFoundError):
            text = self.path_of(worker_id).read_text("utf-8", errors="replace")
            lines = [line for line in text[-65536:].splitlines() if line.strip()]
            return lines[-1].strip()[:LAST_WORDS] if lines else ""
        return ""

    def _find_dead(self) -> Iterator[tuple[float, Path]]:
        for path in self._folder.glob("*.log"):
            with suppress(OSError):  # it has gone meanwhile, or is locked
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    found = os.fstat(descriptor).st_mtime
                finally:
                    os.close(descriptor)
                yield found, path
