"""A store whose database server is killed and comes back: nothing that was promised is lost, and nobody has to help."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from eas.client.product_store import ProductStoreClient
from eas.contracts.errors import UnavailableError
from tests.support.databases import SERVER_KINDS, SERVERS, DatabaseServer
from tests.support.patience import PATIENCE_S
from tests.support.private_server import open_server

if TYPE_CHECKING:
    from tests.integration.product_store.conftest import StoreProcess

WaitUntil = Callable[[Callable[[], bool]], None]

ROUNDS = int(os.environ.get("EAS_TEST_KILLS", "3"))
PIECEWISE_ABOVE = 100_000
QUERY = "directory=d&filename=x&semantic_type=t&attempt_id=1000000&task_id=1&job_id=1"


@pytest.fixture(params=SERVER_KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    with open_server(SERVERS[request.param]) as found:
        yield found


@pytest.fixture
def make_database(server: DatabaseServer) -> Callable[[str], str]:
    """Databases of the server that is killed."""
    url = server.make_database()
    return lambda _service: url


@pytest.fixture
def database_kind(server: DatabaseServer) -> str:
    return type(server).__name__


@dataclass
class Load:
    """Uploads without end, each repeated until the store keeps it; long ones go in pieces."""

    store: StoreProcess
    confirmed: dict[int, str] = field(default_factory=dict)
    refusals: int = 0
    sent: int = 0
    resting: bool = False
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """Upload until told to rest."""
        async with ProductStoreClient(self.store.url, None, piecewise_above=PIECEWISE_ABOVE) as client:
            while not self.resting:
                self.sent += 1
                data = os.urandom(random.choice([100, 20_000, 20_000, 4 * PIECEWISE_ABOVE]))
                await self._send(client, self.sent, self.store.write(f"upload-{self.sent}", data), data)

    async def wait_for_confirmations(self, more: int) -> None:
        """Wait until more uploads have succeeded."""
        goal = len(self.confirmed) + more
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: len(self.confirmed) >= goal)

    async def wait_for_refusals(self, more: int) -> None:
        """Wait until more uploads have been refused."""
        goal = self.refusals + more
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: self.refusals >= goal)

    async def _send(self, client: ProductStoreClient, attempt: int, path: Path, data: bytes) -> None:
        is_kept = False
        while not is_kept:
            try:
                version = await client.upload(
                    path,
                    directory="d",
                    filename=f"f{attempt}",
                    semantic_type="t",
                    attempt_id=attempt,
                    task_id=1,
                    job_id=1,
                )
                self.confirmed[version.version_id] = hashlib.sha256(data).hexdigest()
                is_kept = True
            except UnavailableError:
                self.refusals += 1
                await asyncio.sleep(0.02)
            async with self.changed:
                self.changed.notify_all()


async def check_all_is_there(store: StoreProcess, confirmed: dict[int, str]) -> None:
    """Compare catalogue, disk, and what was promised."""
    rows = store.fetch("SELECT version_id, attempt_id, store_name, sha256 FROM version")
    assert len({row.attempt_id for row in rows}) == len(rows), "versions that are there twice"
    assert confirmed.items() <= {row.version_id: row.sha256 for row in rows}.items()
    files = {path.name: path for path in store.objects()}
    assert set(files) == {row.store_name for row in rows}, "a row without its bytes, or bytes without a row"
    for row in rows:
        assert hashlib.sha256(files[row.store_name].read_bytes()).hexdigest() == row.sha256
    async with httpx.AsyncClient(base_url=store.url, timeout=PATIENCE_S) as http:
        for version_id, sha256 in confirmed.items():
            content = (await http.get(f"/versions/{version_id}/content")).content
            assert hashlib.sha256(content).hexdigest() == sha256


@pytest.mark.timeout(300 + 60 * ROUNDS)
async def test_a_database_that_is_killed_in_the_middle_of_uploads_costs_nothing_but_time(
    store_process: StoreProcess, server: DatabaseServer, wait_until: WaitUntil
) -> None:
    store = store_process
    store.environment["EAS_PRODUCT_STORE_TIDY_SECONDS"] = "0.1"
    await asyncio.to_thread(store.start)
    load = Load(store)
    runners = [asyncio.create_task(load.run()) for _ in range(6)]
    for _ in range(ROUNDS):
        await load.wait_for_confirmations(random.randint(5, 40))
        await asyncio.to_thread(server.kill)
        await load.wait_for_refusals(6)
        async with httpx.AsyncClient(base_url=store.url, timeout=PATIENCE_S) as http:
            for answer in (
                await http.get("versions"),
                await http.put(f"versions?{QUERY}", content=b"x"),
            ):
                assert (answer.status_code, answer.json()["slug"]) == (503, "unavailable")
            assert (await http.get("health/ready")).status_code == 503
            assert (await http.get("health/live")).status_code == 200
        await asyncio.to_thread(server.start)
    await load.wait_for_confirmations(10)
    load.resting = True
    await asyncio.gather(*runners)
    await asyncio.to_thread(wait_until, lambda: store.incoming() == [])
    await check_all_is_there(store, load.confirmed)
    assert store.process is not None
    assert store.process.poll() is None
