"""Fetching inputs: once for all who want them, from this host where it has them, whatever happens to the disk."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from eas.contracts.errors import UnavailableError
from eas.contracts.scheduler import OutputVersion
from eas.testing.product_store import FakeProductStore
from eas_worker.logic.fetching import Fetcher
from eas_worker.storage.input_cache import LocalInputCache


@dataclass
class SlowStore(FakeProductStore):
    """Serves nothing before it may; counts what is asked of it; its disk may be full for a while."""

    may: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    given_up: asyncio.Event = field(default_factory=asyncio.Event)
    full: int = 0

    async def download(self, version_id: int, target: Path, *, sha256: str | None = None) -> None:
        self.asked += 1
        self.begun.set()
        try:
            await self.may.wait()
        except asyncio.CancelledError:
            self.given_up.set()
            raise
        if self.full:
            self.full -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        await super().download(version_id, target, sha256=sha256)


@dataclass
class Place:
    """A host with a cache, and a store."""

    folder: Path
    store: SlowStore
    cache: LocalInputCache
    fetcher: Fetcher

    def fetch(self, version: OutputVersion, name: str) -> asyncio.Task[None]:
        return asyncio.create_task(self.fetcher.fetch(version, self.folder / name))

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    store, cache = SlowStore(), LocalInputCache(tmp_path / "~cache", 10_000, tmp_path / "incoming")
    return Place(tmp_path, store, cache, Fetcher(store, cache))


async def test_a_version_is_fetched_once_and_then_had(place: Place) -> None:
    version = place.store.put("curve", "star.txt", b"1 2 3")
    place.store.may.set()
    for name in ("a", "b"):
        await place.fetch(version, name)
        assert place.read(name) == b"1 2 3"
    assert place.store.asked == 1
    counts = place.fetcher.counts
    assert (counts.fetched, counts.kept, counts.fetched_bytes, counts.kept_bytes) == (1, 1, 5, 5)
    assert "50% hits" in str(counts)


async def test_those_who_want_the_same_at_once_share_one_download(place: Place) -> None:
    version = place.store.put("curve", "star.txt", b"1 2 3")
    same = place.store.put("curve", "copy.txt", b"1 2 3")
    fetches = [place.fetch(version, "a"), place.fetch(same, "b"), place.fetch(version, "c")]
    await place.store.begun.wait()
    place.store.may.set()
    await asyncio.gather(*fetches)
    assert [place.read(name) for name in "abc"] == [b"1 2 3"] * 3
    assert place.store.asked == 1


async def test_one_who_gives_up_takes_nothing_from_the_others(place: Place) -> None:
    version = place.store.put("curve", "star.txt", b"1 2 3")
    first, second = place.fetch(version, "a"), place.fetch(version, "b")
    await place.store.begun.wait()
    first.cancel()
    await asyncio.wait({first})
    place.store.may.set()
    await second
    assert place.read("b") == b"1 2 3"
    assert (place.store.asked, place.store.given_up.is_set()) == (1, False)


async def test_a_download_that_nobody_waits_for_ends(place: Place) -> None:
    version = place.store.put("curve", "star.txt", b"1 2 3")
    only = place.fetch(version, "a")
    await place.store.begun.wait()
    only.cancel()
    await asyncio.wait({only})
    await place.store.given_up.wait()
    place.store.may.set()
    await place.fetch(version, "b")
    assert place.read("b") == b"1 2 3"


async def test_a_failure_is_told_to_all_and_the_next_try_is_a_new_one(place: Place) -> None:
    version = place.store.put("curve", "star.txt", b"1 2 3")
    place.store.is_down = True
    fetches = [place.fetch(version, name) for name in "ab"]
    place.store.may.set()
    found = await asyncio.gather(*fetches, return_exceptions=True)
    assert [type(error) for error in found] == [UnavailableError] * 2
    place.store.is_down = False
    await place.fetch(version, "c")
    assert place.read("c") == b"1 2 3"


async def test_outputs_are_inputs_without_a_download(place: Place) -> None:
    version = place.store.put("curve", "made.txt", b"4 5 6")
    (place.folder / "out").write_bytes(b"4 5 6")
    keeping = asyncio.create_task(place.fetcher.keep({version.sha256: place.folder / "out"}))
    await asyncio.sleep(0)  # it has begun, and the reader comes before it ends
    await place.fetch(version, "a")
    await keeping
    assert place.read("a") == b"4 5 6"
    assert place.store.asked == 0


async def test_a_reader_that_gives_up_does_not_stop_the_keeping(place: Place) -> None:
    version = place.store.put("curve", "made.txt", b"4 5 6")
    (place.folder / "out").write_bytes(b"4 5 6")
    keeping = asyncio.create_task(place.fetcher.keep({version.sha256: place.folder / "out"}))
    await asyncio.sleep(0)
    reader = place.fetch(version, "a")
    await asyncio.sleep(0)
    reader.cancel()
    await keeping
    assert place.cache.copy_to(version.sha256, place.folder / "b")


async def test_a_full_disk_makes_the_cache_give_way_and_the_task_gets_its_input(place: Place) -> None:
    place.store.may.set()
    await place.fetch(place.store.put("curve", "old.txt", b"7 8 9"), "old")
    version = place.store.put("curve", "star.txt", b"1 2 3")
    place.store.full = 1
    await place.fetch(version, "a")
    assert place.read("a") == b"1 2 3"
    assert not list((place.folder / "~cache").glob("*/bytes"))


async def test_a_disk_that_stays_full_is_an_error(place: Place) -> None:
    place.store.may.set()
    place.store.full = 2
    with pytest.raises(OSError, match="No space left"):
        await place.fetch(place.store.put("curve", "star.txt", b"1 2 3"), "a")


async def test_a_version_too_long_to_keep_is_fetched_each_time(place: Place) -> None:
    version = place.store.put("curve", "star.txt", b"x" * 5000)
    place.store.may.set()
    for name in ("a", "b"):
        await place.fetch(version, name)
    assert place.store.asked == 2


async def test_without_a_cache_every_input_is_fetched(tmp_path: Path) -> None:
    store = SlowStore()
    store.may.set()
    version = store.put("curve", "star.txt", b"1 2 3")
    fetcher = Fetcher(store, None)
    for name in ("a", "b"):
        await fetcher.fetch(version, tmp_path / name)
    await fetcher.keep({version.sha256: tmp_path / "a"})
    assert store.asked == 2
    assert (tmp_path / "a").exists()
