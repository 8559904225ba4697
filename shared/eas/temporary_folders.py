"""Temporary folders that go away also when the process that made them is killed: the next one removes them.

Each folder has a file that its maker holds locked as long as it lives, and so do the processes to which it passes the
descriptor on. A folder of this user whose file is not locked belongs to nobody any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

LOCK_NAME = ".eas-owner.lock"

#: The most folders to remove at once, so that nobody waits for long.
MOST_REMOVED = 100

#: A folder without a lock, whose maker was killed as it made it, is removed if it is empty and older than this [s].
_EMPTY_SECONDS = 3600.0

_PREFIX = "eas-"

#: A process looks for what others left behind at most this often [s].
_LOOK_SECONDS = 600.0
_next_look = -float("inf")


class TemporaryFolder:
    """A private folder for temporary files, in the system's folder for these.

    Parameters
    ----------
    purpose
        A word for its name.

    Attributes
    ----------
    path
        Where it is.
    lock
        A descriptor. The folder stays for as long as a process has it; give it to those that work in the folder.

    Raises
    ------
    OSError
        It cannot be made.
    """

    def __init__(self, purpose: str) -> None:
        _look_around()
        self.path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{purpose}-")).resolve()
        self.lock = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self.lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Remove it with all that is in it. A second call does nothing."""
        if self.lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self.lock)
            self.lock = -1


@contextlib.contextmanager
def temporary_folder(purpose: str) -> Iterator[TemporaryFolder]:
    """Have a `TemporaryFolder` until the block ends."""
    folder = TemporaryFolder(purpose)
    try:
        yield folder
    finally:
        folder.remove()


def _look_around() -> None:
    global _next_look
    if time.monotonic() >= _next_look:
        _next_look = time.monotonic() + _LOOK_SECONDS
        remove_left_behind()


def remove_left_behind() -> int:
    """Remove folders that processes of this user left behind when they were killed. Returns how many.

    Only folders that `TemporaryFolder` made are looked at, and none of which the maker lives.
    """
    removed = 0
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if removed >= MOST_REMOVED:
                break
            if entry.name.startswith(_PREFIX):
                with contextlib.suppress(OSError):  # it is another user's, or another process is quicker
                    removed += _remove_if_left(Path(entry.path))
    return removed


def _remove_if_left(folder: Path) -> bool:
    found = folder.lstat()
    if found.st_uid != os.getuid() or folder.is_symlink():
        return False
    try:
        lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        if time.time() - found.st_mtime < _EMPTY_SECONDS:
            return False
        folder.rmdir()  # fails unless it is empty
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
    return True
