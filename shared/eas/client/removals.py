"""The product store's calls about what stays and what goes. For operators."""

from __future__ import annotations

from collections.abc import Sequence

from eas.client.base import ServiceClient
from eas.contracts.products import VersionView
from eas.contracts.retention import (
    CollectionReport,
    CollectionRequest,
    QuotaList,
    QuotaRequest,
    QuotaView,
    Reason,
    RemovalRequest,
    RetentionReport,
    RetentionRequest,
)

#: Looking at all versions, or removing many, takes the store a while [s].
_PATIENCE = 600.0


class RemovalClient(ServiceClient):
    """A part of the product store's client. See `ServiceClient` for the errors that every call can raise."""

    async def pin(self, version_id: int, reason: str = "") -> VersionView:
        """Keep a version whatever anybody says. Raises NotFoundError, GoneError."""
        return await self._call(VersionView, "POST", f"versions/{version_id}/pin", body=Reason(reason=reason))

    async def unpin(self, version_id: int) -> VersionView:
        """Take the pin of a version away. Raises NotFoundError."""
        return await self._call(VersionView, "DELETE", f"versions/{version_id}/pin")

    async def remove(
        self, version_id: int, *, running_jobs: Sequence[int], reason: str = "", force: bool = False
    ) -> VersionView:
        """Remove a version; it can be restored during the time of grace.

        Raises
        ------
        NotFoundError
            There is no such version.
        ConflictError
            It is pinned, or an accepted one of `running_jobs` and this is not forced.
        """
        body = RemovalRequest(reason=reason, running_jobs=list(running_jobs), force=force)
        return await self._call(VersionView, "POST", f"versions/{version_id}/removal", body=body)

    async def restore(self, version_id: int) -> VersionView:
        """Take the removal of a version back. Raises NotFoundError, GoneError."""
        return await self._call(VersionView, "DELETE", f"versions/{version_id}/removal")

    async def collect_garbage(self, *, grace_hours: float | None = None) -> CollectionReport:
        """Give back the room of versions that were removed before the time of grace."""
        body = CollectionRequest(grace_hours=grace_hours)
        return await self._call(CollectionReport, "POST", "garbage/collect", body=body, read_timeout=_PATIENCE)

    async def plan_retention(self, request: RetentionRequest) -> RetentionReport:
        """Tell what retention rules would remove."""
        return await self._call(RetentionReport, "POST", "retention/plan", body=request, read_timeout=_PATIENCE)

    async def run_retention(self, request: RetentionRequest) -> RetentionReport:
        """Remove what retention rules say. May be repeated."""
        return await self._call(RetentionReport, "POST", "retention/run", body=request, read_timeout=_PATIENCE)

    async def list_quotas(self) -> list[QuotaView]:
        """List the quotas of directories."""
        return (await self._call(QuotaList, "GET", "quotas")).quotas

    async def put_quota(self, directory: str, max_bytes: int) -> QuotaView:
        """Set how much a directory, and all below it, may hold."""
        return await self._call(QuotaView, "PUT", "quotas", body=QuotaRequest(directory=directory, max_bytes=max_bytes))

    async def remove_quota(self, directory: str) -> None:
        """Take the quota of a directory away. Raises NotFoundError."""
        await self._send("DELETE", "quotas", params={"directory": directory})
