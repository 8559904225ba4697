"""A store that is killed at random moments while everything happens at once: ``EAS_TEST_KILLS=300`` for a long run."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest

from eas.client.product_store import ProductStoreClient
from eas.contracts.errors import GoneError, UnavailableError
from eas.contracts.retention import RetentionRequest, RetentionRuleView
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from tests.integration.product_store.conftest import StoreProcess

ROUNDS = int(os.environ.get("EAS_TEST_KILLS", "3"))
SEED = int(os.environ.get("EAS_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)

#: Nobody removes anything from the first; operators remove and restore in the second, a retention rule in the third.
STAYING, PASSING, AGING = "staying", "passing", "aging"
RULE = RetentionRequest(
    rules=[RetentionRuleView(name="old", directory=AGING, older_than_days=0, keep_newest=1)], running_jobs=[]
)
#: What several uploads have in common, so that versions share files.
COMMON = [bytes([number]) * size for number, size in enumerate((0, 100, 50_000, 1 << 20))]
PIECEWISE_ABOVE = 1 << 20


class Sent(NamedTuple):
    """One upload, which may be repeated."""

    attempt: int
    directory: str
    filename: str
    path: Path
    sha256: str


class Row(NamedTuple):
    """One version as the catalogue has it."""

    version_id: int
    attempt: int
    directory: str
    product_id: int
    store_name: str
    sha256: str
    size: int
    removed: bool
    purged: bool


@dataclass
class Load:
    """Clients that never rest, and what the store has promised them."""

    store: StoreProcess
    chance: random.Random
    promised: dict[int, Sent] = field(default_factory=dict)
    doomed: set[int] = field(default_factory=set)
    unsure: list[Sent] = field(default_factory=list)
    attempts: int = 0
    resting: bool = False

    async def run(self) -> None:
        """Do everything at once until the store is gone; long uploads wait for it to come back."""
        self.resting = False
        async with ProductStoreClient(self.store.url, None, piecewise_above=PIECEWISE_ABOVE) as client:
            work = [self._upload] * 4 + [self._upload_long, self._remove, self._retain, self._verify]
            await asyncio.gather(*(self._repeat(one, client) for one in work))

    async def settle(self) -> None:
        """Repeat uploads whose fate is not known."""
        async with ProductStoreClient(self.store.url, None, piecewise_above=PIECEWISE_ABOVE) as client:
            while self.unsure:
                await self._send(client, self.unsure.pop())

    async def _repeat(self, work: Callable[[ProductStoreClient], Awaitable[None]], client: ProductStoreClient) -> None:
        with suppress(UnavailableError):
            while not self.resting:
                await work(client)

    async def _upload(self, client: ProductStoreClient) -> None:
        if self.unsure and self.chance.random() < 0.5:
            await self._send(client, self.unsure.pop())
            return
        fresh = self.chance.randbytes(self.chance.choice([1, 300, 20_000, 1 << 20]))
        await self._send(client, self._make(self.chance.choice([fresh, *COMMON])))

    async def _upload_long(self, client: ProductStoreClient) -> None:
        size = PIECEWISE_ABOVE + self.chance.randrange(1, 4 << 20)
        await self._send(client, self._make(self.chance.randbytes(size)))

    def _make(self, data: bytes) -> Sent:
        self.attempts += 1
        directory = self.chance.choice([STAYING, PASSING, AGING])
        filename = f"f{self.attempts % 5 if directory == AGING else self.attempts}"
        path = self.store.write(f"sent-{self.attempts}", data)
        return Sent(self.attempts, directory, filename, path, hashlib.sha256(data).hexdigest())

    async def _send(self, client: ProductStoreClient, sent: Sent) -> None:
        try:
            version = await client.upload(
                sent.path,
                directory=sent.directory,
                filename=sent.filename,
                semantic_type="t",
                attempt_id=sent.attempt,
                task_id=1,
                job_id=1,
            )
        except (UnavailableError, asyncio.CancelledError):
            self.unsure.append(sent)
            raise
        except GoneError:
            # It was stored by the first try, whose answer was lost, and the rule has removed it since.
            assert sent.directory == AGING
        else:
            assert version.sha256 == sent.sha256
            self.promised[version.version_id] = sent
        sent.path.unlink()

    async def _remove(self, client: ProductStoreClient) -> None:
        here = [key for key, sent in self.promised.items() if sent.directory == PASSING and key not in self.doomed]
        if not here:
            await client.collect_garbage()
            return
        version_id = self.chance.choice(here)
        self.doomed.add(version_id)
        await client.remove(version_id, running_jobs=[])
        if self.chance.random() < 0.5:
            with suppress(GoneError):
                await client.restore(version_id)
                self.doomed.remove(version_id)
        if self.chance.random() < 0.3:
            await client.collect_garbage(grace_hours=0)

    async def _retain(self, client: ProductStoreClient) -> None:
        await client.run_retention(RULE)

    async def _verify(self, client: ProductStoreClient) -> None:
        report = await client.check_fixity(after=self.chance.randrange(0, len(self.promised) + 1), limit=20)
        assert report.damaged == []


def read_catalogue(store: StoreProcess) -> tuple[list[Row], set[str]]:
    """Read all versions, and the files that are about to go."""
    rows = store.fetch(
        "SELECT version_id, attempt_id, directory, product_id, store_name, sha256, size, deleted_at IS NOT NULL, "
        "purged_at IS NOT NULL FROM version JOIN product USING (product_id)"
    )
    # What becomes garbage in between is named twice; what is swept in between went before its row did.
    return [Row(*row) for row in rows], {row[0] for row in store.fetch("SELECT store_name FROM garbage")}


def is_there(store: StoreProcess, row: Row, checked: set[str]) -> bool:
    """Tell whether the bytes of a version are there, and are what they were; each file is read once."""
    path = store.root / "archive" / "objects" / row.store_name[:2] / row.store_name
    try:
        if row.store_name in checked:
            return path.stat().st_size == row.size
        data = path.read_bytes()
    except FileNotFoundError:
        return False
    checked.add(row.store_name)
    return hashlib.sha256(data).hexdigest() == row.sha256


def check_catalogue(store: StoreProcess, load: Load, checked: set[str]) -> None:
    """Compare the catalogue with the disk and with what was promised, while garbage goes in the background."""
    files = store.objects()
    rows, garbage = read_catalogue(store)
    lost = {row.version_id for row in rows if not row.purged and not is_there(store, row, checked)}
    if lost:
        lost -= {row.version_id for row in read_catalogue(store)[0] if row.purged}
    assert not lost, f"versions without their bytes: {lost}"
    named = {row.store_name for row in rows if not row.purged} | garbage
    assert [path for path in files if path.name not in named and path.exists()] == [], "bytes without a version"
    repeated = {
        key: count for key, count in Counter((row.product_id, row.attempt) for row in rows).items() if count > 1
    }
    assert repeated == {}, "versions that are there twice"
    known = {row.version_id: row for row in rows}
    for version_id, sent in load.promised.items():
        row = known[version_id]
        assert (row.attempt, row.directory, row.sha256) == (sent.attempt, sent.directory, sent.sha256)
        stays = sent.directory == STAYING or (sent.directory == PASSING and version_id not in load.doomed)
        assert not (stays and (row.removed or row.purged)), f"version {version_id} is gone, and nobody removed it"
    newest = {row.product_id: row for row in sorted(rows) if row.directory == AGING}
    assert not [row for row in newest.values() if row.removed], "the rule removed the newest"


async def check_everything_is_served(store: StoreProcess, load: Load) -> None:
    """Download all that was ever promised."""
    async with httpx.AsyncClient(base_url=store.url, timeout=PATIENCE_S) as http:
        for version_id, sent in load.promised.items():
            answer = await http.get(f"/versions/{version_id}/content")
            if answer.status_code == 410:
                assert sent.directory == AGING or version_id in load.doomed
            else:
                assert answer.status_code == 200
                assert hashlib.sha256(answer.content).hexdigest() == sent.sha256


# A client that is cancelled at the moment at which it connects leaves its socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(300 + 60 * ROUNDS)
async def test_killed_while_all_is_going_on_it_loses_nothing_and_keeps_nothing_twice(
    store_process: StoreProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_process
    chance = random.Random(SEED)
    load = Load(store, chance)
    checked: set[str] = set()
    print(f"EAS_TEST_SEED={SEED}")
    for name, value in {"GRACE_HOURS": "0", "TIDY_SECONDS": "0.1", "SCRUB_MB_PER_SECOND": "200"}.items():
        monkeypatch.setenv(f"EAS_PRODUCT_STORE_{name}", value)
    await asyncio.to_thread(store.start)
    begin = time.monotonic()
    for number in range(1, ROUNDS + 1):
        running = asyncio.create_task(load.run())
        await asyncio.wait([running], timeout=chance.uniform(0.02, 1.5))
        load.resting = True
        await asyncio.to_thread(store.kill)
        if chance.random() < 0.7:
            running.cancel()  # else long uploads wait until the store is back, and go on
        await asyncio.to_thread(store.start)
        with suppress(asyncio.CancelledError):
            await running
        await asyncio.to_thread(check_catalogue, store, load, checked)
        print(f"kill {number}: {len(load.promised)} versions promised, {time.monotonic() - begin:.0f} s", flush=True)
    await load.settle()
    async with ProductStoreClient(store.url, None) as client:
        await client.collect_garbage(grace_hours=0)
    checked.clear()
    check_catalogue(store, load, checked)
    await check_everything_is_served(store, load)
    rows, _ = read_catalogue(store)
    assert {path.name for path in store.objects()} == {row.store_name for row in rows if not row.purged}
    assert store.incoming() == []
    assert "Traceback" not in store.log()
    assert {sent.attempt for sent in load.promised.values()} <= {row.attempt for row in rows}
    assert len(rows) <= load.attempts
