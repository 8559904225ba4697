"""Bounded append-only journals on local disk: what a process has to say, until the log service has it.

A spool folder holds the journals of all writers of one worker. Each writer process appends lines of JSON to a segment
of its own, one `os.write` a line, and goes on to the next segment when one is full. The lines belong to the kernel as
soon as they are written, so killing the writer loses at most the line that it was writing. (Lines are not fsynced: a
power cut can lose the last seconds.)

A writer holds a lock on its current segment; the kernel lets go of it when the process dies, however it dies. A segment
without a lock is finished: nothing will be added to it, and the shipper deletes it once all of it is stored.

A full disk: the writer goes on in a file whose blocks were set aside before (`eas.journal.reserve`). Where there is
none left, the line is not written, and the segment is marked: its writer had more to say than it holds.

Back-pressure: the files of a spool folder are bounded in size, together. While they exceed the bound, records below
WARNING are dropped and counted; beyond twice the bound, all are. The number a dropped record would have had stays
unused, so the gap is visible, and a WARNING record says how many were dropped.
"""

from __future__ import annotations

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

from eas.disk import is_full
from eas.journal.reserve import PIECE_BYTES, take_piece

SUFFIX = ".ndjson"
REJECTED_NAME = "rejected"
SEGMENT_BYTES = 1024 * 1024
#: Two and a half million records: a day's outage at 29 a second.
SPOOL_BYTES = 1024 * 1024 * 1024
MEASURE_EVERY = 0.25

#: The mode of a segment, and the bit in it that says that lines are missing. A full disk can still store a mode.
_MODE, _GAP = 0o600, 0o040


@dataclass(frozen=True)
class SpoolBound:
    """How large a spool folder may grow.

    Parameters
    ----------
    total
        Size of all segments [bytes] above which records below WARNING are dropped; above twice this, all are.
    segment
        Size of one segment [bytes] at which a writer goes on to the next.
    measure_every
        How often, at most, a writer measures the folder [s].
    """

    total: int = SPOOL_BYTES
    segment: int = SEGMENT_BYTES
    measure_every: float = MEASURE_EVERY


def list_segments(spool: Path) -> list[Path]:
    """List the segments of a spool folder: writer by writer, oldest first."""
    with os.scandir(spool) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.name.endswith(SUFFIX))


def spool_size(spool: Path) -> int:
    """Measure the segments of a spool folder [bytes]."""
    total = 0
    with os.scandir(spool) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                try:
                    total += entry.stat().st_size
                except FileNotFoundError:
                    continue  # shipped and deleted meanwhile
    return total


def lock_segment(descriptor: int) -> bool:
    """Lock an open segment, without waiting; False if its writer lives."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def has_gap(descriptor: int) -> bool:
    """Tell whether lines are missing from an open segment because its disk was full."""
    return bool(os.fstat(descriptor).st_mode & _GAP)


class Journal:
    """One process's journal in a spool folder. Not thread-safe: the logging handler that owns it holds a lock.

    A process that was forked must not use its parent's journal; it makes its own.

    Parameters
    ----------
    spool
        The folder, on a local disk; made if it is missing.
    name
        Of the writer: unique among all writers that ever write here, and fit for a file name.
    bound
        How large the folder may grow.
    """

    def __init__(self, spool: Path, name: str, bound: SpoolBound = SpoolBound()) -> None:
        spool.mkdir(parents=True, exist_ok=True)
        self._spool = spool
        self._name = name
        self._bound = bound
        self._segment = 0
        self._written = 0
        self._limit = 0
        self._torn = False
        self._descriptor = -1
        self._measured = -float("inf")
        self._size = 0

    def append(self, line: bytes) -> None:
        """Append one line, given without its newline.

        Raises
        ------
        OSError
            The line could not be written, or not all of it: the disk is full, say, and so is the reserve. What there
            is of it is taken back.
        """
        try:
            self._write(line)
        except OSError as error:
            if not is_full(error) or not self._open_reserve():
                raise
            self._write(line)

    def mark_gap(self) -> None:
        """Note, on the disk, that a line is missing from the current segment. Takes no room."""
        if self._descriptor >= 0:
            os.fchmod(self._descriptor, _MODE | _GAP)

    def pressure(self) -> float:
        """Tell how full the folder is, as a fraction of its bound, as of at most `measure_every` ago."""
        now = time.monotonic()
        if now - self._measured >= self._bound.measure_every:
            self._size = spool_size(self._spool)
            self._measured = now
        return self._size / self._bound.total

    def close(self) -> None:
        """Finish the current segment."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
        self._written = 0
        self._torn = False

    def _write(self, line: bytes) -> None:
        if self._descriptor < 0 or self._written + len(line) >= self._limit:
            self._open_next()
        data = b"\n" + line + b"\n" if self._torn else line + b"\n"
        count = os.write(self._descriptor, data)
        try:
            while count < len(data):  # the next call tells why
                count += os.write(self._descriptor, data[count:])
        except OSError:
            self._take_back(count)
            raise
        self._written += count
        self._torn = False

    def _take_back(self, count: int) -> None:
        """Remove the first bytes of a line that could not be written; else close it off before the next one."""
        self._torn = True
        length = os.fstat(self._descriptor).st_size - count
        os.ftruncate(self._descriptor, length)
        self._torn = False

    def _open_next(self) -> None:
        """Go on to the next segment, holding its lock before the old one is let go.

        The shipper could find the new file before it is locked, and delete it as finished and empty; then another is
        made.
        """
        while True:
            path = self._next_path()
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, _MODE)
            self._segment += 1
            if lock_segment(descriptor) and os.fstat(descriptor).st_nlink > 0:
                break
            os.close(descriptor)
        self._change_to(descriptor, self._bound.segment)

    def _open_reserve(self) -> bool:
        """Go on in a file of the reserve; False where there is none."""
        descriptor = take_piece(self._spool, self._next_path(), lock_segment)
        if descriptor is None:
            return False
        self._segment += 1
        self._change_to(descriptor, PIECE_BYTES)
        return True

    def _next_path(self) -> Path:
        return self._spool / f"{self._name}.{self._segment:06d}{SUFFIX}"

    def _change_to(self, descriptor: int, limit: int) -> None:
        self.close()
        self._descriptor = descriptor
        self._limit = limit
