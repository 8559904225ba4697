"""Room on local disks: how much there is, what a full disk is called, and blocks that are set aside for a file."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from functools import cache
from pathlib import Path

#: How the system says that a disk, or a user's share of it, is full.
FULL_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT})

_KEEP_SIZE = 1


def free_bytes(folder: Path) -> int:
    """Measure how much this user can still write to the disk that a folder is on [bytes].

    Raises
    ------
    OSError
        The folder cannot be looked at.
    """
    found = os.statvfs(folder)
    blocks = found.f_bfree if os.geteuid() == 0 else found.f_bavail
    return blocks * found.f_frsize


def is_full(error: BaseException) -> bool:
    """Tell whether an error says that a disk, or a user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in FULL_ERRORS


def show_bytes(size: float) -> str:
    """Write a number of bytes for people, in the unit that suits it."""
    for unit in ("B", "kB", "MB"):
        if abs(size) < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def describe_full(folder: Path) -> str:
    """Say that the disk of a folder is full, as the system would, and how much is left."""
    try:
        left = f" ({show_bytes(free_bytes(folder))} left)"
    except OSError:
        left = ""
    return f"no space left on device: {folder}{left}"


def set_blocks_aside(descriptor: int, size: int) -> bool:
    """Give an open file the first `size` bytes of its blocks, without changing its length.

    What is written there afterwards finds room on a disk that is full by then.

    Returns
    -------
    bool
        False where the file system, or the platform, cannot do this.

    Raises
    ------
    OSError
        There is no room.
    """
    if sys.platform != "linux":
        return False
    if _libc().fallocate(descriptor, _KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size)) == 0:
        return True
    number = ctypes.get_errno()
    if number in FULL_ERRORS:
        raise OSError(number, os.strerror(number))
    return False


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
