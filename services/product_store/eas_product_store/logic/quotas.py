"""Set how much directories may hold, and count what comes."""

from __future__ import annotations

from eas.contracts.errors import NotFoundError
from eas_product_store.domain.quota import Quota, check_quotas
from eas_product_store.logic.ports import Catalog, CatalogAccess


class Quotas:
    """Keeps the quotas of directories. A file that versions share counts for each of them."""

    def __init__(self, catalog: CatalogAccess) -> None:
        self._catalog = catalog

    async def put(self, directory: str, max_bytes: int) -> Quota:
        """Set the quota of a directory. What is there is counted once, and what comes by increments."""
        return await self._catalog.write(lambda catalog: catalog.quotas.put(directory, max_bytes))

    async def remove(self, directory: str) -> None:
        """Take a quota away. Raises NotFoundError."""
        if not await self._catalog.write(lambda catalog: catalog.quotas.remove(directory)):
            raise NotFoundError(f"directory {directory!r} has no quota", where="query.directory")

    async def list_all(self) -> list[Quota]:
        """List all quotas by directory."""
        return await self._catalog.read(lambda catalog: catalog.quotas.list_all())


def charge(catalog: Catalog, directory: str, size: int) -> None:
    """Count bytes of a new version. Raises QuotaExceededError where there is no room for them."""
    quotas = catalog.quotas.find(directory)
    check_quotas(quotas, size)
    for quota in quotas:
        catalog.quotas.count(quota, size)
