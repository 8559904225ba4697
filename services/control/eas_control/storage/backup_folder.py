"""The folder of backups.

::

    <folder>/                        mode 0700
        eas_backup.json              says that this is such a folder
        lock                         held by `eas backup` and `eas restore` as long as they run
        objects/ab/<SHA-256>         the bytes of versions, whatever backup they are of; each was verified when it came
        incoming/                    bytes on their way
        runs/<time>/                 a complete backup: dumps, tokens.json, manifest.json
        runs/<time>.part/            one that was interrupted, or is being made
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from eas_control.domain.backups import FORMAT, BackupManifest
from eas_control.domain.errors import BackupError

_MARKER = "eas_backup.json"
MANIFEST = "manifest.json"
TOKENS = "tokens.json"
_PART = ".part"
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Bytes:
    """What the bytes of a version are known by."""

    md5: str
    sha256: str
    size: int


class BackupFolder:
    """Backups in a folder.

    Parameters
    ----------
    path
        The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._objects = self.path / "objects"
        self._incoming = self.path / "incoming"
        self._runs = self.path / "runs"

    @contextmanager
    def hold(self, *, make: bool) -> Iterator[None]:
        """Have the folder to oneself. The kernel lets go of it however this process ends.

        Parameters
        ----------
        make
            Make what is missing of it.

        Raises
        ------
        BackupError
            It is none, or another process uses it.
        """
        try:
            if make:
                self._make()
            elif not (self.path / _MARKER).is_file():
                raise BackupError(f"{self.path} is no folder of backups that `eas backup` has made")
            self._check_format()
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BackupError(f"{self.path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise BackupError(f"{self.path}: another `eas backup` or `eas restore` uses it; wait for its end") from None
        try:
            yield
        finally:
            os.close(descriptor)

    def _make(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        marker = self.path / _MARKER
        if not marker.exists():
            if any(self.path.iterdir()):
                raise BackupError(f"{self.path} is not empty and no folder of backups; give another or a new one")
            marker.write_text(json.dumps({"eas_backup": FORMAT}) + "\n", "utf-8")
        for folder in (self._objects, self._incoming, self._runs):
            folder.mkdir(exist_ok=True, mode=0o700)

    def _check_format(self) -> None:
        try:
            found = json.loads((self.path / _MARKER).read_text("utf-8"))["eas_backup"]
        except (ValueError, KeyError, TypeError) as error:
            raise BackupError(f"{self.path / _MARKER} is damaged: {error}") from error
        if found != FORMAT:
            raise BackupError(f"{self.path} has backups of format {found}; this EAS reads format {FORMAT}")

    # --- runs ----------------------------------------------------------------------------------------------------

    def list_runs(self) -> tuple[list[str], list[str]]:
        """List the complete and the interrupted backups, each in the order of time."""
        names = sorted(path.name for path in self._runs.iterdir() if path.is_dir())
        complete = [name for name in names if not name.endswith(_PART) and (self._runs / name / MANIFEST).is_file()]
        return complete, [name.removesuffix(_PART) for name in names if name.endswith(_PART)]

    def begin_run(self, at: datetime) -> Path:
        """Begin a backup. Returns the folder for its files. What interrupted ones have left of theirs goes."""
        for path in self._runs.glob(f"*{_PART}"):
            shutil.rmtree(path)
        for path in self._incoming.iterdir():
            path.unlink()
        name = at.strftime("%Y-%m-%dT%H-%M-%S.%fZ")
        part = self._runs / f"{name}{_PART}"
        part.mkdir(mode=0o700)
        return part

    def complete_run(self, part: Path, manifest: BackupManifest) -> Path:
        """Complete a backup, all at once. Returns its folder."""
        write_durably(part / MANIFEST, manifest.model_dump_json(indent=2).encode() + b"\n")
        _sync(part)
        done = part.with_name(part.name.removesuffix(_PART))
        part.rename(done)
        _sync(self._runs)
        return done

    def find_run(self, name: str) -> Path:
        """Tell where the files of a complete backup are."""
        return self._runs / name

    def read_manifest(self, name: str) -> BackupManifest:
        """Read what a backup says of itself. Raises BackupError where it is damaged."""
        path = self._runs / name / MANIFEST
        try:
            return BackupManifest.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise BackupError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error

    # --- bytes ---------------------------------------------------------------------------------------------------

    def has(self, wanted: Bytes) -> bool:
        """Tell whether bytes are there already."""
        try:
            return self._place(wanted).stat().st_size == wanted.size
        except FileNotFoundError:
            return False

    async def add(self, wanted: Bytes, blocks: AsyncIterator[bytes]) -> str | None:
        """Copy bytes into the folder, durably. Returns what is wrong with them; None where they are as they should be.

        Raises
        ------
        FileNotFoundError
            They are not where they should come from.
        """
        place = self._place(wanted)
        part = self._incoming / wanted.sha256
        md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
        try:
            with part.open("wb", buffering=0) as file:
                async for block in blocks:
                    file.write(block)
                    md5.update(block)
                    sha256.update(block)
                    size += len(block)
                os.fsync(file.fileno())
            found = Bytes(md5.hexdigest(), sha256.hexdigest(), size)
            if found != wanted:
                part.unlink()
                return f"it has {found.size} bytes with SHA-256 {found.sha256}, MD5 {found.md5}; expected {wanted}"
            if not place.parent.exists():
                place.parent.mkdir(mode=0o700)
                _sync(self._objects)
            part.replace(place)
            _sync(place.parent)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        return None

    async def read(self, wanted: Bytes) -> AsyncIterator[bytes]:
        """Read bytes, in blocks."""
        with self._place(wanted).open("rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                yield block

    def _place(self, wanted: Bytes) -> Path:
        return self._objects / wanted.sha256[:2] / wanted.sha256


def hash_file(path: Path) -> str:
    """Read a file. Returns its SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_durably(path: Path, content: bytes) -> None:
    """Write a file that its owner alone can read. Its folder is not flushed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
