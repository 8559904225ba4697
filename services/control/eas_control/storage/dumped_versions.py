"""Reads from a dump of the product store which bytes its versions have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eas.database_admin.dump_file import DumpedTable, DumpReader
from eas_control.storage.backup_folder import Bytes

_TABLE = "version"


@dataclass(frozen=True)
class DumpedVersion:
    """A version that has bytes, and where they are in the archive."""

    version_id: int
    store_name: str
    bytes: Bytes


def read_versions(path: Path) -> Iterator[DumpedVersion]:
    """Go through the versions of a dump that have bytes: not purged, and not found damaged.

    Raises
    ------
    DumpError
        The dump is damaged.
    """
    reader = DumpReader(path)
    try:
        columns: list[str] | None = None
        for item in reader.read():
            if isinstance(item, DumpedTable):
                columns = [name for name, _ in item.table.columns] if item.table.name == _TABLE else None
            elif columns is not None:
                row = dict(zip(columns, item.values, strict=True))
                if row["purged_at"] is None and row["damaged_at"] is None:
                    known = Bytes(row["md5"], row["sha256"], row["size"])
                    yield DumpedVersion(row["version_id"], row["store_name"], known)
    finally:
        reader.close()
