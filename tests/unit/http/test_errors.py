"""Errors on their way to the caller and to the service's log."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Response
from pydantic import BaseModel

from eas.contracts.errors import UnavailableError
from eas.http.errors import install_error_handlers
from eas.http.hot_route import HotRoute
from eas.http.request_ids import RequestIdMiddleware


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = FastAPI()
    app.add_middleware(RequestIdMiddleware)
    install_error_handlers(app)

    @app.get("/{name}")
    async def fail(name: str) -> None:
        raise ZeroDivisionError("a bug") if name == "bug" else UnavailableError("the database is away")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://service", headers={"X-Request-ID": "mine-1"})


async def test_an_unexpected_error_names_its_request(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get("/bug")
    assert (answer.status_code, answer.json()["slug"], answer.json()["request_id"]) == (500, "internal", "mine-1")
    assert answer.headers["X-Request-ID"] == "mine-1"
    assert "a bug" in caplog.text


async def test_what_is_away_is_said_in_a_line(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "eas")
    answer = await client.get("/away")
    assert (answer.status_code, answer.json()["slug"], answer.json()["request_id"]) == (503, "unavailable", "mine-1")
    (record,) = (record for record in caplog.records if record.name.startswith("eas"))
    assert "the database is away" in record.getMessage()
    assert record.exc_info is None


@pytest.fixture
def reader() -> httpx.AsyncClient:
    """A service with a usual and a hot operation, and one that cannot follow its input."""
    app = FastAPI()
    install_error_handlers(app)
    hot = APIRouter(route_class=HotRoute)

    async def take(body: Body) -> Response:
        return Response(str(len(body.values)))

    app.post("/usual")(take)
    hot.post("/hot")(take)
    app.include_router(hot)

    @app.api_route("/lost", methods=["GET", "POST"])
    async def lose() -> None:
        raise RecursionError("maximum recursion depth exceeded")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://service")


class Body(BaseModel):
    values: dict[str, Any]


@pytest.mark.parametrize("path", ["/usual", "/hot"])
@pytest.mark.parametrize("levels", [250, 1_000, 100_000])
async def test_a_body_that_no_parser_can_follow_is_the_callers_fault(
    reader: httpx.AsyncClient, path: str, levels: int
) -> None:
    text = '{"values": {"a": ' + "[" * levels + "]" * levels + "}}"
    answer = await reader.post(path, content=text, headers={"Content-Type": "application/json"})
    if path == "/usual" and levels == 250:
        assert answer.status_code == 200  # Python's own parser follows, and what the operation asks for is checked
    else:
        assert (answer.status_code, answer.json()["slug"], answer.json()["where"]) == (422, "invalid_input", "body")
        assert "at most 64" in answer.json()["message"]


async def test_an_operation_that_cannot_follow_a_body_says_so(reader: httpx.AsyncClient) -> None:
    assert (await reader.post("/lost")).status_code == 422
    assert (await reader.get("/lost")).status_code == 500
