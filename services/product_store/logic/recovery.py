"""Bring archive and catalogue together after a process died between the two."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from services.product_store.logic.ports import Archive, CatalogAccess

logger = logging.getLogger(__name__)


class Recovery:
    """Decides about bytes that were incoming: those that a version names stay, all others go."""

    def __init__(self, catalog: CatalogAccess, archive: Archive) -> None:
        self._catalog = catalog
        self._archive = archive

    async def run(self) -> int:
        """Look at what an earlier process left behind, and tell how many files were removed. Only before uploads."""
        removed = await self.reconcile(await self._archive.list_unsettled())
        if removed:
            logger.warning("removed %d unfinished uploads of an earlier process", removed)
        return removed

    async def reconcile(self, store_names: Sequence[str]) -> int:
        """Look at some files, and tell how many were removed."""
        if not store_names:
            return 0
        known = await self._catalog.read(lambda catalog: catalog.versions.find_store_names(store_names))
        unknown = [name for name in store_names if name not in known]
        await self._archive.settle(known)
        await self._archive.remove(unknown)
        return len(unknown)
