"""``eas backup`` and ``eas restore``: the whole suite, databases and files."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eas.client.suite.endpoint import DEFAULT_FOLDER
from eas_control.domain.errors import BackupError, UsageError
from eas_control.handlers.database_options import DatabaseOption, FolderOption
from eas_control.handlers.options import JsonOption
from eas_control.storage.backup_folder import BackupFolder
from eas_control.storage.data_folder import DataFolder
from eas_control.views.documents import print_json
from eas_control.views.text import open_console, plain

if TYPE_CHECKING:
    from eas_product_store.settings import ProductStoreSettings

_MOST_NAMED = 5
BackupArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of backups.")]


def backup(
    folder: BackupArgument,
    data: FolderOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back the suite up, databases and files, while it runs. Files that the folder has already are not copied again."""
    from eas_control.backup import SuiteBackup
    from eas_control.databases import locate_databases
    from eas_product_store.main import open_copies

    source = _find_data(data, database)
    databases = locate_databases(source, database, os.environ)
    copies = open_copies(_find_archive(source))
    made = SuiteBackup(databases, copies, source.tokens_file, BackupFolder(folder))
    name, manifest = asyncio.run(made.make())
    if as_json:
        print_json({"backup": name, "folder": str(folder.absolute()), **manifest.model_dump(mode="json")})
    else:
        console = open_console()
        for entry in manifest.dumps:
            console.print(plain(f"{entry.service}: {sum(entry.rows.values())} rows, {entry.size} bytes"))
        files = manifest.files
        words = f"files: {files.versions} versions of {files.size} bytes"
        console.print(f"{words}; {files.copied} files of {files.copied_size} bytes were copied", soft_wrap=True)
        console.print(plain(f"complete: {folder} has the backup {name}"), soft_wrap=True)
    if manifest.faulty:
        for one in manifest.faulty[:_MOST_NAMED]:
            print(plain(f"eas: version {one.version_id}: {one.problem}"), file=sys.stderr)
        print(
            f"eas: the bytes of {len(manifest.faulty)} versions are not in the backup: the product store does not have "
            "them as they should be. `eas products check` says more",
            file=sys.stderr,
        )
        raise typer.Exit(1)


def restore(
    folder: BackupArgument,
    data: FolderOption = None,
    database: DatabaseOption = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="TIME", help="Which backup of the folder; else the newest.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what the suite has.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Restore a backup of the whole suite, which must not run. Databases may be of another kind than those before."""
    from eas_control.databases import locate_databases
    from eas_control.restoration import SuiteRestoration

    target = DataFolder(data or DEFAULT_FOLDER)
    with target.hold():
        databases = locate_databases(target, database, os.environ)
        restoration = SuiteRestoration(BackupFolder(folder), target, databases, _find_archive(target), force=force)
        done = asyncio.run(restoration.restore(run))
    if as_json:
        print_json(
            {
                "backup": done.run,
                "data": str(target.path),
                "services": {
                    service: {"rows": report.rows, "from": report.header.revision, "to": report.revision}
                    for service, report in done.databases.items()
                },
                "files": {"written": done.written, "kept": done.kept, "without_bytes": done.without_bytes},
                "tokens": done.has_tokens,
            }
        )
        return
    console = open_console()
    for service, report in done.databases.items():
        made_at = report.header.made_at.strftime("%Y-%m-%d %H:%M:%S UTC")
        console.print(f"{service}: {sum(report.rows.values())} rows of {made_at}, now revision {report.revision}")
    console.print(f"files: {done.written} written, {done.kept} were there already; all verified")
    console.print(f"tokens: {'those of the backup' if done.has_tokens else 'left as they were'}")
    if done.without_bytes:
        console.print(f"{len(done.without_bytes)} versions have no bytes, as when the backup was made")
    console.print(
        "ids: at the next start they go on behind all that any service knows; queued attempts get new ones",
        soft_wrap=True,
    )
    console.print(plain(f"complete: the backup {done.run} is restored to {target.path}"), soft_wrap=True)


def _find_data(data: Path | None, database: str | None) -> DataFolder:
    """Find the suite that is backed up. Raises UsageError where there is none."""
    found = DataFolder(data or DEFAULT_FOLDER)
    if not found.path.is_dir() and not database and not os.environ.get("EAS_PRODUCT_STORE_DATABASE_URL"):
        raise UsageError(f"{found.path}: no such data folder; give one with --data")
    return found


def _find_archive(folder: DataFolder) -> ProductStoreSettings:
    """Say where the bytes of versions are: where the product store's own variable says, else in the data folder."""
    from eas_product_store.settings import ProductStoreSettings

    own = os.environ.get("EAS_PRODUCT_STORE_ARCHIVE")
    try:
        return ProductStoreSettings(archive=own or folder.products)
    except ValueError as error:
        raise BackupError(f"EAS_PRODUCT_STORE_ARCHIVE: {error}") from error
