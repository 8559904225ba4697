"""A store in a process of its own: broken connections, broken bytes, and being killed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx
import pytest

from eas.client.product_store import ProductStoreClient
from eas.contracts.errors import DamagedError, ProductExistsError, UnavailableError
from eas.contracts.products import PlannedProduct, VersionView
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from tests.integration.product_store.conftest import StoreProcess

WaitUntil = Callable[[Callable[[], bool]], None]

QUERY = {"directory": "d", "filename": "f", "semantic_type": "t", "attempt_id": 1, "task_id": 1, "job_id": 1}


@pytest.fixture
def database_kind() -> str:
    """Bytes on their way and on the disk know nothing of what the catalogue is kept in."""
    return "sqlite"


def begin_upload(store: StoreProcess, announced: int, sent: bytes, query: dict[str, object]) -> socket.socket:
    """Send the head of an upload and a part of its body, and leave the connection open."""
    connection = socket.create_connection(("127.0.0.1", store.port))
    head = f"PUT /versions?{urlencode(query)} HTTP/1.1\r\nHost: store\r\nContent-Length: {announced}\r\n\r\n"
    connection.sendall(head.encode() + sent)
    return connection


async def upload(client: ProductStoreClient, store: StoreProcess, data: bytes, attempt: int = 1) -> VersionView:
    path = store.write(f"upload-{attempt}", data)
    return await client.upload(
        path, directory="d", filename=f"f{attempt}", semantic_type="t", attempt_id=attempt, task_id=attempt, job_id=1
    )


def test_a_connection_that_breaks_off_leaves_nothing(store_process: StoreProcess, wait_until: WaitUntil) -> None:
    store = store_process
    store.start()
    connection = begin_upload(store, 10 << 20, b"x" * (4 << 20), QUERY)
    wait_until(lambda: len(store.incoming()) == 1)
    connection.close()
    wait_until(lambda: store.incoming() == [])
    assert store.objects() == []
    assert httpx.get(f"{store.url}/versions", timeout=PATIENCE_S).json()["items"] == []
    assert store.stop() in {0, -signal.SIGTERM}
    assert "Traceback" not in store.log()


async def test_a_refusal_reaches_a_client_that_is_still_sending(store_process: StoreProcess) -> None:
    store_process.start()
    async with ProductStoreClient(store_process.url, None) as client:
        plan = PlannedProduct(directory="d", filename="f1", semantic_type="t", generator_task_id=7, job_id=1)
        await client.plan([plan])
        with pytest.raises(ProductExistsError, match="promised by task 7"):
            await upload(client, store_process, b"x" * (64 << 20))
        assert (store_process.objects(), store_process.incoming()) == ([], [])


async def test_a_long_damaged_version_breaks_the_connection_off(store_process: StoreProcess) -> None:
    store_process.start()
    async with ProductStoreClient(store_process.url, None) as client:
        version = await upload(client, store_process, os.urandom(5 << 20))
        path = store_process.objects()[0]
        data = bytearray(path.read_bytes())
        data[1000] ^= 1
        path.chmod(0o600)
        path.write_bytes(data)
        target = store_process.root / "back"
        with pytest.raises(UnavailableError):
            await client.download(version.version_id, target)
        assert not target.exists()
        # Asking again says why
        with pytest.raises(DamagedError, match="no longer match"):
            await client.download(version.version_id, target)


async def test_a_store_that_is_down_is_unavailable(store_process: StoreProcess) -> None:
    async with ProductStoreClient(store_process.url, None) as client:
        with pytest.raises(UnavailableError):
            await upload(client, store_process, b"x")
        with pytest.raises(UnavailableError):
            await client.download(1, store_process.root / "x")
        assert not list(store_process.root.glob(".*.part"))


@dataclass
class Load:
    """Uploads without end, and what the store has said it keeps."""

    store: StoreProcess
    confirmed: dict[int, str] = field(default_factory=dict)
    sent: int = 0
    goal: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def aim(self, more: int) -> None:
        """Say how many more uploads are wanted."""
        self.goal = len(self.confirmed) + more
        self.reached.clear()

    async def run(self) -> None:
        """Upload until the store is gone."""
        async with ProductStoreClient(self.store.url, None) as client:
            with suppress(UnavailableError):
                while True:
                    self.sent += 1
                    attempt, data = self.sent, os.urandom(random.choice([100, 20_000, 3 << 20]))
                    version = await upload(client, self.store, data, attempt)
                    assert version.md5 == hashlib.md5(data).hexdigest()
                    self.confirmed[version.version_id] = version.md5
                    if len(self.confirmed) >= self.goal:
                        self.reached.set()


def read_rows(store: StoreProcess) -> dict[str, tuple[int, str, int]]:
    rows = store.fetch("SELECT store_name, version_id, md5, size FROM version")
    return {name: (version_id, md5, size) for name, version_id, md5, size in rows}


async def check_all_is_well(store: StoreProcess, confirmed: dict[int, str]) -> None:
    """Compare catalogue, disk, and what was promised to those who uploaded."""
    rows = read_rows(store)
    assert store.incoming() == []
    files = {path.name: path for path in store.objects()}
    assert set(files) == set(rows), "a row without its bytes, or bytes without a row"
    for name, (_, md5, size) in rows.items():
        data = files[name].read_bytes()
        assert (len(data), hashlib.md5(data).hexdigest()) == (size, md5)
    kept = {version_id: md5 for version_id, md5, _ in rows.values()}
    assert confirmed.items() <= kept.items()
    async with httpx.AsyncClient(base_url=store.url, timeout=PATIENCE_S) as http:
        for version_id, md5 in confirmed.items():
            content = (await http.get(f"/versions/{version_id}/content")).content
            assert hashlib.md5(content).hexdigest() == md5


async def test_killed_at_random_moments_under_load_it_keeps_every_version_and_nothing_else(
    store_process: StoreProcess,
) -> None:
    store = store_process
    load = Load(store)
    store.start()
    for _ in range(int(os.environ.get("EAS_TEST_KILLS", "4"))):
        load.aim(random.randint(1, 30))
        runners = [asyncio.create_task(load.run()) for _ in range(4)]
        async with asyncio.timeout(PATIENCE_S):
            await load.reached.wait()
        await asyncio.to_thread(store.kill)
        await asyncio.gather(*runners)
        await asyncio.to_thread(store.start)
        await check_all_is_well(store, load.confirmed)
    assert len(load.confirmed) >= 4


def test_killed_in_the_middle_of_an_upload(store_process: StoreProcess, wait_until: WaitUntil) -> None:
    store = store_process
    store.start()
    with begin_upload(store, 10 << 20, b"x" * (4 << 20), QUERY):
        wait_until(lambda: len(store.incoming()) == 1)
        store.kill()
    assert len(store.incoming()) == 1
    store.start()
    assert (store.incoming(), store.objects(), read_rows(store)) == ([], [], {})
