"""The worker's own folder on local disk: working directories of attempts, long messages, and the spool of log records.

::

    <work directory>/
        <worker id>/          mode 0700
            owner.lock        held by the supervisor as long as it lives
            attempts/<id>/    private working directory, with inputs/<number>/
            attempts/scratch-<pid>/    where a child runs attempts that have no files
            incoming/         files on their way into the host's cache
            journal/          log records that are not stored yet

A folder whose lock is free belonged to a worker that was killed. The next worker removes its attempts, and ships its
log records as its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from eas_worker.storage.process_tree import kill_left_behind

logger = logging.getLogger(__name__)

LOCK_NAME = "owner.lock"

#: The folder of files that all workers of the host share. No worker can have this name.
CACHE_NAME = "~cache"


class WorkspaceError(RuntimeError):
    """The work directory cannot be used; the message says why."""


class LocalWorkspace:
    """The folder of one worker.

    Parameters
    ----------
    root
        The work directory, shared by the workers of a host.
    worker_id
        Name of the folder.

    Raises
    ------
    WorkspaceError
        The work directory is another user's or open to others' writing, or the folder is in use.
    """

    def __init__(self, root: Path, worker_id: str) -> None:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        _refuse_foreign(root)
        self._root = root.resolve()
        self.home = self._root / worker_id
        self.attempts = self.home / "attempts"
        self.journal = self.home / "journal"
        self.incoming = self.home / "incoming"
        self.cache = self._root / CACHE_NAME
        with _alone(self._root):
            for folder in (self.home, self.attempts, self.journal):
                folder.mkdir(mode=0o700, exist_ok=True)
            lock = _lock(self.home)
        if lock is None:
            raise WorkspaceError(f"{self.home}: a worker of this name is running")
        self._lock = lock
        _end_processes(self.attempts)  # of a worker of this name that was killed
        for folder in (self.attempts, self.incoming):
            self._remove_tree(folder)
            folder.mkdir(mode=0o700)

    def adopt_orphans(self) -> int:
        """Clear up after workers that were killed. Returns how many there were."""
        with _alone(self._root):
            others = [path for path in self._root.iterdir() if path != self.home and (path / LOCK_NAME).exists()]
            return sum(self._adopt(folder) for folder in others)

    def folder(self, attempt_id: int) -> Path:
        """Name the working directory of an attempt."""
        return self.attempts / str(attempt_id)

    def scratch(self, child_pid: int) -> Path:
        """Name the folder where a child runs attempts that have no files."""
        return self.attempts / f"scratch-{child_pid}"

    def create_inputs(self, attempt_id: int, slots: Sequence[str]) -> list[Path]:
        """Make the working directory with a folder for each input slot."""
        folder = self.folder(attempt_id)
        targets = [folder / "inputs" / str(index) for index, _ in enumerate(slots)]
        for target in targets:
            target.mkdir(parents=True, mode=0o700)
        return targets

    async def remove(self, attempt_id: int) -> None:
        """Remove the working directory and messages of an attempt."""
        await asyncio.to_thread(self._remove_attempt, attempt_id)

    async def remove_scratch(self, child_pid: int) -> None:
        """Remove the scratch folder of a dead child."""
        await asyncio.to_thread(self._remove_tree, self.scratch(child_pid))

    def close(self) -> None:
        """Remove the folder. Log records that are not stored yet stay, for the next worker to ship."""
        self._remove_tree(self.attempts)
        self._remove_tree(self.incoming)
        if not any(self.journal.glob("*.ndjson")):
            self._remove_tree(self.home)
        for path in self.journal.glob("reserve.*"):
            path.unlink(missing_ok=True)
        os.close(self._lock)

    def _remove_attempt(self, attempt_id: int) -> None:
        for name in ("task", "result"):
            (self.attempts / f"{attempt_id}.{name}.json").unlink(missing_ok=True)
        self._remove_tree(self.folder(attempt_id))

    def _adopt(self, folder: Path) -> bool:
        lock = _lock(folder)
        if lock is None:
            return False
        try:
            _end_processes(folder / "attempts")
            self._adopt_journal(folder / "journal")
            self._remove_tree(folder)
        finally:
            os.close(lock)
        return True

    def _adopt_journal(self, journal: Path) -> None:
        for segment in journal.glob("*.ndjson"):
            segment.rename(self.journal / segment.name)
        rejected = journal / "rejected"
        if rejected.exists():
            with (self.journal / "rejected").open("ab") as file:
                file.write(rejected.read_bytes())

    def _remove_tree(self, folder: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder, onerror=_unlock_and_retry)


def _end_processes(attempts: Path) -> None:
    if killed := kill_left_behind(attempts):
        logger.warning("ended %d processes that a worker left behind", killed)


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Keep other workers of this host from starting, or clearing up, meanwhile: folder and lock appear together."""
    descriptor = os.open(root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock(folder: Path) -> int | None:
    """Lock a worker's folder; None where its worker lives."""
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _refuse_foreign(root: Path) -> None:
    found = root.stat()
    if found.st_uid != os.getuid():
        raise WorkspaceError(f"work directory {root}: belongs to user {found.st_uid}, not to this worker's")
    if stat.S_IMODE(found.st_mode) & 0o022:
        raise WorkspaceError(f"work directory {root}: others can write to it; chmod it to 0700")


def _unlock_and_retry(_function: object, path: str, _error: object) -> None:
    """A task took away its own right to delete: give it back and try again; what still stays is reported."""
    try:
        parent = Path(path).parent
        parent.chmod(0o700)
        if Path(path).is_dir() and not Path(path).is_symlink():
            Path(path).chmod(0o700)
            shutil.rmtree(path)
        else:
            Path(path).unlink(missing_ok=True)
    except OSError as error:
        logger.warning("%s cannot be removed: %s", path, error)
