"""Room for the index of SQLite's write-ahead log, which is a mapped file (``<database>-shm``).

A process that writes to a mapped page for which the file system finds no block is killed by SIGBUS; no error can be
returned. SQLite gives a new page its block by writing the page's last byte. That is enough where blocks are as long as
pages (4 KiB). Where they are shorter, the rest of the page is a hole, and the first write through the map needs a block
that a full disk does not have. So a database is opened only where there is room, and the index gets all its blocks as
soon as SQLite has made it.

The index file is never opened here: when a process closes any descriptor of a file, it loses the locks that SQLite
holds on it through another one. SQLite's own descriptor is used.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from eas.contracts.errors import InsufficientStorageError
from eas.disk import free_bytes, is_full, set_blocks_aside, show_bytes

#: What opening a database may take: the index and the log's first pages [bytes].
OPENING_BYTES = 1 << 20

#: The index of a log of 1 GiB [bytes]. SQLite folds the log back long before it is as long as that.
INDEX_BYTES = 2 << 20

#: SQLite makes the index longer by so much at a time [bytes].
REGION_BYTES = 32 << 10


def require_room(database: Path) -> None:
    """See that a database can be opened without danger. Does nothing where this process has it open.

    Raises
    ------
    InsufficientStorageError
        Its disk is full.
    """
    index = _index_of(database)
    if _find_descriptor(index) is not None:
        return
    room = free_bytes(database.parent)
    with suppress(FileNotFoundError):  # what an earlier process left behind is emptied first
        room += index.stat().st_blocks * 512
    if room < OPENING_BYTES:
        raise InsufficientStorageError(
            f"no space left on device: {database.parent} has {show_bytes(room)} left; opening the database "
            f"{database.name} takes {show_bytes(OPENING_BYTES)}"
        )


def secure_index(database: Path) -> None:
    """Give the index of a database that this process has just opened all blocks that it will need.

    Where there is no room for all of them it gets fewer, but at least those of its first part.

    Raises
    ------
    InsufficientStorageError
        There is no room for these.
    """
    descriptor = _find_descriptor(_index_of(database))
    if descriptor is None:  # on this platform it cannot be found
        return
    size = INDEX_BYTES
    while True:
        try:
            set_blocks_aside(descriptor, size)
        except OSError as error:
            if not is_full(error):
                raise
            if size <= REGION_BYTES:
                raise InsufficientStorageError(f"no space left on device: {database.parent}") from error
            size //= 2
        else:
            return


def _index_of(database: Path) -> Path:
    return database.with_name(f"{database.name}-shm")


def _find_descriptor(index: Path) -> int | None:
    """Find the descriptor under which this process has a file open."""
    wanted = str(index.resolve())
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - their names are numbers
            with suppress(OSError):
                if os.readlink(f"/proc/self/fd/{name}") == wanted:  # noqa: PTH115 - not resolved
                    return int(name)
    return None
