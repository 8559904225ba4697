"""The part of every archive that is a folder on a local disk: where bytes arrive, and what is remembered of them.

::

    <root>/lock                     held by the one process that uses the archive
    <root>/scrub                    where the scrub goes on
    <root>/uploads/<upload id>      bytes of an upload that may be resumed
    <root>/incoming/<store name>    bytes that no row is known to name yet
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from eas.contracts.errors import InsufficientStorageError

T = TypeVar("T")

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class ArchiveError(RuntimeError):
    """The folder or bucket cannot be used as an archive; the message says why."""


@contextmanager
def disk_errors() -> Iterator[None]:
    """Say `InsufficientStorageError` where the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise InsufficientStorageError(f"the product store's disk is full: {error.strerror}") from error
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Blocks."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Arrival(Protocol):
    """Bytes that have all come."""

    store_name: str

    def seal(self, target: Path | None) -> None:
        """Write no more; with a target, give the bytes this second name and make them durable. Blocks."""


class Spool(ABC):
    """The local folder of an archive, and the threads that use it.

    Parameters
    ----------
    root
        The folder; made where it is missing.
    threads
        How many files are written, flushed or read at once.
    """

    def __init__(self, root: Path, *, threads: int = 8) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._uploads = root / "uploads"
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="archive")
        self._lock: int | None = None

    def start(self) -> None:
        """Take the folder into use. Blocks.

        Raises
        ------
        ArchiveError
            Another process uses it.
        """
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._uploads.mkdir(exist_ok=True)
        self._lock = _lock(self._root / "lock")

    def stop(self) -> None:
        """Give the folder back, after what is being written. Blocks."""
        self._pool.shutdown()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def check(self) -> None:
        """Raise where nothing can be written."""
        if not os.access(self._incoming, os.W_OK):
            raise ArchiveError(f"{self._incoming} cannot be written to")

    @abstractmethod
    async def place(self, arrival: Arrival) -> None:
        """Give bytes their place, durably; the incoming name stays."""

    @abstractmethod
    async def replace(self, store_name: str, place: str) -> bool:
        """Put bytes that are in their place into another's, and forget their own. Tells whether others were there."""

    @abstractmethod
    async def remove(self, store_names: Collection[str]) -> None:
        """Remove bytes that no version names; the incoming name last, so that a second try finds them."""

    async def read_scrub_position(self) -> int:
        """Tell where the scrub is to go on; 0, the beginning, also where the file cannot be understood."""
        return await self.run(self._read_position)

    async def write_scrub_position(self, after: int) -> None:
        """Remember where the scrub is to go on."""
        await self.run(lambda: (self._root / "scrub").write_text(f"{after}\n"))

    def _read_position(self) -> int:
        path = self._root / "scrub"
        text = path.read_text().strip() if path.exists() else ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0

    async def list_unsettled(self) -> list[str]:
        """List the store names of bytes that are incoming, or were when an earlier process ended."""
        return await self.run(lambda: sorted(path.name for path in self._incoming.iterdir()))

    async def settle(self, store_names: Collection[str]) -> None:
        """Forget that these bytes were incoming."""
        await self.run(lambda: self.forget(store_names))

    def forget(self, store_names: Collection[str]) -> None:
        """Remove incoming names. Blocks."""
        for name in store_names:
            self.incoming_path(name).unlink(missing_ok=True)

    def incoming_path(self, store_name: str) -> Path:
        """Tell where bytes arrive."""
        return self._incoming / store_name

    @property
    def uploads(self) -> Path:
        """Tell where the bytes of uploads that may be resumed arrive."""
        return self._uploads

    def upload_path(self, upload_id: str) -> Path:
        """Tell where those of one of them are."""
        return self._uploads / upload_id

    def submit(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Begin a call in one of the archive's threads."""
        return asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def run(self, call: Callable[[], T]) -> T:
        """Make a call in one of the archive's threads."""
        return await self.submit(call)


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ArchiveError(f"{path.parent}: another process uses this archive") from error
    return descriptor


def put_place(store_name: str) -> str:
    """Tell the place of bytes among the objects: a folder named after the first two letters."""
    return store_name if "/" in store_name else f"{store_name[:2]}/{store_name}"


def read_place(folder: str, name: str) -> str:
    """Tell the store name of bytes in a place; one that the archive did not give begins with the folder."""
    return name if name.startswith(folder) and "/" not in name else f"{folder}/{name}"
