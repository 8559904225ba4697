"""The log service as the scheduler speaks to it, over HTTP."""

from __future__ import annotations

from eas.client.log_service import LogClient
from eas.contracts.ids import KnownIds


class HttpLogService:
    """Asks the log service with its own client."""

    def __init__(self, url: str, token: str | None) -> None:
        self._client = LogClient(url, token)

    async def find_known_ids(self) -> KnownIds:
        """Find the highest ids of the scheduler of which there are records. Raises the service's errors."""
        return await self._client.find_known_ids()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
