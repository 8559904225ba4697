"""Files in the archive that nothing in the catalogue needs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from eas.isolation import describe_error, handle_each
from eas_product_store.domain.damage import StoredObject
from eas_product_store.logic.ports import Archive, CatalogAccess, Clock

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OrphanCheck:
    """What a part of the archive holds that nothing needs; `next_after` goes on where it ended, None at the end."""

    checked: int
    orphans: list[StoredObject]
    removed: bool
    next_after: str | None


class Orphans:
    """Compares the archive with the catalogue.

    The store itself leaves no such files behind. They are there after a catalogue was brought back from an older copy,
    or when someone put them there. So they never go by themselves: with the right catalogue they may be somebody's
    results.

    Parameters
    ----------
    grace
        How old files are before they are looked at.
    """

    def __init__(self, catalog: CatalogAccess, archive: Archive, clock: Clock, *, grace: timedelta) -> None:
        self._catalog = catalog
        self._archive = archive
        self._clock = clock
        self._grace = grace

    async def check(self, after: str, limit: int, *, grace: timedelta | None, remove: bool) -> OrphanCheck:
        """Look at files by name, from the first beyond `after`.

        Files first, then what is incoming, then the catalogue: a file that is being stored is either still incoming, or
        has its row.
        """
        found = await self._archive.list_objects(after, limit)
        incoming = set(await self._archive.list_unsettled())
        names = {file.store_name for file in found} - incoming
        useless = await self._catalog.read(lambda catalog: catalog.versions.find_orphans(names))
        before = self._clock() - (self._grace if grace is None else grace)
        orphans = [file for file in found if file.store_name in useless and file.modified_at <= before]
        if remove:
            orphans = await self._remove(orphans)
        next_after = found[-1].store_name if len(found) == limit else None
        return OrphanCheck(len(found), orphans, remove and bool(orphans), next_after)

    async def _remove(self, orphans: Sequence[StoredObject]) -> list[StoredObject]:
        """Remove files, and tell which of them are gone."""
        gone: list[StoredObject] = []

        async def remove(files: Sequence[StoredObject]) -> None:
            await self._archive.remove([file.store_name for file in files])
            gone.extend(files)

        async def leave(file: StoredObject, error: Exception) -> None:
            logger.error("%s cannot be removed: %s", file.store_name, describe_error(error))

        await handle_each(orphans, remove, leave)
        for file in gone:
            logger.warning("removed %s of %d bytes, which no version names", file.store_name, file.size)
        return gone
