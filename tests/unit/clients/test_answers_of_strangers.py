"""What answers like no service of ours is reported as such, not as broken data."""

from __future__ import annotations

import httpx
import pytest

from eas.client.suite import Suite, SuiteAddress, SuiteClosedError, SuiteNotFoundError
from eas.contracts.errors import UnavailableError


def suite_of_strangers() -> Suite:
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, text="<html>"))
    return Suite(SuiteAddress("http://stranger"), transport=transport)


async def test_every_call_says_who_answers_wrongly() -> None:
    async with suite_of_strangers() as suite:
        with pytest.raises(UnavailableError, match="http://stranger/scheduler/ does not answer like a service"):
            await suite.job(1)
        with pytest.raises(UnavailableError, match="http://stranger/scheduler/ does not answer like a service"):
            await suite.workers()
        with pytest.raises(UnavailableError, match="http://stranger/products/ does not answer like a service"):
            await suite.products()


async def test_what_has_been_closed_is_not_opened_again() -> None:
    suite = suite_of_strangers()
    await suite.close()
    await suite.close()
    with pytest.raises(SuiteClosedError, match="connect again"):
        await suite.job(1)


async def test_a_check_says_what_to_do() -> None:
    async with suite_of_strangers() as suite:
        with pytest.raises(SuiteNotFoundError, match=r"no suite answers at http://stranger .*`eas up`"):
            await suite.check()
