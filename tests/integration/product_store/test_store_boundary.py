"""The service as a whole: its tables, its documentation, its tokens, and under a root of another app."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from eas.database.migrations import find_drift, upgrade_schema
from eas_product_store.main import create_app
from eas_product_store.runtime import MIGRATIONS
from eas_product_store.storage.schema import METADATA

pytestmark = pytest.mark.sqlite_only

if TYPE_CHECKING:
    from tests.integration.product_store.conftest import Place, Store


def test_migrations_make_the_tables_that_the_rows_describe(place: Place) -> None:
    url = place.settings.database_url
    upgrade_schema(url, MIGRATIONS)
    upgrade_schema(url, MIGRATIONS)
    assert find_drift(url, METADATA) == []


async def test_every_operation_is_documented(store: Store) -> None:
    document = (await store.http.get("openapi.json")).json()
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(ids) == len(set(ids))
    assert {"plan_products", "upload_version", "get_version_content", "record_verdicts"} <= set(ids)
    for path, method, operation in operations:
        assert operation["summary"], (path, method)
        for parameter in operation.get("parameters", []):
            assert parameter["schema"].get("examples"), (path, method, parameter["name"])
        for body in operation.get("requestBody", {}).get("content", {}).values():
            assert has_example(document, body), (path, method)
    assert (await store.http.get("docs")).status_code == 200


def has_example(document: dict[str, Any], body: dict[str, Any]) -> bool:
    name = body["schema"].get("$ref", "").rpartition("/")[2]
    fields = document["components"]["schemas"].get(name, {}).get("properties", {})
    return "example" in body or any("examples" in field for field in fields.values())


async def test_health(store: Store) -> None:
    for path in ("health/live", "health/ready"):
        response = await store.http.get(path)
        assert (response.status_code, response.json()["service"]) == (200, "product_store")


async def test_not_ready_before_it_has_started(place: Place) -> None:
    transport = httpx.ASGITransport(create_app(place.settings))
    async with httpx.AsyncClient(base_url="http://store", transport=transport) as http:
        assert (await http.get("health/ready")).status_code == 503


async def test_mounted_under_a_root(place: Place) -> None:
    store = create_app(place.settings)
    root = FastAPI()
    root.mount("/products", store)
    async with (
        store.router.lifespan_context(store),
        httpx.AsyncClient(base_url="http://root", transport=httpx.ASGITransport(root)) as http,
    ):
        assert "/products/openapi.json" in (await http.get("/products/docs")).text
        assert (await http.get("/products/openapi.json")).json()["servers"] == [{"url": "/products"}]
        assert (await http.get("/products/products")).json() == {"items": [], "next_after": None}


UPLOAD = f"uploads/{'0' * 32}"
SCOPES = {
    ("POST", "plan"): "operate",
    ("PUT", "versions"): "work",
    ("POST", "deposits"): "work",
    ("POST", "verdicts"): "operate",
    ("POST", "adoptions"): "operate",
    ("POST", "uploads"): "work",
    ("GET", UPLOAD): "work",
    ("HEAD", UPLOAD): "work",
    ("PATCH", UPLOAD): "work",
    ("DELETE", UPLOAD): "work",
    ("POST", f"{UPLOAD}/commit"): "work",
    ("PUT", f"{UPLOAD}/commit"): "work",
    ("POST", "versions/1/pin"): "operate",
    ("DELETE", "versions/1/pin"): "operate",
    ("POST", "versions/1/removal"): "operate",
    ("DELETE", "versions/1/removal"): "operate",
    ("POST", "garbage/collect"): "operate",
    ("POST", "retention/plan"): "operate",
    ("POST", "retention/run"): "operate",
    ("GET", "quotas"): "operate",
    ("PUT", "quotas"): "operate",
    ("DELETE", "quotas"): "operate",
    ("POST", "fixity/checks"): "operate",
    ("GET", "fixity/damages"): "operate",
    ("POST", "fixity/orphans"): "operate",
    ("GET", "ids"): "operate",
    ("POST", "ids"): "operate",
    ("GET", "products"): "read",
    ("GET", "products/1"): "read",
    ("GET", "products/1/versions"): "read",
    ("GET", "directories"): "read",
    ("GET", "versions"): "read",
    ("POST", "versions/lookup"): "read",
    ("GET", "versions/1"): "read",
    ("GET", "versions/1/content"): "read",
    ("HEAD", "versions/1/content"): "read",
    ("GET", "versions/1/preview"): "read",
    ("GET", "content"): "read",
    ("HEAD", "content"): "read",
}


@pytest.fixture
def tokens(place: Place) -> dict[str, str]:
    scopes = ("read", "submit", "work", "operate")
    found = {scope: f"token-of-{scope}" for scope in scopes}
    entries = {token: {"name": scope, "scopes": [scope]} for scope, token in found.items()}
    place.write("tokens.json", json.dumps(entries).encode()).chmod(0o600)
    return found


async def test_every_operation_asks_for_its_scope(place: Place, tokens: dict[str, str]) -> None:
    app = create_app(place.settings.model_copy(update={"tokens_file": place.root / "tokens.json"}))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(base_url="http://store", transport=transport) as http,
    ):
        documented = (await http.get("openapi.json")).json()["paths"]
        routes = {(method.upper(), path) for path, methods in documented.items() for method in methods}
        assert len(routes) == len(SCOPES) + 2  # and the two of health
        for (method, path), needed in SCOPES.items():
            assert (await http.request(method, path)).status_code == 401
            for scope, token in tokens.items():
                response = await http.request(method, path, headers={"Authorization": f"Bearer {token}"})
                allowed = scope in {needed, "operate"}
                assert (response.status_code != 403) == allowed, (method, path, scope, response.status_code)
