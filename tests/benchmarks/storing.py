"""How fast products are taken in and given back, over HTTP, durable."""

from __future__ import annotations

import asyncio
import http.client
import os
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from eas.client.product_store import ProductStoreClient
from eas.client.small_files import SmallFile
from eas.contracts.products import UploadParameters
from tests.benchmarks.embedded_suite import RunningSuite, embedded_suite
from tests.benchmarks.figures import Figure

LARGE_BYTES = 2**30
SMALL_FILES = 500
TOGETHER = 2000
PARCEL = 100


def measure_products() -> dict[str, Figure]:
    """Measure one large upload and download, and many small uploads."""
    with embedded_suite(workers=1) as suite:
        return asyncio.run(_measure_products(suite))


async def _measure_products(suite: RunningSuite) -> dict[str, Figure]:
    with tempfile.TemporaryDirectory() as folder:
        large, back = Path(folder, "large"), Path(folder, "back")
        with large.open("wb") as file:
            for _ in range(LARGE_BYTES // 2**20):
                file.write(os.urandom(2**20))
        each = [Path(folder, str(number)) for number in range(PARCEL)]
        for path in each:
            path.write_bytes(os.urandom(10_000))
        small = Path(folder, "small")
        small.write_bytes(os.urandom(10_000))
        async with ProductStoreClient(f"{suite.url}/products", suite.tokens["worker"]) as client:
            begin = time.perf_counter()
            version = await _upload(client, large, 0)
            upload = time.perf_counter() - begin
            begin = time.perf_counter()
            await client.download(version, back)
            download = time.perf_counter() - begin
            serve = await asyncio.to_thread(_time_serving, suite, version)
            begin = time.perf_counter()
            numbers = iter(range(1, SMALL_FILES + 1))

            async def send() -> None:
                for number in numbers:
                    await _upload(client, small, number)

            await asyncio.gather(*(send() for _ in range(8)))
            many = time.perf_counter() - begin
            begin = time.perf_counter()
            for start in range(0, TOGETHER, PARCEL):
                await client.upload_many(
                    [
                        SmallFile(each[number - start], _describe("together", number))
                        for number in range(start, start + PARCEL)
                    ]
                )
            together = time.perf_counter() - begin
    size = LARGE_BYTES / 1e6
    return {
        "product_upload_mb_per_s": Figure(size / upload, "MB/s", f"one of {size:.0f} MB, MD5 and SHA-256 at both ends"),
        "product_download_mb_per_s": Figure(size / download, "MB/s", "back into a file, verified at both ends"),
        "product_serve_mb_per_s": Figure(size / serve, "MB/s", "verified by the store, thrown away by the client"),
        "product_versions_per_s": Figure(SMALL_FILES / many, "versions/s", f"{SMALL_FILES} of 10 kB, 8 at a time"),
        "product_deposits_per_s": Figure(TOGETHER / together, "versions/s", f"10 kB, {PARCEL} in a request"),
    }


def _time_serving(suite: RunningSuite, version_id: int) -> float:
    """Fetch a version and keep nothing of it: what remains is the store's own speed [s]."""
    url = urlsplit(suite.url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port)
    begin = time.perf_counter()
    headers = {"Authorization": f"Bearer {suite.tokens['worker']}"}
    connection.request("GET", f"/products/versions/{version_id}/content", headers=headers)
    answer, buffer, size = connection.getresponse(), bytearray(2**21), 0
    while got := answer.readinto(buffer):
        size += got
    if size != LARGE_BYTES:
        raise RuntimeError(f"{size} bytes came, expected {LARGE_BYTES}")
    connection.close()
    return time.perf_counter() - begin


async def _upload(client: ProductStoreClient, path: Path, number: int) -> int:
    return (await client.upload(path, **_describe("bench", number).model_dump())).version_id


def _describe(directory: str, number: int) -> UploadParameters:
    return UploadParameters(
        directory=directory,
        filename=f"{number}.bin",
        semantic_type="file",
        attempt_id=number + 1,
        task_id=number + 1,
        job_id=1,
    )
