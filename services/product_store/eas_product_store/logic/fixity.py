"""Read what is stored again and again, and find bytes that are no longer what they were."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from eas.contracts.errors import DamagedError, GoneError
from eas.isolation import is_passing
from eas_product_store.domain.selection import VersionSelection
from eas_product_store.domain.version import Version
from eas_product_store.logic.ports import Archive, CatalogAccess
from eas_product_store.logic.quarantine import BLOCK_SIZE, MisreadError, Quarantine
from eas_product_store.logic.retrieval import Retrieval

logger = logging.getLogger(__name__)

#: How many versions are looked up at once.
_AT_ONCE = 100


@dataclass(frozen=True)
class FixityCheck:
    """What a part of a check found; `next_after` goes on where it ended, None at the end of the catalogue."""

    checked: int
    size: int
    damaged: list[int]
    healed: list[int]
    next_after: int | None


class Fixity:
    """Compares stored bytes with their digests.

    Parameters
    ----------
    bytes_per_second
        How fast the rolling scrub reads at most.
    """

    def __init__(
        self,
        catalog: CatalogAccess,
        archive: Archive,
        retrieval: Retrieval,
        quarantine: Quarantine,
        *,
        bytes_per_second: float,
    ) -> None:
        self._catalog = catalog
        self._archive = archive
        self._retrieval = retrieval
        self._quarantine = quarantine
        self._bytes_per_second = bytes_per_second

    async def scrub(self) -> FixityCheck:
        """Check the next versions, no faster than the rate; after the last, begin again.

        The place is kept in the archive, so that a restarted service goes on where it was.
        """
        found = await self.check(
            await self._archive.read_scrub_position(), _AT_ONCE, bytes_per_second=self._bytes_per_second
        )
        await self._archive.write_scrub_position(found.next_after or 0)
        return found

    async def check(self, after: int, limit: int, *, bytes_per_second: float | None = None) -> FixityCheck:
        """Check versions by id, from the first beyond `after`.

        Of versions that are known to be damaged only those count whose bytes are back in their place, and whole.
        """
        await self._quarantine.recover()
        selection = VersionSelection()
        versions = await self._catalog.read(lambda catalog: catalog.versions.select(selection, after, limit + 1))
        damaged: list[int] = []
        healed: list[int] = []
        size = checked = 0
        for version in versions[:limit]:
            if version.purged_at is not None:
                continue
            try:
                if version.damaged:
                    if not await self._quarantine.examine(version):
                        continue
                    healed.append(version.version_id)
                else:
                    is_sound = await self._is_sound(version)
                    if is_sound is None:
                        continue
                    if not is_sound:
                        damaged.append(version.version_id)
            except Exception as error:
                if is_passing(error):
                    raise
                logger.exception("version %d (%s) cannot be checked", version.version_id, version.store_name)
                continue
            checked += 1
            size += version.fingerprint.size
            if bytes_per_second is not None:
                await asyncio.sleep(version.fingerprint.size / bytes_per_second)
        more = len(versions) > limit
        return FixityCheck(checked, size, damaged, healed, versions[limit - 1].version_id if more else None)

    async def _is_sound(self, version: Version) -> bool | None:
        """Tell whether its bytes are whole; None where they went after it had been looked up."""
        try:
            await self._read(version)
        except DamagedError:
            return False
        except GoneError:
            return None
        except MisreadError:
            return True  # whole after all, but not those that were opened: an upload had just replaced them
        return True

    async def _read(self, version: Version) -> None:
        opened = await self._retrieval.open(version)
        try:
            await opened.prepare()
            if version.fingerprint.size > BLOCK_SIZE:
                async for _ in opened.read_all():
                    pass
        finally:
            await opened.close()
