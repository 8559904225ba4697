"""A spool folder seen from its reading end: what is not stored yet, and what may be deleted."""

from __future__ import annotations

import fcntl
import glob
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from eas.journal.journal import REJECTED_NAME, SUFFIX, has_gap, list_segments, lock_segment
from eas.journal.positions import Positions

logger = logging.getLogger(__name__)

READ_BYTES = 1024 * 1024
POSITIONS_NAME = "positions.json"
LOCK_NAME = "shipper.lock"


class SpoolInUseError(RuntimeError):
    """Another shipper reads this spool folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"spool folder {folder}: another process ships it already")


@dataclass
class Chunk:
    """Lines to send, and how far their segments are stored once they are."""

    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    positions: dict[Path, int] = field(default_factory=dict)


class Spool:
    """The journals of one folder, read by one process at a time, each segment in its turn.

    Parameters
    ----------
    folder
        Where the writers' segments are; made if it is missing.

    Raises
    ------
    SpoolInUseError
        Another process has it open.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Unlike a writer's lock, this one is not inherited by forked children, which may outlive the shipper.
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise SpoolInUseError(folder) from None
        self._positions = Positions(folder / POSITIONS_NAME)
        self._served = ""

    def close(self) -> None:
        """Let another process read the folder."""
        os.close(self._lock)

    def collect(self, max_lines: int) -> Chunk:
        """Gather complete lines that are not stored yet, from as many segments as it takes; and tidy up.

        Segments that are stored to their end and have no writer any more are deleted on the way.
        """
        chunk = Chunk()
        finished: list[Path] = []
        segments = list_segments(self.folder)
        segments.sort(key=lambda segment: segment.name <= self._served)
        for segment in segments:
            if len(chunk.lines) >= max_lines or chunk.size >= READ_BYTES:
                break
            if not self._read(segment, chunk, max_lines) and self._delete_if_finished(segment, chunk):
                finished.append(segment)
        if finished:
            self._positions.forget(finished)
        return chunk

    def settle(self, chunk: Chunk) -> None:
        """Take note that a chunk is stored."""
        self._positions.advance(chunk.positions)

    def reject(self, lines: Iterable[bytes], reason: str) -> None:
        """Keep lines that the service will never take in a file of their own, and say so."""
        with (self.folder / REJECTED_NAME).open("ab") as file:
            for line in lines:
                file.write(line + b"\n")
                logger.error("a log record was refused (%s) and kept in %s: %.200r", reason, file.name, line)

    def _read(self, segment: Path, chunk: Chunk, max_lines: int) -> bool:
        """Add the segment's next lines to the chunk; False if it has none."""
        position = self._positions.get(segment)
        with segment.open("rb") as file:
            file.seek(position)
            data = file.read(READ_BYTES)
            if b"\n" not in data and len(data) == READ_BYTES:
                data += file.readline()
        complete = data[: data.rfind(b"\n") + 1]
        if not complete:
            return False
        lines = complete.split(b"\n", max_lines - len(chunk.lines))
        rest = lines.pop()
        chunk.lines += filter(None, lines)
        chunk.size += len(complete) - len(rest)
        self._served = segment.name
        chunk.positions[segment] = position + len(complete) - len(rest)
        return True

    def _delete_if_finished(self, segment: Path, chunk: Chunk) -> bool:
        """Delete a segment of which all is stored, unless its writer lives. A torn last line goes to the rejected.

        A writer that died in the middle of an attempt could not say how many records it had made. Its journal can, so
        that is written in its place, and shipped before the segment is deleted.
        """
        descriptor = os.open(segment, os.O_RDWR | os.O_APPEND)
        try:
            if not lock_segment(descriptor):
                return False
            torn = os.pread(descriptor, READ_BYTES, self._positions.get(segment))
            if b"\n" in torn:
                return False  # written between reading and locking
            if torn:
                self.reject([torn], "its writer died while writing it")
                os.ftruncate(descriptor, self._positions.get(segment))
            if ending := _find_missing_ending(segment, descriptor):
                os.write(descriptor, ending + b"\n")
                self._read(segment, chunk, len(chunk.lines) + 1)
                return False
            segment.unlink()
        finally:
            os.close(descriptor)
        return True


def _find_missing_ending(segment: Path, descriptor: int) -> bytes | None:
    """Make the ending of a dead writer's last attempt, if it did not write it, from its last record.

    Nobody knows how many records there were where a full disk did not take all of them.
    """
    if has_gap(descriptor):
        return None
    writer, _, _ = segment.name.removesuffix(SUFFIX).rpartition(".")
    if any(found.name > segment.name for found in segment.parent.glob(f"{glob.escape(writer)}.*{SUFFIX}")):
        return None
    line = os.pread(descriptor, os.fstat(descriptor).st_size, 0).rstrip(b"\n").rpartition(b"\n")[2]
    try:
        record = orjson.loads(line)
        if record["attempt_id"] == 0 or "emitted" in record:
            return None
        emitted = record["sequence"] + 1
        return orjson.dumps({"emitted": emitted, "attempt_id": record["attempt_id"], "stream": record["stream"]})
    except (ValueError, KeyError, TypeError):
        return None  # not a record: the service refuses it


def split_in_two(lines: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """Halve a batch."""
    middle = len(lines) // 2
    return lines[:middle], lines[middle:]
