"""The archive: bytes in files on a local disk.

::

    <root>                          what every archive has; see `spool`
    <root>/objects/ab/<store name>  bytes in their place; ab are the first two letters of the name
    <root>/quarantine/<name>        bytes that were found damaged

Bytes are written to ``incoming`` and get their place as a second name of the same, complete file (a hard link).
File and folder are flushed to the disk, the row is committed, and then the incoming name goes. So whatever a killed
process leaves behind is found by looking at ``incoming`` alone, however large the archive is.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from eas.contracts.errors import UnavailableError
from eas_product_store.domain.damage import StoredObject
from eas_product_store.domain.version import Fingerprint
from eas_product_store.storage.spool import (
    ArchiveError,
    Arrival,
    Spool,
    disk_errors,
    put_place,
    read_place,
    sync_folder,
)

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

P = ParamSpec("P")
T = TypeVar("T")

FOLDERS = tuple(f"{number:02x}" for number in range(256))
#: Below this one thread takes a block; handing it to a second would take longer [bytes].
SMALL_BLOCK = 1 << 18
#: How much is written before it is sent to the disk, while more comes [bytes].
FLUSH_EVERY = 1 << 26


class FileArchive(Spool):
    """An archive in a folder.

    Parameters
    ----------
    root
        The folder; made where it is missing.
    threads
        How many files are written, flushed or read at once.
    """

    def __init__(self, root: Path, *, threads: int = 8) -> None:
        super().__init__(root, threads=threads)
        self._objects = root / "objects"
        self._quarantine = root / "quarantine"

    def start(self) -> None:
        """Take the folder into use. Blocks.

        Raises
        ------
        ArchiveError
            Another process uses it, or its file system knows no hard links.
        """
        super().start()
        self._objects.mkdir(exist_ok=True)
        self._quarantine.mkdir(exist_ok=True)
        for name in FOLDERS:
            (self._objects / name).mkdir(exist_ok=True)
        for folder in (self._objects, self._root, self._root.parent):
            sync_folder(folder)
        _check_hard_links(self._incoming)

    def begin(self) -> IncomingFile:
        """Begin to take in bytes."""
        return IncomingFile(self, token_hex(16))

    async def open(self, store_name: str) -> StoredFile:
        """Open stored bytes. Raises FileNotFoundError."""
        return await self.run(lambda: StoredFile(self, self.object_path(store_name)))

    async def place(self, arrival: Arrival) -> None:
        """Give bytes their place, durably; the incoming name stays."""
        await self.run(lambda: arrival.seal(self.object_path(arrival.store_name)))

    async def replace(self, store_name: str, place: str) -> bool:
        """Put bytes that are in their place into another's, and forget their own. Tells whether others were there."""

        def replace() -> bool:
            target = self.object_path(place)
            were_there = target.exists()
            self.object_path(store_name).replace(target)
            self.forget([store_name])
            return were_there

        return await self.run(replace)

    async def remove(self, store_names: Collection[str]) -> None:
        """Remove bytes that no version names; the incoming name last, so that a second try finds them."""

        def remove() -> None:
            for name in store_names:
                self.object_path(name).unlink(missing_ok=True)
            self.forget(store_names)

        await self.run(remove)

    async def clear(self, store_name: str) -> None:
        """Let bytes lose their place; the incoming name stays."""
        await self.run(lambda: self.object_path(store_name).unlink(missing_ok=True))

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
            sync_folder(aside.parent)
            sync_folder(place.parent)
            return True

        return await self.run(move)

    async def release(self, name: str, store_name: str) -> None:
        """Move bytes from quarantine to their place, unless others are there now."""

        def move() -> None:
            place, aside = self.object_path(store_name), self._quarantine / name
            with suppress(FileExistsError):
                place.hardlink_to(aside)
            sync_folder(place.parent)
            aside.unlink()

        await self.run(move)

    async def open_quarantined(self, name: str) -> StoredFile:
        """Open bytes in quarantine. Raises FileNotFoundError."""
        return await self.run(lambda: StoredFile(self, self._quarantine / name))

    def object_path(self, store_name: str) -> Path:
        """Tell where bytes have their place."""
        return self._objects / put_place(store_name)


class IncomingFile:
    """Bytes on their way into the archive.

    The loop gathers one block while two threads write and hash the one before, so no more than two are in memory: the
    MD5 takes about as long as the SHA-256 and the writing together. What has been written of a long file goes to the
    disk meanwhile, and then leaves the page cache: fresh pages can take a virtual machine longer than all the rest.
    """

    def __init__(self, archive: Spool, store_name: str) -> None:
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
        await self._archive.place(self)
        return self.store_name

    async def settle(self) -> None:
        """After the version is registered: forget that the bytes were incoming."""
        await self._archive.settle([self.store_name])

    async def supersede(self, store_name: str) -> bool:
        """After the version is registered with the same bytes of another: take their place.

        These have just been verified; those may have been damaged since. Tells whether they were there.
        """
        return await self._archive.replace(self.store_name, store_name)

    async def abandon(self) -> None:
        """Remove the bytes; also where they were never published."""
        await self._rest()
        await self._archive.run(self._stop)
        await self._archive.remove([self.store_name])

    async def discard(self) -> None:
        """Forget what came, and leave alone what has the place."""
        await self._rest()
        await self._archive.run(self._stop)
        await self._archive.settle([self.store_name])

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

    def seal(self, target: Path | None) -> None:
        """Write no more; with a target, give the bytes this second name and make them durable. Blocks."""
        with self._guard, disk_errors():
            if self._abandoned or self._descriptor is None:
                raise ArchiveError(f"{self.store_name}: there is nothing to publish")
            if target is not None:
                target.hardlink_to(self._path)
                # Both names are there before the flush, so that on a journalling file system one flush serves all.
                os.fchmod(self._descriptor, 0o400)
                os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
            if target is not None:
                sync_folder(target.parent)

    def _stop(self) -> None:
        with self._guard:
            self._abandoned = True
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None


class StoredFile:
    """Bytes in the archive, open for reading. Made in a thread."""

    def __init__(self, archive: Spool, path: Path) -> None:
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
        paths = ((read_place(folder.name, path.name), path) for path in folder.iterdir())
        for name, path in sorted(pair for pair in paths if pair[0] > after):
            with suppress(FileNotFoundError):  # it may be removed in between
                found = path.stat()
                yield StoredObject(name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


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
