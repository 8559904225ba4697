"""Compressed bodies are refused by every operation of every service that does not unpack them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from eas_logging.main import create_app as create_logging
from eas_logging.settings import LoggingSettings
from eas_product_store.main import create_app as create_product_store
from eas_product_store.settings import ProductStoreSettings
from eas_scheduler.main import create_app as create_scheduler
from eas_scheduler.settings import SchedulerSettings

UNPACKED_HERE = {("POST", "/records")}
MAKERS: dict[str, Callable[[], FastAPI]] = {
    "logging": lambda: create_logging(LoggingSettings(tokens_file=None)),
    "product_store": lambda: create_product_store(ProductStoreSettings(archive=Path("nowhere"), tokens_file=None)),
    "scheduler": lambda: create_scheduler(SchedulerSettings(tokens_file=None)),
}


def operations(app: FastAPI) -> Iterator[tuple[str, str]]:
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            if method.upper() not in ("GET", "HEAD"):
                yield method.upper(), re.sub(r"\{.*?\}", "1", path)


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP", "x-gzip", "identity, deflate"])
@pytest.mark.parametrize("service", MAKERS)
async def test_a_compressed_body_is_refused_and_the_answer_says_what_is_taken(service: str, coding: str) -> None:
    app = MAKERS[service]()
    seen = 0
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http:
        for method, path in operations(app):
            if (method, path) in UNPACKED_HERE:
                continue
            answer = await http.request(method, path, content=b"x", headers={"Content-Encoding": coding})
            assert (answer.status_code, answer.json()["slug"]) == (415, "unsupported_media"), (method, path)
            assert answer.json()["where"] == "header.Content-Encoding"
            assert (answer.headers["accept-encoding"], "x-request-id" in answer.headers) == ("identity", True)
            seen += 1
    assert seen >= 2


async def test_what_has_no_body_passes() -> None:
    app = MAKERS["logging"]()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http:
        assert (await http.get("/health/live", headers={"Content-Encoding": "gzip"})).status_code == 200


async def test_where_a_service_is_mounted_its_own_paths_count() -> None:
    root = FastAPI()
    root.mount("/logs", MAKERS["logging"]())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(root), base_url="http://x") as http:
        refused = await http.post("/logs/records", content=b"x", headers={"Content-Encoding": "br"})
        other = await http.post("/logs/retention/runs", content=b"x", headers={"Content-Encoding": "gzip"})
    assert (refused.status_code, refused.headers["accept-encoding"]) == (415, "gzip, identity")
    assert other.headers["accept-encoding"] == "identity"
