"""Query parameters that an operation does not know."""

from __future__ import annotations

from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from pydantic import BaseModel

from eas.http.auth import TokenTable
from eas.http.hot_route import HotRoute
from eas.http.service import create_service_app


class Parts:
    def prepare(self) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def check(self) -> None: ...


class Body(BaseModel):
    number: int = 0


def choose(job_name: Annotated[str | None, Query()] = None) -> str | None:
    return job_name


def make_app() -> FastAPI:
    router, hot = APIRouter(), APIRouter(route_class=HotRoute)

    @router.get("/jobs")
    async def list_jobs(
        name: Annotated[str | None, Depends(choose)], as_csv: Annotated[bool, Query(alias="csv")] = False
    ) -> dict[str, Any]:
        return {"name": name, "csv": as_csv}

    @router.get("/plain")
    async def plain() -> str:
        return "well"

    @hot.post("/hot")
    async def answer(_request: Request, body: Body) -> Response:
        return Response(str(body.number))

    return create_service_app(
        name="scheduler",
        summary="",
        tokens=TokenTable(None),
        make_parts=Parts,
        provide=lambda _app, _parts: None,
        routers=[router, hot],
    )


async def ask(method: str, path: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make_app()), base_url="http://service") as client:
        return await client.request(method, path, **options)


@pytest.mark.parametrize(
    ("method", "path", "where", "words"),
    [
        ("GET", "/jobs?submitted_by=ada", "query.submitted_by", "there are csv, job_name"),
        ("GET", "/jobs?job_nam=x", "query.job_nam", "did you mean 'job_name'"),
        ("GET", "/jobs?job_name=x&as_csv=1", "query.as_csv", "there is no query parameter 'as_csv'"),
        ("GET", "/jobs?x", "query.x", "there is no query parameter 'x'"),
        ("GET", "/plain?x=1", "query.x", "this operation has none"),
        ("POST", "/hot?wait=3", "query.wait", "this operation has none"),
    ],
)
async def test_unknown_ones_are_refused_by_name(method: str, path: str, where: str, words: str) -> None:
    answer = await ask(method, path, json={"number": 3} if method == "POST" else None)
    assert answer.status_code == 422
    found = answer.json()
    assert (found["slug"], found["where"]) == ("unknown_parameter", where)
    assert words in found["message"]


async def test_all_of_them_are_listed() -> None:
    answer = await ask("GET", "/jobs?a=1&job_name=x&b=2&a=3")
    assert [problem["where"] for problem in answer.json()["problems"]] == ["query.a", "query.b"]


@pytest.mark.parametrize("query", ["", "?job_name=x", "?csv=true&job_name=y", "?csv=1"])
async def test_known_ones_are_taken(query: str) -> None:
    assert (await ask("GET", f"/jobs{query}")).status_code == 200


async def test_a_hot_operation_answers_as_before() -> None:
    answer = await ask("POST", "/hot", json={"number": 3})
    assert answer.text == "3"


def test_what_is_known_is_what_is_documented() -> None:
    documented = make_app().openapi()["paths"]["/jobs"]["get"]["parameters"]
    assert sorted(found["name"] for found in documented if found["in"] == "query") == ["csv", "job_name"]
