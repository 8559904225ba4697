"""How fast a very large directory of products is listed and searched, page by page, over HTTP."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine, insert

from eas.client.product_store import ProductStoreClient
from eas.database.engines import open_engine
from eas.database.migrations import upgrade_schema
from eas_product_store.main import create_app
from eas_product_store.runtime import MIGRATIONS
from eas_product_store.settings import ProductStoreSettings
from eas_product_store.storage.schema import PRODUCTS, VERSIONS
from tests.benchmarks.figures import Figure

PRODUCTS_COUNT = int(os.environ.get("EAS_BENCH_PRODUCTS", "1000000"))
CHUNK = 20_000
REPEATS = 20
LARGE = "large"


def measure_listing() -> dict[str, Figure]:
    """Measure pages of a directory at its beginning, middle and end, and searches in it."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store.db"
        upgrade_schema(url, MIGRATIONS)
        engine = open_engine(url, writer=True, connections=1)
        _fill(engine)
        engine.dispose()
        return asyncio.run(_measure(ProductStoreSettings(database_url=url, archive=Path(folder, "archive"))))


def _fill(engine: Engine) -> None:
    with engine.begin() as connection:
        for start in range(1, PRODUCTS_COUNT + 1, CHUNK):
            numbers = range(start, min(start + CHUNK, PRODUCTS_COUNT + 1))
            connection.execute(insert(PRODUCTS), list(_make_products(numbers)))
            connection.execute(insert(VERSIONS), list(_make_versions(numbers)))


def _make_products(numbers: range) -> Iterator[dict[str, Any]]:
    now = datetime.now(UTC)
    for number in numbers:
        yield {
            "product_id": number,
            "directory": LARGE,
            "filename": f"lightcurve_{number:07d}.lcb",
            "semantic_type": "lightcurve",
            "generator_task_id": number,
            "job_id": 1,
            "planned_at": now,
            "planned": True,
            "details": {"number": number},
        }


def _make_versions(numbers: range) -> Iterator[dict[str, Any]]:
    now = datetime.now(UTC)
    for number in numbers:
        yield {
            "version_id": number,
            "product_id": number,
            "attempt_id": number,
            "task_id": number,
            "job_id": 1,
            "store_name": f"{number:032x}",
            "md5": "0" * 32,
            "sha256": "0" * 64,
            "size": 1,
            "mime_type": "text/plain",
            "created_at": now,
            "passed_qc": True,
            "details": {"period": number % 1000 / 10},
        }


async def _measure(settings: ProductStoreSettings) -> dict[str, Figure]:
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        ProductStoreClient("http://store", None, transport=transport) as client,
    ):

        async def measure(remark: str, **query: Any) -> Figure:
            begin = time.perf_counter()
            for _ in range(REPEATS):
                await client.list_products(**query)
            return Figure((time.perf_counter() - begin) / REPEATS * 1e3, "ms", remark)

        async def measure_versions(remark: str, **query: Any) -> Figure:
            begin = time.perf_counter()
            for _ in range(REPEATS):
                await client.list_versions(**query)
            return Figure((time.perf_counter() - begin) / REPEATS * 1e3, "ms", remark)

        label = f"of {PRODUCTS_COUNT:,} products in one directory"
        end = PRODUCTS_COUNT - 100
        return {
            "listing_first_page_ms": await measure(f"100 {label}", directory=LARGE),
            "listing_middle_page_ms": await measure(f"100 {label}", directory=LARGE, after=PRODUCTS_COUNT // 2),
            "listing_last_page_ms": await measure(f"100 {label}", directory=LARGE, after=end),
            "listing_all_conditions_ms": await measure(
                f"100 {label}",
                directory=LARGE,
                semantic_type="lightcurve",
                job_id=1,
                passed_qc=True,
                glob="lightcurve_*.lcb",
                after=PRODUCTS_COUNT // 2,
            ),
            "listing_one_name_ms": await measure(
                f"one {label}", directory=LARGE, glob=f"lightcurve_{PRODUCTS_COUNT // 2:07d}.lcb"
            ),
            "listing_versions_ms": await measure_versions(
                f"100 {label}", directory=LARGE, where=["metadata.period > 50"], after=PRODUCTS_COUNT // 2
            ),
        }
