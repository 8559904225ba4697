"""The clients of a suite's services, made when they are first needed."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self, TypeVar

from shared.clients.base import ServiceClient
from shared.clients.log_service import LogClient
from shared.clients.product_store import ProductStoreClient
from shared.clients.scheduler import SchedulerClient
from shared.clients.suite.address import SuiteAddress

Client = TypeVar("Client", bound=ServiceClient)


class SuiteClients:
    """The services of one suite.

    Parameters
    ----------
    address
        Where the suite is.
    """

    def __init__(self, address: SuiteAddress) -> None:
        self._address = address
        self._clients: dict[type[ServiceClient], ServiceClient] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def scheduler(self) -> SchedulerClient:
        """Jobs, tasks, workers."""
        return self._open(SchedulerClient, self._address.scheduler_url)

    @property
    def product_store(self) -> ProductStoreClient:
        """Files."""
        return self._open(ProductStoreClient, self._address.product_store_url)

    @property
    def log_service(self) -> LogClient:
        """Log records."""
        return self._open(LogClient, self._address.log_service_url)

    def _open(self, kind: type[Client], url: str) -> Client:
        client = self._clients.get(kind)
        if not isinstance(client, kind):
            client = self._clients[kind] = kind(url, self._address.token)
            self._stack.push_async_callback(client.close)
        return client
