"""Put damaged bytes aside, and give versions whole ones again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import NoReturn

from eas.contracts.errors import DamagedError, UnavailableError
from eas.isolation import is_passing
from eas_product_store.domain.damage import Custody, Damage
from eas_product_store.domain.removal import check_not_purged
from eas_product_store.domain.version import Fingerprint, Version
from eas_product_store.logic.ports import Archive, Catalog, CatalogAccess, Clock, StoredFile

logger = logging.getLogger(__name__)

BLOCK_SIZE = 1 << 21


class MisreadError(UnavailableError):
    """A version is whole, but a reader had bytes that it has no longer, or that the disk could not read."""


class Quarantine:
    """Takes what is damaged out of the archive, and back in what has healed.

    First the catalogue says that versions are damaged, then their bytes go to quarantine; so they are not served from
    the moment of the finding, and a process that dies in between finds the rest of the work in the catalogue. In
    quarantine the bytes are read again, where nobody replaces them any more: a finding that was wrong, because an
    upload replaced the bytes at that very moment or the disk could not read them once, is taken back.
    """

    def __init__(self, catalog: CatalogAccess, archive: Archive, clock: Clock) -> None:
        self._catalog = catalog
        self._archive = archive
        self._clock = clock
        self._moving = asyncio.Lock()

    async def report(self, version: Version, finding: str) -> NoReturn:
        """Take a version out, and raise.

        Raises
        ------
        DamagedError
            It is damaged.
        MisreadError
            It is not, or not any more.
        GoneError
            It was purged in between.
        """
        now = self._clock()
        async with self._moving:  # who finds the same at the same time waits until the bytes are where they belong
            damage = await self._catalog.write(lambda catalog: catalog.damages.mark(version, finding, now))
            if damage is not None:
                logger.error("version %d (%s) is damaged: %s", version.version_id, version.store_name, finding)
            is_damaged = damage is not None and await self._move(damage)
        if is_damaged:
            raise DamagedError(f"version {version.version_id} is damaged: {finding}")
        known = await self._catalog.read(lambda catalog: catalog.versions.get(version.version_id))
        check_not_purged(known or version)
        if known is not None and known.damaged:
            raise DamagedError(f"version {version.version_id} is damaged: {finding}")
        raise MisreadError(f"version {version.version_id} could not be read: {finding}; try again")

    async def recover(self) -> int:
        """Move what was found damaged and is not in quarantine yet, and tell how much."""
        pending = await self._catalog.read(lambda catalog: catalog.damages.find_pending())
        for damage in pending:
            try:
                async with self._moving:
                    await self._move(damage)
            except Exception as error:
                if is_passing(error):
                    raise
                logger.exception("the damaged version %d cannot be moved to quarantine now", damage.version_id)
        return len(pending)

    async def examine(self, version: Version) -> bool:
        """Look whether the bytes of a damaged version are whole again, and if so heal all that share them.

        They are where someone brought them back, or where an upload had just replaced the damaged ones.
        """
        try:
            file = await self._archive.open(version.store_name)
        except FileNotFoundError:
            return False
        if await _identify(file) != (version.fingerprint.sha256, version.fingerprint.size):
            return False
        await self.heal(version.fingerprint, version.store_name)
        return True

    async def heal(self, fingerprint: Fingerprint, place: str) -> None:
        """Give damaged versions of these bytes a place where they are whole."""
        now = self._clock()
        if await self._catalog.write(lambda catalog: catalog.damages.heal(fingerprint, place, now)):
            logger.warning("the damaged bytes with SHA-256 %s are whole again", fingerprint.sha256)

    async def select(self, after: int, limit: int, *, healed: bool | None) -> Sequence[Damage]:
        """List damages by id, from the first beyond `after`."""
        return await self._catalog.read(lambda catalog: catalog.damages.select(after, limit, healed=healed))

    async def _move(self, damage: Damage) -> bool:
        """Move damaged bytes to quarantine, and tell whether they are damaged."""
        name = damage.quarantine_name
        if not await self._archive.quarantine(damage.store_name, name):
            await self._settle(damage, Custody.MISSING)
            return True
        sha256, size = await _identify(await self._archive.open_quarantined(name))
        if (sha256, size) != (damage.expected.sha256, damage.expected.size):
            logger.error("%s has damaged bytes: %d with SHA-256 %s", name, size, sha256)
            await self._settle(damage, Custody.QUARANTINED, sha256, size)
            return True
        await self._archive.release(name, damage.store_name)
        await self._catalog.write(lambda catalog: catalog.damages.withdraw(damage))
        logger.warning("version %d (%s) is whole after all", damage.version_id, damage.store_name)
        return False

    async def _settle(
        self, damage: Damage, custody: Custody, sha256: str | None = None, size: int | None = None
    ) -> None:
        def command(catalog: Catalog) -> None:
            catalog.damages.settle(damage.damage_id, custody, sha256, size)

        await self._catalog.write(command)


async def _identify(file: StoredFile) -> tuple[str, int]:
    """Read all of a file, and close it. Returns its SHA-256 and its size."""
    try:
        size = 0
        while block := await file.read(BLOCK_SIZE):
            size += len(block)
        return file.sha256(), size
    finally:
        await file.close()
