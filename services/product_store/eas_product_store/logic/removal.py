"""Pin versions, remove them, and give back the room of those that nobody wanted back."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from eas.contracts.errors import NotFoundError
from eas.isolation import describe_error, handle_each
from eas_product_store.domain.removal import (
    Finding,
    Protection,
    RetentionRule,
    Tally,
    check_not_purged,
    check_removable,
    describe_reason,
)
from eas_product_store.domain.version import Version
from eas_product_store.logic.ports import Archive, Catalog, CatalogAccess, Clock

logger = logging.getLogger(__name__)

#: How many versions one transaction removes or purges: uploads do not wait for more.
PORTION = 2000
EXAMPLES = 100


class Removals:
    """Removes versions in two steps.

    A version that is removed is no longer found by its name, and its bytes stay for a time of grace, in which it can be
    restored and is still served. Then the row becomes a tombstone; bytes that no other version shares go. First the
    catalogue says so, then the file is removed, so that no row is ever without its bytes.

    Parameters
    ----------
    grace
        How long the bytes of removed versions stay.
    """

    def __init__(self, catalog: CatalogAccess, archive: Archive, clock: Clock, *, grace: timedelta) -> None:
        self._catalog = catalog
        self._archive = archive
        self._clock = clock
        self._grace = grace

    async def pin(self, version_id: int, author: str, reason: str) -> Version:
        """Keep a version whatever anybody says. Raises NotFoundError, GoneError."""

        def command(catalog: Catalog) -> Version:
            version = _get(catalog, version_id)
            check_not_purged(version)
            pinned = replace(version, pin=describe_reason(author, reason))
            catalog.removals.pin(version_id, pinned.pin)
            return pinned

        return await self._catalog.write(command)

    async def unpin(self, version_id: int) -> Version:
        """Take the pin away. Raises NotFoundError."""

        def command(catalog: Catalog) -> Version:
            version = _get(catalog, version_id)
            catalog.removals.pin(version_id, None)
            return replace(version, pin=None)

        return await self._catalog.write(command)

    async def remove(self, version_id: int, author: str, reason: str, protection: Protection) -> Version:
        """Remove a version; again, it changes nothing.

        Raises
        ------
        NotFoundError
            There is no such version.
        ConflictError
            It is pinned, or an accepted one of a job that runs.
        """
        now = self._clock()

        def command(catalog: Catalog) -> Version:
            version = _get(catalog, version_id)
            if version.deleted_at is not None:
                return version
            check_removable(version, protection)
            removed = replace(version, deleted_at=now, deletion=describe_reason(author, reason))
            catalog.removals.delete([version_id], now, removed.deletion or "")
            return removed

        return await self._catalog.write(command)

    async def restore(self, version_id: int) -> Version:
        """Take a removal back. Raises NotFoundError, GoneError."""

        def command(catalog: Catalog) -> Version:
            version = _get(catalog, version_id)
            check_not_purged(version)
            catalog.removals.restore(version_id)
            return replace(version, deleted_at=None, deletion=None)

        return await self._catalog.write(command)

    async def collect(self, grace: timedelta | None = None) -> tuple[Tally, int]:
        """Give back the room of versions that were removed longer ago than the time of grace.

        Returns
        -------
        Which versions were purged, and how many files went; versions that share a file with others free nothing.
        """
        purged, files = Tally(), await self._sweep()
        now = self._clock()
        before = now - (self._grace if grace is None else grace)
        while portion := await self._catalog.write(lambda catalog: _purge(catalog, before, now)):
            size = sum(version.fingerprint.size for version in portion)
            purged = Tally(purged.versions + len(portion), purged.size + size)
            files += await self._sweep()
        if purged.versions:
            logger.info("purged %d removed versions, %d files", purged.versions, files)
        return purged, files

    async def plan(self, rules: Sequence[RetentionRule], protection: Protection) -> list[Finding]:
        """Tell what rules would remove, each by itself."""
        now = self._clock()

        def query(catalog: Catalog) -> list[Finding]:
            return [
                Finding(
                    rule,
                    *catalog.removals.count(rule, protection, now),
                    catalog.removals.select(rule, protection, now, EXAMPLES),
                )
                for rule in rules
            ]

        return await self._catalog.read(query)

    async def apply(self, rules: Sequence[RetentionRule], protection: Protection, author: str) -> list[Finding]:
        """Remove what rules say, in their order, and tell it."""
        return [await self._apply(rule, protection, author) for rule in rules]

    async def _apply(self, rule: RetentionRule, protection: Protection, author: str) -> Finding:
        now = self._clock()
        reason = describe_reason(author, f"retention rule {rule.name!r}")

        def command(catalog: Catalog) -> list[Version]:
            versions = catalog.removals.select(rule, protection, now, PORTION)
            catalog.removals.delete([version.version_id for version in versions], now, reason)
            return versions

        _, spared = await self._catalog.read(lambda catalog: catalog.removals.count(rule, protection, now))
        removed, examples = Tally(), list[Version]()
        while portion := await self._catalog.write(command):
            size = sum(version.fingerprint.size for version in portion)
            removed = Tally(removed.versions + len(portion), removed.size + size)
            examples += portion[: EXAMPLES - len(examples)]
        return Finding(rule, removed, spared, examples)

    async def _sweep(self) -> int:
        swept = 0
        while names := await self._catalog.read(lambda catalog: catalog.removals.list_garbage(PORTION)):
            before = swept

            async def remove(some: Sequence[str]) -> None:
                nonlocal swept
                await self._archive.remove(some)
                await self._forget(some)
                swept += len(some)

            await handle_each(list(names), remove, _leave)
            if swept == before:
                break
        return swept

    async def _forget(self, store_names: Collection[str]) -> None:
        await self._catalog.write(lambda catalog: catalog.removals.forget_garbage(store_names))


async def _leave(store_name: str, error: Exception) -> None:
    """Leave a file that cannot be removed for the next time."""
    logger.error("%s cannot be removed and keeps its room: %s", store_name, describe_error(error))


def _get(catalog: Catalog, version_id: int) -> Version:
    version = catalog.versions.get(version_id)
    if version is None:
        raise NotFoundError(f"there is no version {version_id}", where="path.version_id")
    return version


def _purge(catalog: Catalog, before: datetime, now: datetime) -> list[Version]:
    versions = catalog.removals.find_condemned(before, PORTION)
    if versions:
        catalog.removals.purge(versions, now)
        for version in versions:
            for quota in catalog.quotas.find(version.directory):
                catalog.quotas.count(quota, -version.fingerprint.size)
    return versions
