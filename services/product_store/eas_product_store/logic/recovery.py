"""Bring archive and catalogue together after something died between the two: this process, or the database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from eas.contracts.errors import UnavailableError
from eas.isolation import describe_error, handle_each
from eas_product_store.logic.ports import Archive, CatalogAccess

logger = logging.getLogger(__name__)


class Recovery:
    """Decides about bytes that were incoming: those that a version names stay, all others go.

    It asks the catalogue in a transaction that writes. That one waits for its turn, so a commit that is still under way
    in a database server has ended when it begins, even where nobody has heard how.
    """

    def __init__(self, catalog: CatalogAccess, archive: Archive) -> None:
        self._catalog = catalog
        self._archive = archive
        self._doubtful: set[str] = set()
        self._deciding = asyncio.Lock()

    async def run(self) -> int:
        """Look at what an earlier process left behind, and tell how many files were removed. Only before uploads."""
        removed = await self._reconcile(await self._archive.list_unsettled())
        if removed:
            logger.warning("removed %d unfinished uploads of an earlier process", removed)
        return removed

    async def doubt(self, store_name: str) -> None:
        """Take bytes whose commit failed, or only looks so; while the catalogue cannot tell, they stay as they are."""
        self._doubtful.add(store_name)
        try:
            await self.decide()
        except UnavailableError as error:
            logger.warning("whether %s has its version is seen later: %s", store_name, error)

    def is_doubtful(self, store_name: str) -> bool:
        """Tell whether it is still open if bytes stay or go."""
        return store_name in self._doubtful

    async def decide(self) -> None:
        """Decide about all bytes that are in doubt.

        Raises
        ------
        UnavailableError
            The catalogue still cannot tell.
        """
        async with self._deciding:
            names = list(self._doubtful)
            await self._reconcile(names)
            self._doubtful.difference_update(names)

    async def _reconcile(self, store_names: Sequence[str]) -> int:
        """Look at some files, and tell how many were removed."""
        if not store_names:
            return 0
        known = await self._catalog.write(lambda catalog: catalog.versions.find_store_names(store_names))
        unknown = [name for name in store_names if name not in known]
        removed = 0

        async def remove(names: Sequence[str]) -> None:
            nonlocal removed
            await self._archive.remove(names)
            removed += len(names)

        await handle_each(list(known), self._archive.settle, _leave)
        await handle_each(unknown, remove, _leave)
        return removed


async def _leave(store_name: str, error: Exception) -> None:
    """Leave a file as it is: it is looked at again when the service starts."""
    logger.error("the incoming file %s cannot be tidied up: %s", store_name, describe_error(error))
