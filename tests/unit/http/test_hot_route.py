"""A hot route answers and is documented like any other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from eas.contracts.errors import ForbiddenError
from eas.http.errors import install_error_handlers
from eas.http.hot_route import HotRoute
from eas.http.responses import json_response


class Star(BaseModel):
    name: str
    magnitude: float = Field(ge=-30)


async def who(request: Request) -> str:
    if "x-name" not in request.headers:
        raise ForbiddenError("no name")
    return request.headers["x-name"]


def make_app(route_class: type[APIRoute]) -> FastAPI:
    router = APIRouter(route_class=route_class)

    @router.post("/stars", operation_id="add_star", response_model=Star)
    async def add_star(
        star: Annotated[Star, Body(examples=[{"name": "K2-3", "magnitude": 12}])],
        request: Request,
        name: Annotated[str, Depends(who)],
    ) -> Response:
        return json_response(star.model_copy(update={"name": f"{star.name} by {name} at {request.url.path}"}), 201)

    app = FastAPI()
    install_error_handlers(app)
    app.include_router(router)
    return app


Clients = tuple[httpx.AsyncClient, httpx.AsyncClient]


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    transports = [httpx.ASGITransport(make_app(kind)) for kind in (HotRoute, APIRoute)]
    async with (
        httpx.AsyncClient(transport=transports[0], base_url="http://here") as hot,
        httpx.AsyncClient(transport=transports[1], base_url="http://here") as usual,
    ):
        yield hot, usual


def test_it_is_documented_alike() -> None:
    assert make_app(HotRoute).openapi() == make_app(APIRoute).openapi()


async def test_it_answers_with_all_that_the_operation_asks_for(clients: Clients) -> None:
    for client in clients:
        answer = await client.post("/stars", json={"name": "K2-3", "magnitude": 12}, headers={"x-name": "Ann"})
        assert (answer.status_code, answer.json()) == (201, {"name": "K2-3 by Ann at /stars", "magnitude": 12.0})


@pytest.mark.parametrize(
    ("body", "status", "slug", "where"),
    [
        (b'{"name": 3, "magnitude": -40}', 422, "invalid_input", "body.name"),
        (b"{}", 422, "invalid_input", "body.name"),
        (b"[]", 422, "invalid_input", "body"),
        (b"{", 400, "invalid_json", None),
        (b"", 400, "invalid_json", None),
    ],
)
async def test_wrong_bodies_are_refused(
    clients: Clients, body: bytes, status: int, slug: str, where: str | None
) -> None:
    answer = await clients[0].post("/stars", content=body, headers={"x-name": "Ann"})
    found: dict[str, Any] = answer.json()
    assert (answer.status_code, found["slug"], found["where"]) == (status, slug, where)


async def test_all_that_is_wrong_is_named(clients: Clients) -> None:
    for client in clients:
        answer = await client.post("/stars", json={"name": 3, "magnitude": -40}, headers={"x-name": "Ann"})
        assert [problem["where"] for problem in answer.json()["problems"]] == ["body.name", "body.magnitude"]


async def test_dependencies_may_refuse(clients: Clients) -> None:
    for client in clients:
        answer = await client.post("/stars", json={"name": "K2-3", "magnitude": 1})
        assert answer.status_code == 403
