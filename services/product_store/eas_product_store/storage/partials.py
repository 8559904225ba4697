"""Uploads that may be resumed: their bytes lie in the archive's ``uploads`` folder until they are committed."""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from eas_product_store.domain.upload import PartialState
from eas_product_store.storage.archive import IncomingFile
from eas_product_store.storage.spool import Spool, disk_errors

_BLOCK = 1 << 20


class PartialArchive:
    """The part of an archive where such uploads are."""

    def __init__(self, archive: Spool) -> None:
        self._archive = archive

    def resume(self, upload_id: str) -> PartialFile:
        """Go on with the bytes of an upload, or begin them."""
        return PartialFile(self._archive, upload_id)

    async def measure_partial(self, upload_id: str) -> PartialState:
        """Tell how many bytes of an upload are there, and since when. Nothing, where there are none."""
        return await self._archive.run(lambda: _measure(self._archive.upload_path(upload_id)))

    async def list_partials(self) -> list[str]:
        """List the uploads of which there are bytes."""
        return await self._archive.run(lambda: sorted(path.name for path in self._archive.uploads.iterdir()))

    async def remove_partials(self, upload_ids: Collection[str]) -> None:
        """Remove the bytes of uploads; those that were published stay in their place."""

        def remove() -> None:
            for upload_id in upload_ids:
                self._archive.upload_path(upload_id).unlink(missing_ok=True)

        await self._archive.run(remove)

    async def measure_room(self) -> int:
        """Tell how many bytes more the disk can take."""

        def measure() -> int:
            found = os.statvfs(self._archive.uploads)
            return found.f_bavail * found.f_frsize

        return await self._archive.run(measure)


class PartialFile(IncomingFile):
    """Bytes of an upload that may be resumed. Once something failed it is given up and made anew from the disk."""

    def __init__(self, archive: Spool, upload_id: str) -> None:
        super().__init__(archive, upload_id)
        self._path = archive.upload_path(upload_id)

    async def load(self) -> int:
        """Hash what is on the disk, and tell how many bytes there are."""
        await self._archive.run(self._load)
        return self._size

    async def flush(self) -> int:
        """Make all bytes durable, and tell how many there are."""
        await self._wait()
        await self._flushed()
        await self._archive.run(self._flush)
        return self._size

    async def cut(self, size: int) -> None:
        """Take back all but the first `size` bytes, and give this up."""
        await self._rest()
        await self._archive.run(lambda: os.truncate(self._path, size))
        await self.close()

    async def close(self) -> None:
        """Give this up; the bytes on the disk stay."""
        await self._rest()
        await self._archive.run(self._close)

    async def publish(self) -> str:
        """Make the bytes durable in their place, with an incoming name, and tell their store name."""
        await self._archive.run(self._link)
        return await super().publish()

    def _open(self) -> int:
        self._path.touch(0o600)
        self._path.chmod(0o600)
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)

    def _load(self) -> None:
        with self._guard, disk_errors():
            self._descriptor = self._open()
            while block := os.pread(self._descriptor, _BLOCK, self._size):
                self._sha256.update(block)
                self._md5.update(block)
                self._size += len(block)

    def _flush(self) -> None:
        with self._guard, disk_errors():
            if self._descriptor is not None:
                os.fsync(self._descriptor)

    def _link(self) -> None:
        with disk_errors():
            self._archive.incoming_path(self.store_name).hardlink_to(self._path)

    def _close(self) -> None:
        with self._guard:
            self._abandoned = True
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None


def _measure(path: Path) -> PartialState:
    try:
        found = path.stat()
    except FileNotFoundError:
        return PartialState(0, None)
    return PartialState(found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))
