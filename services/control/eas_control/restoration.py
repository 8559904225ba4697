"""Restores a backup: the bytes first, then the databases that name them, the scheduler's last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eas.contracts.errors import DigestMismatchError
from eas.database.servers import create_database
from eas.database_admin.inspection import find_contents
from eas.database_admin.restore import RestoreReport, examine_dump, restore_database
from eas_control.databases import ServiceDatabase
from eas_control.domain.backups import BackupManifest, choose_run
from eas_control.domain.errors import BackupError
from eas_control.storage.backup_folder import TOKENS, BackupFolder, hash_file, write_durably
from eas_control.storage.data_folder import DataFolder
from eas_control.storage.dumped_versions import read_versions
from eas_control.storage.folder_origin import write_origin
from eas_product_store.main import open_copies
from eas_product_store.settings import ProductStoreSettings

_PRODUCT_STORE = "product_store"
#: Those whose ids other services know.
_GIVE_IDS = frozenset({"scheduler", _PRODUCT_STORE})


@dataclass(frozen=True)
class RestoredSuite:
    """What was done.

    Parameters
    ----------
    run
        Which backup it was.
    manifest
        What that says of itself.
    databases
        What was read into each service's database.
    written, kept
        How many files were written, and how many were there already as they should be.
    without_bytes
        Versions whose bytes the backup does not have.
    has_tokens
        Whether the backup's tokens were put into the data folder.
    """

    run: str
    manifest: BackupManifest
    databases: dict[str, RestoreReport]
    written: int
    kept: int
    without_bytes: list[int]
    has_tokens: bool


class SuiteRestoration:
    """Restores one backup. The data folder is held by the caller.

    Parameters
    ----------
    folder
        Of backups.
    data
        The data folder of the suite.
    databases
        Of all services.
    archive
        Where the bytes of versions go.
    force
        Replace what is there.
    """

    def __init__(
        self,
        folder: BackupFolder,
        data: DataFolder,
        databases: Sequence[ServiceDatabase],
        archive: ProductStoreSettings,
        *,
        force: bool,
    ) -> None:
        self._folder = folder
        self._data = data
        self._databases = databases
        self._archive = archive
        self._force = force

    async def restore(self, wanted: str | None) -> RestoredSuite:
        """Restore the newest backup, or the wanted one. Everything is verified before anything is changed.

        Raises
        ------
        BackupError
            There is no complete backup, it is damaged, or the suite is not empty.
        DumpError, DatabaseStateError, UnavailableError
            A dump or a database cannot be used.
        """
        with self._folder.hold(make=False):
            run = choose_run(*self._folder.list_runs(), wanted, str(self._folder.path))
            manifest = self._folder.read_manifest(run)
            dumps = self._examine(run, manifest)
            self._refuse_lost_bytes(dumps[_PRODUCT_STORE], manifest)
            if not self._force:
                self._refuse_contents()
            with self._data.half_restored(f"{self._folder.path} ({run})"):
                written, kept = await self._write_files(dumps[_PRODUCT_STORE], manifest)
                reports = {}
                for found in reversed(self._databases):
                    create_database(found.url)
                    reports[found.service] = restore_database(
                        found.url,
                        found.description,
                        dumps[found.service],
                        overwrite=self._force,
                        mark=found.service in _GIVE_IDS,
                    )
                    if found.service == _PRODUCT_STORE:
                        write_origin(self._data, found.url)
                has_tokens = self._restore_tokens(run)
        faulty = [one.version_id for one in manifest.faulty]
        return RestoredSuite(run, manifest, reports, written, kept, faulty, has_tokens)

    def _examine(self, run: str, manifest: BackupManifest) -> dict[str, Path]:
        """See that all dumps are whole. Returns where they are."""
        entries = {entry.service: entry for entry in manifest.dumps}
        paths = {}
        for found in self._databases:
            if found.service not in entries:
                raise BackupError(f"the backup {run} has no dump of the {found.service} service")
            path = self._folder.find_run(run) / entries[found.service].file
            if not path.is_file() or hash_file(path) != entries[found.service].sha256:
                raise BackupError(f"{path} is missing or is not what the backup wrote; choose another with --run")
            examine_dump(path, found.description)
            paths[found.service] = path
        return paths

    def _refuse_lost_bytes(self, dump: Path, manifest: BackupManifest) -> None:
        faulty = {one.version_id for one in manifest.faulty}
        for version in read_versions(dump):
            if version.version_id not in faulty and not self._folder.has(version.bytes):
                raise BackupError(
                    f"{self._folder.path}: the bytes of version {version.version_id} (SHA-256 {version.bytes.sha256}) "
                    "are missing or too short. Nothing was changed"
                )

    def _refuse_contents(self) -> None:
        for found in self._databases:
            if contents := find_contents(found.url, found.description):
                raise BackupError(
                    f"the {found.service} database has {contents}: a restore would replace it. Nothing was changed; "
                    "give an empty data folder with --data, or --force"
                )
        if isinstance(self._archive.archive, Path):
            objects = self._archive.archive / "objects"
            if objects.is_dir() and any(path.is_file() for path in objects.rglob("*")):
                raise BackupError(
                    f"{self._archive.archive} has files of versions. Nothing was changed; give an empty data folder "
                    "with --data, or --force"
                )

    async def _write_files(self, dump: Path, manifest: BackupManifest) -> tuple[int, int]:
        faulty = {one.version_id for one in manifest.faulty}
        written = kept = 0
        copies = open_copies(self._archive)
        with copies.alone():
            for version in read_versions(dump):
                if version.version_id in faulty:
                    continue
                known = version.bytes
                # Versions of equal bytes share a place: it may have been filled for another one.
                if await copies.find_digest(version.store_name) == known.sha256:
                    kept += 1
                    continue
                try:
                    await copies.write(
                        version.store_name,
                        self._folder.read(known),
                        md5=known.md5,
                        sha256=known.sha256,
                        size=known.size,
                    )
                except DigestMismatchError as error:
                    raise BackupError(
                        f"{self._folder.path}: the bytes of version {version.version_id} are damaged: {error.message}"
                    ) from error
                written += 1
        return written, kept

    def _restore_tokens(self, run: str) -> bool:
        path = self._folder.find_run(run) / TOKENS
        if not path.is_file() or (self._data.tokens_file.exists() and not self._force):
            return False
        write_durably(self._data.tokens_file, path.read_bytes())
        return True
