"""Room for log records that is set aside while there is some on the disk, for the time when there is none.

The reserve of a spool folder is a number of empty files that have their blocks already. A writer that finds the disk
full makes one of them its next segment, by renaming it, and goes on in it: no other program can take the room in
between. Segments that came from the reserve are shipped and deleted like any other.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from eas.disk import is_full, set_blocks_aside

#: One file of the reserve. A writer takes one at a time [bytes].
PIECE_BYTES = 256 * 1024

_PREFIX = "reserve."

#: Longer than any segment's name: the folder itself can be full, too, and a renamed file shall fit where it was.
_NAME_LENGTH = 96


class JournalReserve:
    """The reserve of one spool folder, as the process sees it that fills it.

    Parameters
    ----------
    spool
        The folder.
    size
        How much to set aside [bytes]; what is no whole piece is left out.
    """

    def __init__(self, spool: Path, size: int) -> None:
        self._spool = spool
        self._pieces = size // PIECE_BYTES

    def fill(self) -> bool:
        """Set aside what is missing. Returns whether the reserve is complete; a full disk leaves it incomplete."""
        for number in range(self._pieces):
            path = self._spool / f"{_PREFIX}{number:06d}".ljust(_NAME_LENGTH, "_")
            if path.exists():
                continue
            temporary = path.with_name(f".new.{path.name}")
            try:
                _allocate(temporary)
                temporary.rename(path)
            except OSError as error:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                if not is_full(error):
                    raise
                return False
        return True


def take_piece(spool: Path, target: Path, lock: Callable[[int], bool]) -> int | None:
    """Make a file of the reserve a segment.

    Parameters
    ----------
    spool
        The folder.
    target
        The segment's path. It must not exist.
    lock
        Locks an open file; False where another process has it.

    Returns
    -------
    int or None
        The segment's descriptor, open for appending and locked; None where the reserve is used up.
    """
    with os.scandir(spool) as entries:
        names = sorted(entry.name for entry in entries if entry.name.startswith(_PREFIX))
    for name in names:
        with contextlib.suppress(FileNotFoundError):  # another writer was quicker
            path = spool / name
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
            try:
                if lock(descriptor) and path.stat().st_ino == os.fstat(descriptor).st_ino:
                    if os.fstat(descriptor).st_size:
                        os.ftruncate(descriptor, 0)
                    path.rename(target)
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
    return None


def _allocate(path: Path) -> None:
    """Make a file that has its blocks. Where a file system sets none aside, the file is full of zeros instead."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        if not set_blocks_aside(descriptor, PIECE_BYTES):
            data = bytes(PIECE_BYTES)
            while data:
                data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)
