"""The archive: bytes in files on a local disk.

::

    <root>/lock                     held by the one process that uses the archive
    <root>/uploads/<upload id>      bytes of an upload that may be resumed
    <root>/incoming/<store name>    bytes that no row is known to name yet
    <root>/objects/ab/<store name>  bytes in their place; ab are the first two letters of the name
    <root>/quarantine/<name>        bytes that were found damaged

Bytes are written to ``incoming`` and get their place as a second name of the same, complete file (a hard link).
File and folder are flushed to the disk, the row is committed, and then the incoming name goes. So whatever a killed
process leaves behind is found by looking at ``incoming`` alone, however large the archive is.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from services.product_store.domain.damage import StoredObject
from services.product_store.domain.version import Fingerprint
from shared.contracts.errors import InsufficientStorageError, UnavailableError

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

P = ParamSpec("P")
T = TypeVar("T")

FOLDERS = tuple(f"{number:02x}" for number in range(256))
#: Below this one thread takes a block; handing it to a second would take longer [bytes].
SMALL_BLOCK = 1 << 18
#: How much is written before it is sent to the disk, while more comes [bytes].
FLUSH_EVERY = 1 << 26
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class ArchiveError(RuntimeError):
    """The folder cannot be used as an archive; the message says why."""


@contextmanager
def disk_errors() -> Iterator[None]:
    """Say `InsufficientStorageError` where the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise InsufficientStorageError(f"the product store's disk is full: {error.strerror}") from error
        raise


class FileArchive:
    """An archive in a folder.

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
        self._objects = root / "objects"
        self._quarantine = root / "quarantine"
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="archive")
        self._lock: int | None = None

    def start(self) -> None:
        """Take the folder into use. Blocks.

        Raises
        ------
        ArchiveError
            Another process uses it, or its file system knows no hard links.
        """
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._uploads.mkdir(exist_ok=True)
        self._objects.mkdir(exist_ok=True)
        self._quarantine.mkdir(exist_ok=True)
        self._lock = _lock(self._root / "lock")
        for name in FOLDERS:
            (self._objects / name).mkdir(exist_ok=True)
        for folder in (self._objects, self._root, self._root.parent):
            _sync_folder(folder)
        _check_hard_links(self._incoming)

    def stop(self) -> None:
        """Give the folder back, after what is being written. Blocks."""
        self._pool.shutdown()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def check(self) -> None:
        """Raise where nothing can be written."""
        if not os.access(self._incoming, os.W_OK):
            raise ArchiveError(f"{self._incoming} cannot be written to")

    def begin(self) -> IncomingFile:
        """Begin to take in bytes."""
        return IncomingFile(self, token_hex(16))

    async def open(self, store_name: str) -> StoredFile:
        """Open stored bytes. Raises FileNotFoundError."""
        return await self.run(lambda: StoredFile(self, self.object_path(store_name)))

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
        """List the store names of bytes that were incoming when an earlier process ended."""
        return await self.run(lambda: sorted(path.name for path in self._incoming.iterdir()))

    async def settle(self, store_names: Collection[str]) -> None:
        """Forget that these bytes were incoming."""
        await self.run(lambda: self._settle(store_names))

    async def remove(self, store_names: Collection[str]) -> None:
        """Remove bytes that no version names; the incoming name last, so that a second try finds them."""
        await self.run(lambda: self.remove_now(store_names))

    def remove_now(self, store_names: Collection[str]) -> None:
        """Remove bytes. Blocks."""
        for name in store_names:
            self.object_path(name).unlink(missing_ok=True)
            self.incoming_path(name).unlink(missing_ok=True)

    async def list_objects(self, after: str, limit: int) -> list[StoredObject]:
        """List what is in its place by name, from the first beyond `after`."""
        return await self.run(lambda: list(islice(_walk(self._objects, after), limit)))

    async def quarantine(self, store_name: str, name: str) -> bool:
        """Move bytes into quarantine, durably; again, it changes nothing. Tells whether they are there."""

        def move() -> bool:
            place, aside = self.object_path(store_name), self._quarantine / name
            if not aside.exists():
                try:
                    place.rename(aside)
                except FileNotFoundError:
                    return False
            _sync_folder(aside.parent)
            _sync_folder(place.parent)
            return True

        return await self.run(move)

    async def release(self, name: str, store_name: str) -> None:
        """Move bytes from quarantine to their place, unless others are there now."""

        def move() -> None:
            place, aside = self.object_path(store_name), self._quarantine / name
            with suppress(FileExistsError):
                place.hardlink_to(aside)
            _sync_folder(place.parent)
            aside.unlink()

        await self.run(move)

    async def open_quarantined(self, name: str) -> StoredFile:
        """Open bytes in quarantine. Raises FileNotFoundError."""
        return await self.run(lambda: StoredFile(self, self._quarantine / name))

    def object_path(self, store_name: str) -> Path:
        """Tell where bytes have their place."""
        return self._objects / _place(store_name)

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

    def _settle(self, store_names: Collection[str]) -> None:
        for name in store_names:
            self.incoming_path(name).unlink(missing_ok=True)

    def submit(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Begin a call in one of the archive's threads."""
        return asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def run(self, call: Callable[[], T]) -> T:
        """Make a call in one of the archive's threads."""
        return await self.submit(call)


class IncomingFile:
    """Bytes on their way into the archive.

    The loop gathers one block while two threads write and hash the one before, so no more than two are in memory: the
    MD5 takes about as long as the SHA-256 and the writing together. What has been written of a long file goes to the
    disk meanwhile, and then leaves the page cache: fresh pages can take a virtual machine longer than all the rest.
    """

    def __init__(self, archive: FileArchive, store_name: str) -> None:
        self.store_name = store_name
        self._archive = archive
        self._path = archive.incoming_path(store_name)
        self._descriptor: int | None = None
        self._abandoned = False
        self._guard = threading.Lock()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._writing: list[asyncio.Future[None]] = []
        self._flushing: asyncio.Future[None] | None = None
        self._flushed_to = 0

    async def append(self, chunks: Sequence[bytes]) -> None:
        """Take the next bytes, for good; waits while earlier ones are being written."""
        await self._wait()
        size = sum(map(len, chunks))
        if size < SMALL_BLOCK:
            self._writing = [self._archive.submit(lambda: self._write(chunks, self._sha256, self._md5))]
            return
        if self._size - self._flushed_to >= FLUSH_EVERY and self._descriptor is not None:
            await self._flushed()
            begin, self._flushed_to = self._flushed_to, self._size
            self._flushing = self._archive.submit(
                partial(_flush_and_let_go, self._descriptor, begin, self._flushed_to - begin)
            )
        self._writing = [
            self._archive.submit(lambda: self._write(chunks, self._sha256)),
            self._archive.submit(lambda: _hash(chunks, self._md5)),
        ]

    async def finish(self) -> Fingerprint:
        """Wait until all is written and tell its fingerprint."""
        await self._wait()
        await self._flushed()
        return Fingerprint(self._md5.hexdigest(), self._sha256.hexdigest(), self._size)

    async def publish(self) -> str:
        """Make the bytes durable in their place and tell their store name."""
        await self._archive.run(self._publish)
        return self.store_name

    async def settle(self) -> None:
        """After the version is registered: forget that the bytes were incoming."""
        await self._archive.settle([self.store_name])

    async def supersede(self, store_name: str) -> bool:
        """After the version is registered with the same bytes of another: take their place.

        These have just been verified; those may have been damaged since. Tells whether they were there.
        """

        def replace() -> bool:
            place = self._archive.object_path(store_name)
            were_there = place.exists()
            self._archive.object_path(self.store_name).replace(place)
            self._archive.incoming_path(self.store_name).unlink(missing_ok=True)
            return were_there

        return await self._archive.run(replace)

    async def abandon(self) -> None:
        """Remove the bytes; also where they were never published."""
        await self._rest()
        await self._archive.run(self._abandon)

    async def _wait(self) -> None:
        """Wait for the threads that have a block, and raise what kept them from writing it."""
        if self._writing:
            await asyncio.wait(self._writing)
            writing, self._writing = self._writing, []
            for done in writing:
                done.result()

    async def _flushed(self) -> None:
        """Wait for the flush that is under way. The disk says only once that it could not write."""
        if self._flushing is not None:
            await asyncio.wait([self._flushing])
            flushing, self._flushing = self._flushing, None
            with disk_errors():
                flushing.result()

    async def _rest(self) -> None:
        """Wait until no thread has to do with the file, whatever came of it."""
        for wait in (self._wait, self._flushed):
            with suppress(OSError, UnavailableError):
                await wait()

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def _write(self, chunks: Sequence[bytes], *digests: Hash) -> None:
        with self._guard, disk_errors():
            if self._abandoned:
                return
            if self._descriptor is None:
                self._descriptor = self._open()
            _hash(chunks, *digests)
            self._size += sum(map(len, chunks))
            _write_all(self._descriptor, chunks)

    def _publish(self) -> None:
        with self._guard, disk_errors():
            if self._abandoned or self._descriptor is None:
                raise ArchiveError(f"{self.store_name}: there is nothing to publish")
            target = self._archive.object_path(self.store_name)
            target.hardlink_to(self._path)
            # Both names are there before the flush, so that on a journalling file system one flush serves all three.
            os.fchmod(self._descriptor, 0o400)
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
            _sync_folder(target.parent)

    def _abandon(self) -> None:
        with self._guard:
            self._abandoned = True
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
            self._archive.remove_now([self.store_name])


class StoredFile:
    """Bytes in the archive, open for reading. Made in a thread."""

    def __init__(self, archive: FileArchive, path: Path) -> None:
        self._archive = archive
        self._guard = threading.Lock()
        self._sha256 = hashlib.sha256()
        self._file = path.open("rb", buffering=0)
        self.size = os.fstat(self._file.fileno()).st_size

    async def read(self, size: int) -> bytes:
        """Read the next bytes; fewer than `size` only at the end. All reads together make up `sha256`."""
        return await self._archive.run(lambda: self._read(size))

    async def seek(self, offset: int) -> None:
        """Go to a place."""
        self._file.seek(offset)

    def sha256(self) -> str:
        """Tell the digest of all bytes read so far."""
        return self._sha256.hexdigest()

    async def close(self) -> None:
        """Close the file, after a read that is under way."""
        await self._archive.run(self._close)

    def _read(self, size: int) -> bytes:
        with self._guard:
            block = self._file.read(size)
            self._sha256.update(block)
            return block

    def _close(self) -> None:
        with self._guard:
            self._file.close()


def _walk(objects: Path, after: str) -> Iterator[StoredObject]:
    """Go through all files by name. A folder is listed when its turn comes."""
    for folder in sorted(path for path in objects.iterdir() if path.is_dir()):
        if folder.name < after[:2]:
            continue
        paths = ((_name(path), path) for path in folder.iterdir())
        for name, path in sorted(pair for pair in paths if pair[0] > after):
            with suppress(FileNotFoundError):  # it may be removed in between
                found = path.stat()
                yield StoredObject(name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _name(path: Path) -> str:
    """Tell the store name of a file; one that the archive did not give begins with the folder."""
    folder = path.parent.name
    return path.name if path.name.startswith(folder) else f"{folder}/{path.name}"


def _place(store_name: str) -> str:
    """Tell the place of a file among the objects."""
    return store_name if "/" in store_name else f"{store_name[:2]}/{store_name}"


def _hash(chunks: Sequence[bytes], *digests: Hash) -> None:
    for digest in digests:
        for chunk in chunks:
            digest.update(chunk)


def _flush_and_let_go(descriptor: int, begin: int, size: int) -> None:
    os.fdatasync(descriptor)
    os.posix_fadvise(descriptor, begin, size, os.POSIX_FADV_DONTNEED)


def _write_all(descriptor: int, chunks: Sequence[bytes]) -> None:
    rest = [memoryview(chunk) for chunk in chunks if chunk]
    while rest:
        written = os.writev(descriptor, rest)
        while rest and written >= len(rest[0]):
            written -= len(rest.pop(0))
        if written:
            rest[0] = rest[0][written:]


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ArchiveError(f"{path.parent}: another process uses this archive") from error
    return descriptor


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_hard_links(folder: Path) -> None:
    probe, link = folder / ".probe", folder / ".probe-link"
    try:
        probe.touch()
        link.unlink(missing_ok=True)
        link.hardlink_to(probe)
    except OSError as error:
        raise ArchiveError(f"{folder}: the archive needs a file system with hard links: {error.strerror}") from error
    finally:
        for path in (link, probe):
            with suppress(OSError):
                path.unlink()
