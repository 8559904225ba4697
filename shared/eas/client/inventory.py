"""The product store's calls about what there is, and whether it is whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from eas.client.base import ServiceClient
from eas.contracts.fixity import DamagePage, OrphanReport, OrphanRequest
from eas.contracts.products import (
    MAX_LOOKUP,
    DirectoryPage,
    FixityReport,
    LookupRequest,
    LookupResponse,
    ProductPage,
    ProductView,
    VersionPage,
    VersionView,
)


class InventoryClient(ServiceClient):
    """A part of the product store's client. See `ServiceClient` for the errors that every call can raise."""

    async def get_version(self, version_id: int) -> VersionView:
        """Get one version. Raises NotFoundError."""
        return await self._call(VersionView, "GET", f"versions/{version_id}")

    async def list_versions(
        self,
        *,
        directory: str | None = None,
        glob: str | None = None,
        semantic_type: str | None = None,
        attempt_id: int | None = None,
        task_id: int | None = None,
        job_id: int | None = None,
        passed_qc: bool | None = None,
        damaged: bool | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        where: Sequence[str] = (),
        after: int = 0,
        limit: int = 100,
    ) -> VersionPage:
        """List versions by id, from the first beyond `after`.

        `where` compares metadata, such as ``metadata.period > 3``; `since` and `until` are times of registration.
        """
        query: dict[str, Any] = {"directory": directory, "glob": glob, "semantic_type": semantic_type}
        query["attempt_id"] = attempt_id
        query |= {"task_id": task_id, "job_id": job_id, "passed_qc": passed_qc, "damaged": damaged}
        query |= {"since": _show_time(since), "until": _show_time(until), "where": list(where) or None}
        return await self._call(VersionPage, "GET", "versions", params={**query, "after": after, "limit": limit})

    async def look_up_versions(self, version_ids: Sequence[int]) -> list[VersionView]:
        """Get many versions by id; those that do not exist are left out."""
        found: list[VersionView] = []
        for start in range(0, len(version_ids), MAX_LOOKUP):
            body = LookupRequest(version_ids=list(version_ids[start : start + MAX_LOOKUP]))
            found += (await self._call(LookupResponse, "POST", "versions/lookup", body=body)).versions
        return found

    async def check_fixity(self, *, after: int = 0, limit: int = 100) -> FixityReport:
        """Compare the bytes of versions with their digests, from the first version beyond `after`."""
        query = {"after": after, "limit": limit}
        return await self._call(FixityReport, "POST", "fixity/checks", params=query, read_timeout=600.0)

    async def list_damages(self, *, after: int = 0, limit: int = 100, healed: bool | None = None) -> DamagePage:
        """List what was found damaged, when, and where it is now."""
        query = {"after": after, "limit": limit, "healed": healed}
        return await self._call(DamagePage, "GET", "fixity/damages", params=query)

    async def find_orphans(
        self, *, after: str = "", older_than_hours: float | None = None, remove: bool = False
    ) -> OrphanReport:
        """Find files that nothing in the catalogue needs, part by part, and remove them if wanted."""
        body = OrphanRequest(after=after, older_than_hours=older_than_hours, remove=remove)
        return await self._call(OrphanReport, "POST", "fixity/orphans", body=body, read_timeout=600.0)

    async def get_product(self, product_id: int) -> ProductView:
        """Get one product. Raises NotFoundError."""
        return await self._call(ProductView, "GET", f"products/{product_id}")

    async def list_products(
        self,
        *,
        directory: str | None = None,
        glob: str | None = None,
        semantic_type: str | None = None,
        job_id: int | None = None,
        passed_qc: bool | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        where: Sequence[str] = (),
        after: int = 0,
        limit: int = 100,
    ) -> ProductPage:
        """List products by id, from the first beyond `after`.

        `passed_qc`: with a version judged so. `since` and `until`: when they were planned. `where` compares metadata,
        such as ``metadata.period > 3``.
        """
        query: dict[str, Any] = {"directory": directory, "glob": glob, "semantic_type": semantic_type, "job_id": job_id}
        query |= {"since": _show_time(since), "until": _show_time(until), "where": list(where) or None}
        params = {**query, "passed_qc": passed_qc, "after": after, "limit": limit}
        return await self._call(ProductPage, "GET", "products", params=params)

    async def list_product_versions(self, product_id: int, *, after: int = 0, limit: int = 100) -> VersionPage:
        """List the versions of a product by id. Raises NotFoundError."""
        return await self._call(
            VersionPage, "GET", f"products/{product_id}/versions", params={"after": after, "limit": limit}
        )

    async def list_directories(self, *, after: str | None = None, limit: int = 100) -> DirectoryPage:
        """List directories by name, from the first beyond `after`."""
        return await self._call(DirectoryPage, "GET", "directories", params={"after": after, "limit": limit})


def _show_time(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
