"""An error that says nothing is named by its kind."""

from __future__ import annotations

import httpx
import pytest

from eas.client.product_store import ProductStoreClient
from eas.client.scheduler import SchedulerClient
from eas.contracts.errors import UnavailableError


def be_silent(_request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("")


async def test_by_the_scheduler() -> None:
    async with SchedulerClient("http://away", None, transport=httpx.MockTransport(be_silent)) as client:
        with pytest.raises(UnavailableError, match="ReadTimeout"):
            await client.get_job(1)
        with pytest.raises(UnavailableError, match="ReadTimeout"):
            await client.submit_job(b"{}")


async def test_by_the_product_store() -> None:
    async with ProductStoreClient("http://away", None, transport=httpx.MockTransport(be_silent)) as client:
        with pytest.raises(UnavailableError, match="ReadTimeout"):
            await client.read(1)
