"""Follow a version to what it was made from, and to what was made from it.

The scheduler knows who read what; the product store knows which attempt made a version, and what the version is. So
each step of the way is one question to each of them, however many versions it has.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from eas.contracts.errors import NotFoundError
from eas.contracts.products import VersionView
from eas.contracts.provenance import Direction, ProvenanceAttempt, ProvenanceGraph

#: A history is followed until it has this many versions or attempts.
MAX_NODES = 10_000


class VersionSource(Protocol):
    """The product store, as far as the scheduler asks it for versions."""

    async def find_versions(self, version_ids: Collection[int]) -> list[VersionView]:
        """Find versions by id; those that do not exist are left out. Raises the store's errors."""


class AttemptSource(Protocol):
    """Attempts as steps of histories. See `eas_scheduler.storage.provenance`."""

    async def find_attempts(self, attempt_ids: Collection[int]) -> list[ProvenanceAttempt]:
        """Fetch attempts by id; those that do not exist are left out."""

    async def find_readers(self, versions: Collection[VersionView]) -> list[ProvenanceAttempt]:
        """Fetch the attempts that have one of these versions as an input."""


class Provenance:
    """Answers where versions come from and where they went."""

    def __init__(self, versions: VersionSource, attempts: AttemptSource) -> None:
        self._versions = versions
        self._attempts = attempts

    async def trace(self, version_id: int, direction: Direction, depth: int) -> ProvenanceGraph:
        """Follow a version up, down, or both ways, over up to `depth` attempts in a row.

        Raises
        ------
        NotFoundError
            The product store has no such version.
        UnavailableError
            The product store cannot be reached.
        """
        start = await self._versions.find_versions([version_id])
        if not start:
            raise NotFoundError(f"there is no version {version_id}", where="path.version_id")
        walk = _Walk(self._versions, self._attempts, start)
        if direction is not Direction.DOWN:
            await walk.climb(start, depth)
        if direction is not Direction.UP:
            await walk.descend(start, depth)
        return walk.show(version_id, direction)


class _Walk:
    """What has been seen of a history so far."""

    def __init__(self, store: VersionSource, steps: AttemptSource, start: Collection[VersionView]) -> None:
        self._store = store
        self._steps = steps
        self._versions = {version.version_id: version for version in start}
        self._attempts: dict[int, ProvenanceAttempt] = {}
        self._missing: set[int] = set()
        self._unknown: set[int] = set()
        self._complete = True

    async def climb(self, frontier: Collection[VersionView], depth: int) -> None:
        """Go from versions to the attempts that made them and to what those read."""
        seen: set[int] = set()
        for _ in range(depth):
            wanted = {version.attempt_id for version in frontier} - seen
            makers = {version.attempt_id: version.task_id for version in frontier}
            # An attempt of another task is not the one that made the version, whatever its id.
            found = await self._steps.find_attempts(wanted)
            made = [attempt for attempt in found if makers[attempt.attempt_id] == attempt.task_id]
            self._unknown |= wanted - {attempt.attempt_id for attempt in made}
            seen |= wanted
            self._attempts |= {attempt.attempt_id: attempt for attempt in made}
            sources = {use.version_id for attempt in made for use in attempt.inputs}
            sources |= {version.adopted_from for version in frontier if version.adopted_from is not None}
            frontier = await self._fetch(sources)
            if not frontier or self._is_full():
                break
        self._complete &= not any(version.attempt_id not in seen for version in frontier)

    async def descend(self, frontier: Collection[VersionView], depth: int) -> None:
        """Go from versions to the attempts that read them and to what those made."""
        seen = {version.version_id for version in frontier}
        for _ in range(depth):
            readers = await self._steps.find_readers(frontier)
            self._attempts |= {attempt.attempt_id: attempt for attempt in readers}
            results = {use.version_id for attempt in readers for use in attempt.outputs} - seen
            seen |= results
            frontier = await self._fetch(results)
            if not frontier or self._is_full():
                break
        if frontier:
            self._complete &= not await self._steps.find_readers(frontier)

    def show(self, version_id: int, direction: Direction) -> ProvenanceGraph:
        """Make the answer."""
        return ProvenanceGraph(
            version_id=version_id,
            direction=direction,
            versions=[self._versions[key] for key in sorted(self._versions)],
            attempts=[self._attempts[key] for key in sorted(self._attempts)],
            missing=sorted(self._missing),
            unknown_attempts=sorted(self._unknown),
            complete=self._complete,
        )

    async def _fetch(self, version_ids: set[int]) -> list[VersionView]:
        found = {version.version_id: version for version in await self._store.find_versions(sorted(version_ids))}
        self._versions |= found
        self._missing |= version_ids - found.keys()
        return list(found.values())

    def _is_full(self) -> bool:
        return len(self._versions) + len(self._attempts) > MAX_NODES
