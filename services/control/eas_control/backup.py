"""Backs a suite up while it runs.

The order is what makes it whole. What a database names must be in what is copied after it:

1. the scheduler's database, which names versions and attempts;
2. the product store's database, which has had each version before the scheduler heard of it;
3. the log service's database;
4. the bytes of the versions that the product store's dump names.

Bytes that are removed in between are bytes that the dump still names. Then the databases of the product store and the
log service are dumped anew, and what is missing by then as well is a fault of the suite, which the manifest names.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from eas.database_admin.dump import dump_database
from eas.version import distribution_version
from eas_control.databases import ServiceDatabase
from eas_control.domain.backups import BackupManifest, DumpEntry, FaultyVersion, FileCounts
from eas_control.domain.dump_paths import place_dumps
from eas_control.storage.backup_folder import TOKENS, BackupFolder, hash_file, write_durably
from eas_control.storage.dumped_versions import read_versions

#: How often the product store is dumped anew because bytes were removed meanwhile.
_ROUNDS = 3
_PRODUCT_STORE = "product_store"


class Copies(Protocol):
    """Reads an archive that may be in use."""

    def read(self, store_name: str) -> AsyncIterator[bytes]:
        """Read the bytes that have a place, in blocks. Raises FileNotFoundError."""


class SuiteBackup:
    """Makes one backup.

    Parameters
    ----------
    databases
        Of all services, in the order in which they are dumped.
    copies
        Reads the bytes of versions.
    tokens_file
        Copied if it is there.
    folder
        Gets the backup.
    """

    def __init__(
        self,
        databases: Sequence[ServiceDatabase],
        copies: Copies,
        tokens_file: Path,
        folder: BackupFolder,
    ) -> None:
        self._databases = databases
        self._copies = copies
        self._tokens_file = tokens_file
        self._folder = folder

    async def make(self) -> tuple[str, BackupManifest]:
        """Make it. Returns its name, and what it says of itself.

        Raises
        ------
        BackupError
            The folder cannot be used.
        DatabaseStateError, DumpError, UnavailableError
            A database cannot be dumped.
        """
        with self._folder.hold(make=True):
            begun_at = datetime.now(UTC)
            part = self._folder.begin_run(begun_at)
            dumps = self._dump(part, self._databases)
            files, missing, faulty = await self._copy(part, FileCounts())
            for _ in range(_ROUNDS - 1):
                if not missing:
                    break
                dumps = dumps[:1] + self._dump(part, self._databases[1:])
                files, missing, faulty = await self._copy(part, files)
            faulty += [FaultyVersion(version_id=one, problem="the archive does not have its bytes") for one in missing]
            manifest = BackupManifest(
                eas=distribution_version(),
                begun_at=begun_at,
                ended_at=datetime.now(UTC),
                dumps=dumps,
                files=files,
                tokens_sha256=self._copy_tokens(part),
                faulty=faulty,
            )
            return self._folder.complete_run(part, manifest).name, manifest

    def _dump(self, part: Path, databases: Sequence[ServiceDatabase]) -> list[DumpEntry]:
        paths = place_dumps(f"{part}/", [found.service for found in databases], is_folder=True)
        entries = []
        for found in databases:
            path = paths[found.service]
            report = dump_database(found.url, found.description, path, overwrite=True)
            entries.append(
                DumpEntry(
                    service=found.service,
                    file=path.name,
                    size=report.size,
                    sha256=hash_file(path),
                    revision=report.revision,
                    rows=report.rows,
                )
            )
        return entries

    async def _copy(self, part: Path, before: FileCounts) -> tuple[FileCounts, list[int], list[FaultyVersion]]:
        """Copy the bytes that are not there yet. Returns counts, and the versions that are missing or faulty."""
        counts = FileCounts(copied=before.copied, copied_size=before.copied_size)
        missing: list[int] = []
        faulty: list[FaultyVersion] = []
        dump = place_dumps(f"{part}/", [_PRODUCT_STORE], is_folder=True)[_PRODUCT_STORE]
        for version in read_versions(dump):
            counts.versions += 1
            counts.size += version.bytes.size
            if self._folder.has(version.bytes):
                continue
            try:
                problem = await self._folder.add(version.bytes, self._copies.read(version.store_name))
            except FileNotFoundError:
                missing.append(version.version_id)
                continue
            if problem is not None:
                faulty.append(FaultyVersion(version_id=version.version_id, problem=problem))
                continue
            counts.copied += 1
            counts.copied_size += version.bytes.size
        return counts, missing, faulty

    def _copy_tokens(self, part: Path) -> str | None:
        if not self._tokens_file.is_file():
            return None
        write_durably(part / TOKENS, self._tokens_file.read_bytes())
        return hash_file(part / TOKENS)
