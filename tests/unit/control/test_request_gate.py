"""At the end of the suite requests that wait for something get an answer, and those that are nearly done may end."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from eas_control.domain.errors import SuiteStartError
from eas_control.storage.listener import RequestGate, local_url, open_listener


class Desk:
    """An app whose answers are held back."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.gate = RequestGate(Starlette(routes=[Route("/", self._answer)]))

    async def _answer(self, _request: Request) -> PlainTextResponse:
        self.arrived.set()
        await self.may_answer.wait()
        return PlainTextResponse("done")


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def get(desk: Desk) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(desk.gate), base_url="http://desk") as client:
        return await client.get("/")


async def test_a_request_that_ends_in_time_is_answered(desk: Desk) -> None:
    asking = asyncio.create_task(get(desk))
    await desk.arrived.wait()
    closing = asyncio.create_task(desk.gate.close(60))
    desk.may_answer.set()

    assert (await asking).text == "done"
    await closing


async def test_a_request_that_waits_is_told_to_try_again_later(desk: Desk) -> None:
    asking = asyncio.create_task(get(desk))
    await desk.arrived.wait()
    await desk.gate.close(0)

    response = await asking

    assert response.status_code == 503
    assert response.json()["slug"] == "unavailable"


async def test_a_request_whose_caller_left_is_cancelled(desk: Desk) -> None:
    asking = asyncio.create_task(get(desk))
    await desk.arrived.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


def test_a_port_in_use_is_said_to_be() -> None:
    with open_listener("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert local_url(first) == f"http://127.0.0.1:{port}"
        with pytest.raises(SuiteStartError, match=f"port {port} of 127.0.0.1 is in use"):
            open_listener("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(SuiteStartError, match=r"cannot listen on 192\.0\.2\.1"):
        open_listener("192.0.2.1", 0)


def test_an_open_address_is_reached_by_loopback() -> None:
    with open_listener("0.0.0.0", 0) as listener:
        assert local_url(listener).startswith("http://127.0.0.1:")
