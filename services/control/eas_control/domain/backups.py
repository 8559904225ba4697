"""What a backup says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from eas_control.domain.errors import BackupError

FORMAT = 1


class DumpEntry(BaseModel):
    """The dump of one service's database."""

    service: str
    file: str
    size: int = Field(description="[bytes]")
    sha256: str
    revision: str
    rows: dict[str, int]


class FileCounts(BaseModel):
    """The bytes of versions: all of them, and those that this backup had to copy."""

    versions: int = 0
    size: int = Field(default=0, description="[bytes]")
    copied: int = 0
    copied_size: int = Field(default=0, description="[bytes]")


class FaultyVersion(BaseModel):
    """A version whose bytes are not in the backup, and why."""

    version_id: int
    problem: str


class BackupManifest(BaseModel):
    """The last file of a backup that is written: where it is, the backup is complete."""

    eas_backup: Literal[1] = 1
    eas: str
    begun_at: datetime
    ended_at: datetime
    dumps: list[DumpEntry]
    files: FileCounts
    tokens_sha256: str | None = None
    faulty: list[FaultyVersion] = Field(default_factory=list)


def choose_run(complete: Sequence[str], interrupted: Sequence[str], wanted: str | None, place: str) -> str:
    """Choose what is restored of a backup folder.

    Parameters
    ----------
    complete, interrupted
        The names of backups in it; their order is that of time.
    wanted
        What the user chose; None for the newest.
    place
        The folder, for people.

    Raises
    ------
    BackupError
        There is no such complete backup, or the newest one was interrupted.
    """
    if wanted is not None:
        if wanted in complete:
            return wanted
        known = ", ".join(complete) or "none"
        raise BackupError(f"{place} has no complete backup {wanted}; complete are: {known}")
    if interrupted and (not complete or max(interrupted) > max(complete)):
        other = f", or choose an earlier one with --run {max(complete)}" if complete else ""
        raise BackupError(
            f"{place}: the backup of {max(interrupted)} was interrupted and is not complete. "
            f"Run `eas backup {place}` again, which continues it{other}"
        )
    if not complete:
        raise BackupError(f"{place} has no backup that `eas backup` has completed")
    return max(complete)
