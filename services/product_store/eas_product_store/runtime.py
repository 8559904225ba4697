"""The composition root: the only file that knows both logic and storage."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from eas.background import attempt_step, cancel_and_wait, keep_running
from eas.database.committer import Database
from eas.database.migrations import upgrade_schema
from eas.database.next_keys import raise_next_key
from eas.database.restored import is_marked_restored, remove_restored_mark
from eas.id_gate import IdGate
from eas_product_store.logic.adoption import Adoptions
from eas_product_store.logic.deposit import DepositService
from eas_product_store.logic.fixity import Fixity
from eas_product_store.logic.ids import CLOSED, IdComparison
from eas_product_store.logic.inventory import Inventory
from eas_product_store.logic.orphans import Orphans
from eas_product_store.logic.planning import Planning
from eas_product_store.logic.previews import Previews
from eas_product_store.logic.quality import QualityLedger
from eas_product_store.logic.quarantine import Quarantine
from eas_product_store.logic.quotas import Quotas
from eas_product_store.logic.recovery import Recovery
from eas_product_store.logic.removal import Removals
from eas_product_store.logic.resumption import ResumableUploads
from eas_product_store.logic.retrieval import Retrieval
from eas_product_store.settings import ProductStoreSettings
from eas_product_store.storage.archive import FileArchive
from eas_product_store.storage.catalog import DatabaseCatalog
from eas_product_store.storage.database import DATABASE
from eas_product_store.storage.partials import PartialArchive
from eas_product_store.storage.preview_processes import PreviewProcesses
from eas_product_store.storage.spool import ArchiveError

if TYPE_CHECKING:
    from eas_product_store.storage.bucket import BucketArchive

MIGRATIONS = DATABASE.migrations


_PAUSE_BETWEEN_SCRUBS_S = 3600.0


def _now() -> datetime:
    return datetime.now(UTC)


def make_archive(settings: ProductStoreSettings) -> FileArchive | BucketArchive:
    """Make the archive that the settings name. Raises ArchiveError where that cannot be."""
    if isinstance(settings.archive, Path):
        return FileArchive(settings.archive, threads=settings.archive_threads)
    try:
        from eas_product_store.storage.bucket import BucketArchive, parse_address
    except ImportError as error:
        raise ArchiveError(f"{settings.archive}: install plato-eas[s3] for archives in buckets") from error
    address = parse_address(settings.archive, endpoint=settings.s3_endpoint, region=settings.s3_region)
    return BucketArchive(address, settings.spool, threads=settings.archive_threads)


class ProductStoreRuntime:
    """Makes the service's parts around one database and one archive."""

    def __init__(self, settings: ProductStoreSettings) -> None:
        self._database = Database(settings.database_url, cache_mb=settings.sqlite_cache_mb)
        self._archive = make_archive(settings)
        self._catalog = DatabaseCatalog(self._database)
        self._recovery = Recovery(self._catalog, self._archive)
        self.planning = Planning(self._catalog)
        self.quarantine = Quarantine(self._catalog, self._archive, _now)
        self.deposit_service = DepositService(
            self._catalog, self._archive, self._recovery, self.quarantine, _now, max_size=settings.max_version_bytes
        )
        self.uploads = ResumableUploads(
            self._catalog,
            PartialArchive(self._archive),
            self.deposit_service,
            _now,
            lifetime=timedelta(hours=settings.upload_hours),
        )
        self.removals = Removals(self._catalog, self._archive, _now, grace=timedelta(hours=settings.grace_hours))
        self.quotas = Quotas(self._catalog)
        self._tidy_every = settings.tidy_seconds
        self._tidying: list[asyncio.Task[None]] = []
        self.adoptions = Adoptions(self._catalog, _now)
        self.retrieval = Retrieval(self._archive, self.quarantine)
        self._preview_processes = PreviewProcesses(
            settings.preview_processes, memory_mb=settings.preview_memory_mb, seconds=settings.preview_seconds
        )
        self.previews = Previews(self.retrieval, self._preview_processes, max_size=settings.preview_max_mb << 20)
        self._scrub_rate = 1e6 * settings.scrub_mb_per_second
        self.fixity = Fixity(
            self._catalog, self._archive, self.retrieval, self.quarantine, bytes_per_second=self._scrub_rate
        )
        self.orphans = Orphans(self._catalog, self._archive, _now, grace=timedelta(hours=settings.upload_hours))
        self.quality = QualityLedger(self._catalog, _now)
        self.inventory = Inventory(self._catalog)
        url = settings.database_url
        self.ids = IdComparison(
            self._catalog,
            IdGate(CLOSED),
            partial(raise_next_key, url, "version", "version_id"),
            partial(remove_restored_mark, url),
            patience=settings.ids_patience_seconds,
        )
        self._marked = False

    def prepare(self) -> None:
        """Bring the tables up to date and take the archive into use. Blocks."""
        self._archive.start()
        upgrade_schema(self._database.url, MIGRATIONS, owner=DATABASE)
        self._marked = is_marked_restored(self._database.url)

    async def start(self) -> None:
        """Tidy up after an earlier process, then accept uploads."""
        await self._database.start()
        await self._recovery.run()
        await self.uploads.recover()
        await self.quarantine.recover()
        await self.ids.start(marked=self._marked)
        self._tidying.append(asyncio.create_task(keep_running("ids", self.ids.run), name="ids"))
        self._tidying.append(asyncio.create_task(keep_running("tidying", self._tidy), name="tidying"))

        if self._scrub_rate:
            self._tidying.append(asyncio.create_task(keep_running("scrub", self._scrub), name="scrub"))

    async def stop(self) -> None:
        """Commit what was accepted, and give database and archive back."""
        await cancel_and_wait(self._tidying)
        await self._preview_processes.stop()
        await self._database.stop()
        self._archive.stop()

    async def _tidy(self) -> None:
        # What a database that went away has left undone.
        for name, step in (
            ("doubtful uploads", self._recovery.decide),
            ("quarantine", self.quarantine.recover),
            ("old uploads", self.uploads.expire),
            ("removed versions", self.removals.collect),
        ):
            await attempt_step(name, step)
        await asyncio.sleep(self._tidy_every)

    async def _scrub(self) -> None:
        found = await self.fixity.scrub()
        # A small archive is read through in no time; it need not be read without a pause.
        if found.next_after is None:
            await asyncio.sleep(_PAUSE_BETWEEN_SCRUBS_S)

    async def check(self) -> None:
        """Raise where the catalogue cannot be read or the archive not be written to."""
        await self._catalog.check()
        await self._archive.check()
