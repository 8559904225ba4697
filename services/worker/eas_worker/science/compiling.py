"""Only one process of a user compiles kernels at a time.

Two processes that write the same kernel into numba's cache on disk at once can leave an index that names the other's
machine code. Every later process that loads it crashes, until the cache is removed by hand.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """Wait until no other process of this user compiles, and keep the others waiting until the block ends.

    Without a place for the lock file (``NUMBA_CACHE_DIR``, otherwise the folder for temporary files) nobody waits.
    """
    try:
        lock = _open_lock()
    except OSError:
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _open_lock() -> int:
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(folder / f".plato-eas-kernels-{os.getuid()}.lock", flags, 0o600)
