"""Errors on their way to the caller and to the service's log."""

from __future__ import annotations

import logging

import httpx
import pytest
from fastapi import FastAPI

from shared.contracts.errors import UnavailableError
from shared.http.errors import install_error_handlers
from shared.http.request_ids import RequestIdMiddleware


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
    caplog.set_level(logging.INFO, "shared")
    answer = await client.get("/away")
    assert (answer.status_code, answer.json()["slug"], answer.json()["request_id"]) == (503, "unavailable", "mine-1")
    (record,) = (record for record in caplog.records if record.name.startswith("shared"))
    assert "the database is away" in record.getMessage()
    assert record.exc_info is None
