"""A product store on a temporary disk, called in the same process, and one in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from eas.client.product_store import ProductStoreClient
from eas.contracts.products import VersionView
from eas_product_store.main import create_app
from eas_product_store.settings import ProductStoreSettings
from tests.integration.product_store.object_storage import (
    CREDENTIALS,
    Bucket,
    Door,
    make_bucket,
    open_door,
    start_object_storage,
)
from tests.support.databases import Inspector
from tests.support.private_server import free_port

REPOSITORY = Path(__file__).parents[3]
_bucket_numbers = count()


@dataclass
class Place:
    """Where a store keeps its things."""

    root: Path
    database_url: str

    @property
    def settings(self) -> ProductStoreSettings:
        return ProductStoreSettings(
            database_url=self.database_url, archive=self.root / "archive", ids_patience_seconds=0
        )

    def objects(self) -> list[Path]:
        """All files in their place."""
        return sorted(path for path in (self.root / "archive" / "objects").rglob("*") if path.is_file())

    def incoming(self) -> list[Path]:
        """All files that no row is known to name."""
        return sorted((self.root / "archive" / "incoming").iterdir())

    def fetch(self, statement: str, **values: Any) -> Sequence[Any]:
        """Look into the database past the store."""
        with closing(Inspector(self.database_url)) as inspector:
            return inspector.fetch(statement, **values)

    def change(self, statement: str, **values: Any) -> None:
        """Change the database behind the store's back."""
        with closing(Inspector(self.database_url)) as inspector:
            inspector.execute(statement, **values)

    def write(self, name: str, data: bytes) -> Path:
        """Make a file to upload."""
        path = self.root / name
        path.write_bytes(data)
        return path


@dataclass
class Store(Place):
    """A running store in this process."""

    app: FastAPI = field(default_factory=FastAPI)
    client: ProductStoreClient = field(init=False)
    http: httpx.AsyncClient = field(init=False)

    async def upload(
        self,
        data: bytes,
        filename: str = "lc.txt",
        *,
        directory: str = "d",
        attempt: int = 1,
        task: int = 1,
        semantic_type: str = "lightcurve",
        rerun: bool = False,
        job: int = 1,
    ) -> VersionView:
        return await self.client.upload(
            self.write("upload.tmp", data),
            directory=directory,
            filename=filename,
            semantic_type=semantic_type,
            attempt_id=attempt,
            task_id=task,
            job_id=job,
            rerun=rerun,
        )


@pytest.fixture
def place(tmp_path: Path, make_database: Callable[[str], str]) -> Place:
    return Place(tmp_path, make_database("product_store"))


@asynccontextmanager
async def running_store(place: Place) -> AsyncIterator[Store]:
    """Run a store in this process until the block ends."""
    app = create_app(place.settings)
    found = Store(place.root, place.database_url, app)
    found.client = ProductStoreClient("http://store", None, transport=httpx.ASGITransport(app))
    found.http = httpx.AsyncClient(
        base_url="http://store", transport=httpx.ASGITransport(app, raise_app_exceptions=False)
    )
    async with app.router.lifespan_context(app), found.client, found.http:
        yield found


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    async with running_store(place) as found:
        yield found


@dataclass
class StoreProcess(Place):
    """A store in a process of its own, to be killed and started again at the same address."""

    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        settings = self.settings
        environment = {
            **os.environ,
            "EAS_PRODUCT_STORE_DATABASE_URL": settings.database_url,
            "EAS_PRODUCT_STORE_ARCHIVE": str(settings.archive),
            "EAS_PRODUCT_STORE_PORT": str(self.port),
            "EAS_PRODUCT_STORE_IDS_PATIENCE_SECONDS": "0",
            **self.environment,
        }
        command = [sys.executable, "-m", "eas_product_store.main"]
        with (self.root / "store.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log)
        self._wait_until_ready()

    def kill(self) -> None:
        """Kill the process without a word of warning."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """Ask the process to end, and tell its exit status."""
        assert self.process is not None
        self.process.terminate()
        status = self.process.wait(120)
        self.process = None
        return status

    def log(self) -> str:
        return (self.root / "store.log").read_text()

    def _wait_until_ready(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log()
            try:
                if httpx.get(f"{self.url}/health/ready").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.02)
        raise AssertionError(f"not ready after 180 s: {self.log()}")


@pytest.fixture
def store_process(place: Place) -> Iterator[StoreProcess]:
    found = StoreProcess(place.root, place.database_url, free_port())
    yield found
    found.kill()


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Wait for something that another process does."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < deadline, "it did not happen within 120 s"
            time.sleep(0.005)

    return wait


@pytest.fixture(scope="session")
def object_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process, url = start_object_storage(tmp_path_factory.mktemp("object_storage") / "log")
    yield url
    process.kill()
    process.wait()


@pytest.fixture
def bucket(object_storage: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return make_bucket(object_storage, f"bucket-{next(_bucket_numbers)}")


@pytest.fixture
def door(bucket: Bucket) -> Iterator[Door]:
    with open_door(bucket.endpoint) as found:
        yield found
