"""Give out the bytes of a version, verified as they go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import NoReturn

from eas.contracts.errors import DamagedError
from eas_product_store.domain.removal import check_not_purged
from eas_product_store.domain.version import Version
from eas_product_store.logic.ports import Archive, StoredFile
from eas_product_store.logic.quarantine import BLOCK_SIZE, Quarantine


class Retrieval:
    """Opens versions for reading."""

    def __init__(self, archive: Archive, quarantine: Quarantine) -> None:
        self._archive = archive
        self._quarantine = quarantine

    async def open(self, version: Version) -> OpenVersion:
        """Open a version's bytes. The caller closes them.

        Raises
        ------
        GoneError
            The version was removed, and they with it.
        DamagedError
            They are known to be damaged, are missing, or have the wrong length.
        """
        check_not_purged(version)
        if version.damaged:
            raise DamagedError(f"the stored bytes of version {version.version_id} no longer match their digest")
        try:
            file = await self._archive.open(version.store_name)
        except FileNotFoundError:
            await self.report_damage(version, "its file is missing")
        if file.size != version.fingerprint.size:
            await file.close()
            await self.report_damage(version, f"its file has {file.size} bytes instead of {version.fingerprint.size}")
        return OpenVersion(version, file, self)

    async def report_damage(self, version: Version, finding: str) -> NoReturn:
        """Have a version put aside, so that it is never served, and raise DamagedError or UnavailableError."""
        await self._quarantine.report(version, finding)


class OpenVersion:
    """A version's bytes, open for reading once."""

    def __init__(self, version: Version, file: StoredFile, retrieval: Retrieval) -> None:
        self.version = version
        self._file = file
        self._retrieval = retrieval
        self._first: bytes | None = None

    async def prepare(self) -> None:
        """Read the first block, so that a small version that is damaged is refused before anything is sent.

        Raises
        ------
        DamagedError
            It is the only block, and not what was stored.
        """
        self._first = await self._file.read(BLOCK_SIZE)
        if len(self._first) == self.version.fingerprint.size:
            await self._verify()

    async def read_all(self) -> AsyncGenerator[bytes, None]:
        """Read all bytes after `prepare`. The last block comes only after the digest of all has been compared.

        Raises
        ------
        DamagedError
            The bytes are not what was stored; the reader got an incomplete file.
        """
        block = self._first or b""
        left = self.version.fingerprint.size - len(block)
        while left > 0:
            following = asyncio.ensure_future(self._file.read(BLOCK_SIZE))
            try:
                yield block
            finally:
                block = await asyncio.shield(following)
            if not block:
                await self._retrieval.report_damage(self.version, f"its file ends {left} bytes early")
            left -= len(block)
            if left <= 0:
                await self._verify()
        yield block

    async def read_span(self, first: int, length: int) -> AsyncGenerator[bytes, None]:
        """Read some of the bytes, which cannot be verified by the digest of all."""
        await self._file.seek(first)
        while length > 0:
            block = await self._file.read(min(BLOCK_SIZE, length))
            if not block:
                await self._retrieval.report_damage(self.version, f"its file ends {length} bytes early")
            length -= len(block)
            yield block

    async def close(self) -> None:
        """Close the file."""
        await self._file.close()

    async def _verify(self) -> None:
        found = self._file.sha256()
        if found != self.version.fingerprint.sha256:
            await self._retrieval.report_damage(self.version, f"its bytes have the SHA-256 {found}")
