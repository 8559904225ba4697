"""The product store as the scheduler speaks to it, over HTTP."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import assert_never

from eas.client.product_store import ProductStoreClient
from eas.contracts.ids import IdAnswer, IdNotice
from eas.contracts.products import Adoption, AdoptionAnswer, PlanRequest, VerdictRequest, VersionView
from eas_scheduler.domain.changes import OutboxMessage


class HttpProductAnnouncer:
    """Delivers outbox messages with the store's own client."""

    def __init__(self, url: str, token: str | None) -> None:
        self._client = ProductStoreClient(url, token)

    async def announce(self, message: OutboxMessage) -> None:
        """Deliver one message. Delivering it twice changes nothing. Raises the store's errors."""
        match message.kind:
            case "plan":
                await self._client.plan(PlanRequest.model_validate(message.payload).products)
            case "verdicts":
                await self._client.record_verdicts(VerdictRequest.model_validate(message.payload).verdicts)
            case _:
                assert_never(message.kind)

    async def adopt(self, adoptions: Sequence[Adoption]) -> list[AdoptionAnswer]:
        """Let attempts take versions over. Doing it twice changes nothing. Raises the store's errors."""
        return await self._client.adopt(adoptions)

    async def find_instance(self) -> str:
        """Tell which process of the store answers. Raises the store's errors."""
        return await self._client.find_instance()

    async def compare_ids(self, notice: IdNotice) -> IdAnswer:
        """Tell the store which versions are known, and hear which ids are. Raises the store's errors."""
        return await self._client.compare_ids(notice)

    async def find_versions(self, version_ids: Collection[int]) -> list[VersionView]:
        """Find versions by id; those that do not exist are left out. Raises the store's errors."""
        return await self._client.look_up_versions(list(version_ids))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
