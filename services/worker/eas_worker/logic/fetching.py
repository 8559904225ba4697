"""Where inputs come from: this host, if it has the file already, else the product store, once for all who want it."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eas.contracts.scheduler import OutputVersion
from eas_worker.logic.ports import InputCache, ProductStore

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class FetchCounts:
    """How many inputs were put in place, and where they came from."""

    kept: int = 0
    kept_bytes: int = 0
    fetched: int = 0
    fetched_bytes: int = 0

    def __str__(self) -> str:
        share = self.kept / max(self.kept + self.fetched, 1)
        return (
            f"{self.kept} inputs ({self.kept_bytes / 1e6:.1f} MB) were on this host, {self.fetched} "
            f"({self.fetched_bytes / 1e6:.1f} MB) came from the product store: {share:.0%} hits"
        )


@dataclass(eq=False, slots=True)
class Arrival:
    """A file on its way to the host, and how many wait for it."""

    task: asyncio.Task[None]
    waiting: int = 0


class Fetcher:
    """Puts versions in place.

    Parameters
    ----------
    store
        Has all of them.
    cache
        Has some of them; None: nothing is kept.
    """

    def __init__(self, store: ProductStore, cache: InputCache | None) -> None:
        self._store = store
        self._cache = cache
        self._arrivals: dict[str, Arrival] = {}
        self.counts = FetchCounts()

    async def fetch(self, version: OutputVersion, target: Path) -> None:
        """Put a version's bytes, verified, into a file of the caller's own. Raises what the store's `download` does."""
        cache = self._cache
        if cache is None or not cache.takes(version.size):
            await self._download(version, target)
            return
        arrival = self._arrivals.get(version.sha256)
        if arrival is None and await asyncio.to_thread(cache.copy_to, version.sha256, target):
            self._count_kept(version)
            return
        joined = version.sha256 in self._arrivals
        await self._join(version.sha256, lambda: self._bring(cache, version))
        if not await asyncio.to_thread(cache.copy_to, version.sha256, target):
            await self._download(version, target)
        elif joined:
            self._count_kept(version)

    async def keep(self, files: dict[str, Path]) -> None:
        """Add finished files to the cache, by digest."""
        cache = self._cache
        if cache is None or not files:
            return

        async def take_over() -> None:
            await asyncio.to_thread(_keep_all, cache, files)

        arrival = Arrival(asyncio.create_task(take_over()), waiting=1)
        for sha256 in files:
            self._arrivals.setdefault(sha256, arrival)
        try:
            await asyncio.shield(arrival.task)
        finally:
            for sha256 in files:
                if self._arrivals.get(sha256) is arrival:
                    del self._arrivals[sha256]

    async def _join(self, sha256: str, bring: Callable[[], asyncio.Task[None]]) -> None:
        """Wait for a file that is on its way, or bring it. When nobody waits for it any more, it is given up."""
        arrival = self._arrivals.get(sha256)
        if arrival is None:
            arrival = self._arrivals[sha256] = Arrival(bring())
        arrival.waiting += 1
        try:
            await asyncio.shield(arrival.task)
        finally:
            arrival.waiting -= 1
            if not arrival.waiting:
                arrival.task.cancel()
            if self._arrivals.get(sha256) is arrival and (arrival.task.done() or not arrival.waiting):
                del self._arrivals[sha256]

    def _bring(self, cache: InputCache, version: OutputVersion) -> asyncio.Task[None]:
        async def bring() -> None:
            place = await asyncio.to_thread(cache.make_place)
            try:
                await self._store.download(version.version_id, place, sha256=version.sha256)
            except OSError as error:
                await asyncio.to_thread(cache.discard, place)
                if error.errno != errno.ENOSPC:
                    raise
                await asyncio.to_thread(cache.give_way)
                return  # those who wait fetch it for themselves
            except BaseException:
                cache.discard(place)
                raise
            self.counts.fetched += 1
            self.counts.fetched_bytes += version.size
            await asyncio.to_thread(cache.admit, place, version.sha256)

        return asyncio.create_task(bring())

    async def _download(self, version: OutputVersion, target: Path) -> None:
        await self._store.download(version.version_id, target, sha256=version.sha256)
        self.counts.fetched += 1
        self.counts.fetched_bytes += version.size

    def _count_kept(self, version: OutputVersion) -> None:
        self.counts.kept += 1
        self.counts.kept_bytes += version.size


def _keep_all(cache: InputCache, files: dict[str, Path]) -> None:
    for sha256, path in files.items():
        cache.keep(path, sha256)
