"""Look up products, versions and directories."""

from __future__ import annotations

from collections.abc import Collection

from eas.contracts.errors import NotFoundError
from eas_product_store.domain.selection import DirectoryCount, ProductSelection, ProductSummary, VersionSelection
from eas_product_store.domain.version import Version
from eas_product_store.logic.ports import CatalogAccess


class Inventory:
    """Answers questions about what there is."""

    def __init__(self, catalog: CatalogAccess) -> None:
        self._catalog = catalog

    async def get_product(self, product_id: int) -> ProductSummary:
        """Find one product. Raises NotFoundError."""
        found = await self._catalog.read(lambda catalog: catalog.products.get(product_id))
        if found is None:
            raise NotFoundError(f"there is no product {product_id}", where="path.product_id")
        return found

    async def get_version(self, version_id: int) -> Version:
        """Find one version. Raises NotFoundError."""
        found = await self._catalog.read(lambda catalog: catalog.versions.get(version_id))
        if found is None:
            raise NotFoundError(f"there is no version {version_id}", where="path.version_id")
        return found

    async def find_versions(self, version_ids: Collection[int]) -> list[Version]:
        """Find versions by id, in the order of their ids; those that do not exist are left out."""
        found = await self._catalog.read(lambda catalog: catalog.versions.find(set(version_ids)))
        return [found[version_id] for version_id in sorted(found)]

    async def find_latest(self, directory: str, filename: str, *, accepted: bool) -> Version:
        """Find the newest version of a name, or the newest that quality control accepted. Raises NotFoundError."""
        found = await self._catalog.read(
            lambda catalog: catalog.versions.find_latest((directory, filename), accepted=accepted)
        )
        if found is None:
            kind = "accepted version" if accepted else "version"
            raise NotFoundError(f"there is no {kind} of {filename!r} in directory {directory!r}", where="query")
        return found

    async def list_products(self, selection: ProductSelection, after: int, limit: int) -> list[ProductSummary]:
        """List products by id, from the first beyond `after`."""
        return await self._catalog.read(lambda catalog: catalog.products.select(selection, after, limit))

    async def list_versions(self, selection: VersionSelection, after: int, limit: int) -> list[Version]:
        """List versions by id, from the first beyond `after`."""
        return await self._catalog.read(lambda catalog: catalog.versions.select(selection, after, limit))

    async def list_directories(self, after: str | None, limit: int) -> list[DirectoryCount]:
        """List directories by name, from the first beyond `after`."""
        return await self._catalog.read(lambda catalog: catalog.products.count_by_directory(after, limit))
