"""What a worker asks of services that have several addresses each. See `eas.client.failover`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eas.client.failover import Failover
from eas.client.log_service import LogClient
from eas.client.product_store import ProductStoreClient
from eas.client.scheduler import SchedulerClient
from eas.client.small_files import SmallFile
from eas.contracts.errors import EasError
from eas.contracts.products import VersionView
from eas.contracts.scheduler import (
    ClaimRequest,
    ClaimResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    ReportRequest,
    ReportResponse,
    WorkerAnnouncement,
    WorkerWelcome,
)

#: The part of a lease that a scheduler may take to answer. After a beat that failed there is time for others.
LEASE_PART = 1 / 6


class SeveralSchedulers:
    """The scheduler as workers see it, at several addresses. All of them have the same database.

    Parameters
    ----------
    clients
        One for each address; the caller closes them.
    urls
        The addresses.
    """

    def __init__(self, clients: Sequence[SchedulerClient], urls: Sequence[str]) -> None:
        self._failover = Failover(clients, urls)
        self._patience = 30.0 * LEASE_PART

    async def announce(self, announcement: WorkerAnnouncement) -> WorkerWelcome:
        """See `SchedulerClient.announce`. The answer says how long leases are, and so how long to wait for answers."""
        welcome = await self._failover.call(lambda client: client.announce(announcement), patience=2 * self._patience)
        self._patience = welcome.lease_seconds * LEASE_PART
        return welcome

    async def dismiss(self, worker_id: str, *, in_good_order: bool) -> None:
        """See `SchedulerClient.dismiss`."""
        await self._failover.call(
            lambda client: client.dismiss(worker_id, in_good_order=in_good_order), patience=self._patience
        )

    async def claim(self, request: ClaimRequest) -> ClaimResponse:
        """See `SchedulerClient.claim`."""
        return await self._failover.call(
            lambda client: client.claim(request), patience=self._patience, wait=request.wait
        )

    async def report(self, request: ReportRequest) -> ReportResponse:
        """See `SchedulerClient.report`."""
        wait = request.claim.wait if request.claim else 0.0
        return await self._failover.call(lambda client: client.report(request), patience=self._patience, wait=wait)

    async def beat(self, request: HeartbeatRequest) -> HeartbeatResponse:
        """See `SchedulerClient.beat`."""
        return await self._failover.call(lambda client: client.beat(request), patience=self._patience)


class SeveralStores:
    """The product store as workers see it, at several addresses."""

    def __init__(self, clients: Sequence[ProductStoreClient], urls: Sequence[str]) -> None:
        self._failover = Failover(clients, urls)

    async def download(self, version_id: int, target: Path, *, sha256: str) -> None:
        """See `ProductStoreClient.download`."""
        await self._failover.call(lambda client: client.download(version_id, target, sha256=sha256))

    async def upload(self, path: Path, **description: Any) -> VersionView:
        """See `ProductStoreClient.upload`."""
        return await self._failover.call(lambda client: client.upload(path, **description))

    async def upload_many(self, files: Sequence[SmallFile]) -> list[VersionView | EasError]:
        """See `ProductStoreClient.upload_many`."""
        return await self._failover.call(lambda client: client.upload_many(files))


class SeveralLogServices:
    """The log service as workers see it, at several addresses."""

    def __init__(self, clients: Sequence[LogClient], urls: Sequence[str]) -> None:
        self._failover = Failover(clients, urls)

    async def ingest_lines(self, lines: Sequence[bytes]) -> object:
        """See `LogClient.ingest_lines`."""
        return await self._failover.call(lambda client: client.ingest_lines(lines))
