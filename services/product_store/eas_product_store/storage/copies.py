"""Copies of an archive's bytes, for backups and restores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from eas.contracts.errors import DigestMismatchError, UnavailableError
from eas_product_store.domain.version import Fingerprint
from eas_product_store.storage.archive import FileArchive, IncomingFile
from eas_product_store.storage.spool import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eas_product_store.storage.bucket import BucketArchive

BLOCK_SIZE = 1 << 22


class ArchiveCopies:
    """Reads an archive that may be in use, and writes one that is not.

    Parameters
    ----------
    archive
        In a folder or a bucket.
    """

    def __init__(self, archive: FileArchive | BucketArchive) -> None:
        self._archive = archive

    def alone(self) -> AbstractContextManager[None]:
        """Have the archive to oneself, for writing. Raises UnavailableError where another process uses it."""
        return self._alone()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self._archive.start()
        except ArchiveError as error:
            raise UnavailableError(str(error)) from error
        try:
            yield
        finally:
            self._archive.stop()

    async def read(self, store_name: str) -> AsyncIterator[bytes]:
        """Read the bytes that have a place, in blocks. Raises FileNotFoundError."""
        file = await self._archive.open(store_name)
        try:
            while block := await file.read(BLOCK_SIZE):
                yield block
        finally:
            await file.close()

    async def find_digest(self, store_name: str) -> str | None:
        """Read bytes that have a place. Returns their SHA-256; None where there are none."""
        try:
            file = await self._archive.open(store_name)
        except FileNotFoundError:
            return None
        try:
            while await file.read(BLOCK_SIZE):
                pass
            return file.sha256()
        finally:
            await file.close()

    async def write(self, store_name: str, blocks: AsyncIterator[bytes], *, md5: str, sha256: str, size: int) -> None:
        """Give bytes their place, durably; others that are there are replaced.

        Raises
        ------
        DigestMismatchError
            They are not those that were announced. What had the place has it still.
        """
        incoming = IncomingFile(self._archive, store_name)
        self._archive.forget([store_name])  # what a killed restore has left
        try:
            async for block in blocks:
                await incoming.append([block])
            await incoming.append([])
            found = await incoming.finish()
            if found != Fingerprint(md5, sha256, size):
                raise DigestMismatchError(
                    f"{store_name} has {found.size} bytes with SHA-256 {found.sha256}; expected {size} with {sha256}"
                )
            await self._archive.clear(store_name)
            await incoming.publish()
            await incoming.settle()
        except BaseException:
            await incoming.discard()
            raise
