"""The clients of a suite's services, imported and made when they are first needed."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from eas.client.base import ServiceClient
from eas.client.suite.errors import SuiteClosedError

if TYPE_CHECKING:
    import httpx

    from eas.client.log_service import LogClient
    from eas.client.product_store import ProductStoreClient
    from eas.client.scheduler import SchedulerClient
    from eas.client.suite.address import SuiteAddress

Client = TypeVar("Client", bound=ServiceClient)


class SuiteClients:
    """The services of one suite.

    Parameters
    ----------
    address
        Where the suite is.
    transport
        In place of the network, for calling an app in the same process.

    Raises
    ------
    SuiteClosedError
        From whatever is done with it, or with what came from it, when it has been closed.
    """

    def __init__(self, address: SuiteAddress, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.address = address
        self._transport = transport
        self._clients: dict[type[ServiceClient], ServiceClient] = {}
        self._stack = AsyncExitStack()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. May be repeated."""
        self._closed = True
        self._clients.clear()
        await self._stack.aclose()

    @property
    def scheduler(self) -> SchedulerClient:
        """Jobs, tasks, workers."""
        from eas.client.scheduler import SchedulerClient

        return self._open(SchedulerClient, self.address.scheduler_url)

    @property
    def product_store(self) -> ProductStoreClient:
        """Files."""
        from eas.client.product_store import ProductStoreClient

        return self._open(ProductStoreClient, self.address.product_store_url)

    @property
    def log_service(self) -> LogClient:
        """Log records."""
        from eas.client.log_service import LogClient

        return self._open(LogClient, self.address.log_service_url)

    def _open(self, kind: type[Client], url: str) -> Client:
        if self._closed:
            raise SuiteClosedError
        client = self._clients.get(kind)
        if not isinstance(client, kind):
            client = self._clients[kind] = kind(url, self.address.token, transport=self._transport)
            self._stack.push_async_callback(client.close)
        return client
