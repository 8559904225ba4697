"""Inputs that were fetched, and outputs that were made, kept on local disk for the tasks that read them next.

::

    <work directory>/~cache/      shared by all workers of a host; no worker can have this name
        .lock                     held while something is added or removed
        .size                     how many bytes there are, at least
        <SHA-256>/bytes           one file; its folder's time says when it was last used

A file is put together in the worker's own folder and appears here by one rename, whole or not at all; what a killed
worker left unfinished goes with that worker's folder. Nothing here is ever given to a task: it gets a copy of its
own, a clone where the file system can do that, so that a task that writes to its input spoils nothing. And nothing
is believed for being here: a file is read against its digest unless this process has verified it before, and size
and times of the file are still what they were then.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from eas.disk import is_full

logger = logging.getLogger(__name__)

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CONTENT = "bytes"
_BLOCK = 1 << 20
#: Of so many files it is remembered that they were verified.
MOST_SEALS = 16_384

#: When there is too much, the oldest files go until this part of the limit is left.
LEAVE = 0.9

#: Linux: let a file share the blocks of another one until either is written to.
_FICLONE = 0x40049409


@dataclass(frozen=True, slots=True)
class Seal:
    """What changes when somebody touches a file. Its change time cannot be set back."""

    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, descriptor: int) -> Seal:
        """Look at an open file."""
        found = os.fstat(descriptor)
        return cls(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class LocalInputCache:
    """The host's files, by digest. All calls block.

    Parameters
    ----------
    folder
        Shared by the workers of a host.
    limit
        The most to keep [bytes].
    incoming
        This worker's own folder, on the same file system.
    most_seals
        Of how many files it is remembered that they were verified; others are read anew.
    """

    def __init__(self, folder: Path, limit: int, incoming: Path, *, most_seals: int = MOST_SEALS) -> None:
        self._folder = folder
        self._limit = limit
        self._incoming = incoming
        self._most_seals = most_seals
        self._seals: dict[str, Seal] = {}
        self._clones = True
        for place in (folder, incoming):
            place.mkdir(mode=0o700, exist_ok=True)
        with self._alone():
            self._shrink(limit)

    def takes(self, size: int) -> bool:
        """Tell whether a file of this size is kept at all: a single one may not push out most of the others."""
        return size <= self._limit // 4

    def make_place(self) -> Path:
        """Name a new file, to be filled and then given to `admit` or `discard`."""
        folder = self._incoming / token_hex(8)
        folder.mkdir(mode=0o700)
        return folder / _CONTENT

    def discard(self, place: Path) -> None:
        """Give up a file from `make_place`."""
        shutil.rmtree(place.parent, ignore_errors=True)

    def copy_to(self, sha256: str, target: Path) -> bool:
        """Put a copy of a file in place. False: it is not here, or no longer what it was.

        Raises
        ------
        OSError
            The copy cannot be written. Where the disk is full, others have given way before.
        """
        try:
            return self._copy_once(sha256, target)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        self.give_way()
        return self._copy_once(sha256, target)

    def admit(self, place: Path, sha256: str) -> None:
        """Keep a file from `make_place` whose bytes have been verified. It is gone from there in any case."""
        with self._taking(place):
            place.chmod(0o400)
            with place.open("rb") as file:
                seal = Seal.of(file.fileno())
            if self._add(place.parent, sha256, seal.size):
                self._remember(sha256, seal)

    def keep(self, path: Path, sha256: str) -> None:
        """Add a file that a task has made. It is checked against its digest when it is first used."""
        place = self.make_place()
        with self._taking(place):
            try:
                path.rename(place)
                place.chmod(0o400)
            except FileNotFoundError:
                return  # two outputs in one file
            self._add(place.parent, sha256, place.stat().st_size)

    def give_way(self) -> bool:
        """The disk is full: let go of half of what is here. False: there was nothing."""
        with self._alone():
            found = sum(size for _, size, _ in self._scan())
            if not found:
                return False
            self._shrink(found // 2)
        logger.warning("the disk is full: half of the kept inputs were removed")
        return True

    @contextlib.contextmanager
    def _taking(self, place: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            logger.warning("a file cannot be kept: %s", error)
        finally:
            self.discard(place)

    def _copy_once(self, sha256: str, target: Path) -> bool:
        entry = self._folder / sha256
        try:
            descriptor = os.open(entry / _CONTENT, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            with contextlib.suppress(FileNotFoundError):
                os.utime(entry)
            if self._copy(sha256, descriptor, target):
                return True
        except OSError:
            target.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        logger.warning("the kept copy of %s was changed by somebody; it is fetched anew", sha256)
        target.unlink(missing_ok=True)
        with self._alone():
            self._remove(entry)
        return False

    def _copy(self, sha256: str, descriptor: int, target: Path) -> bool:
        """Copy, and verify what has not been verified, or is no longer as it was then."""
        seal = Seal.of(descriptor)
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if self._seals.get(sha256) == seal:
                self._transfer(descriptor, writing, seal.size)
            elif _copy_and_hash(descriptor, writing) == sha256:
                self._remember(sha256, seal)
            else:
                return False
            return Seal.of(descriptor) == seal or self._has_only_lost_its_name(descriptor, seal)
        finally:
            os.close(writing)

    @staticmethod
    def _has_only_lost_its_name(descriptor: int, seal: Seal) -> bool:
        """Another worker may have removed the file meanwhile, which changes its time and nothing else."""
        found = os.fstat(descriptor)
        return found.st_nlink == 0 and (found.st_size, found.st_mtime_ns) == (seal.size, seal.modified)

    def _transfer(self, reading: int, writing: int, size: int) -> None:
        if self._clones:
            try:
                fcntl.ioctl(writing, _FICLONE, reading)
            except OSError:
                self._clones = False  # this file system cannot
            else:
                return
        done = 0
        while done < size:
            sent = os.sendfile(writing, reading, done, size - done)
            if not sent:
                raise OSError(errno.EIO, "a kept file became shorter while it was copied")
            done += sent

    def _add(self, folder: Path, sha256: str, size: int) -> bool:
        if not self.takes(size) or not _DIGEST.fullmatch(sha256):
            return False
        with self._alone():
            total = self._read_size() + size
            if total > self._limit:
                total = self._shrink(int(self._limit * LEAVE) - size) + size
            self._write_size(total)  # first: so it is never too low, whenever this process dies
            try:
                folder.rename(self._folder / sha256)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
                self._write_size(total - size)
                return False  # it is here already
        return True

    def _scan(self) -> list[tuple[int, int, Path]]:
        """When each file was last used, its size, and its folder."""
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    content = Path(entry.path) / _CONTENT
                    found.append((entry.stat().st_mtime_ns, content.stat().st_size, Path(entry.path)))
        return found

    def _shrink(self, wanted: int) -> int:
        """Remove what was not used for longest until no more than `wanted` bytes are left. Returns what is left."""
        found = sorted(self._scan())
        total = sum(size for _, size, _ in found)
        for _, size, entry in found:
            if total <= wanted:
                break
            self._remove(entry)
            total -= size
        self._write_size(total)
        return total

    def _remember(self, sha256: str, seal: Seal) -> None:
        """Note that a file was verified. The oldest notes go, for other workers remove files, too, and tell nobody."""
        self._seals.pop(sha256, None)
        self._seals[sha256] = seal
        while len(self._seals) > self._most_seals:
            self._seals.pop(next(iter(self._seals)), None)

    def _remove(self, entry: Path) -> None:
        """Remove one file. A process that has it open can still read it."""
        self._seals.pop(entry.name, None)
        shutil.rmtree(entry, ignore_errors=True)

    def _read_size(self) -> int:
        try:
            return int((self._folder / ".size").read_text())
        except (FileNotFoundError, ValueError):
            return self._limit + 1  # unknown: look

    def _write_size(self, size: int) -> None:
        """Note how much there is. Where the disk has no room for that it is unknown, and found out when it matters."""
        path = self._folder / ".size"
        try:
            path.write_text(str(size))
        except OSError as error:
            if not is_full(error):
                raise
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep the other threads and workers of this host from adding and removing meanwhile."""
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _copy_and_hash(reading: int, writing: int) -> str:
    digest = hashlib.sha256()
    with (
        open(reading, "rb", buffering=0, closefd=False) as source,
        open(writing, "wb", buffering=0, closefd=False) as copy,
    ):
        block = bytearray(_BLOCK)
        view = memoryview(block)
        while length := source.readinto(block):
            digest.update(view[:length])
            written = 0
            while written < length:
                written += copy.write(view[written:length])
    return digest.hexdigest()
