"""What programs write to their standard output and error output, at the level of descriptors.

Compiled code and other programs know nothing of Python's `sys.stdout`. So a child's descriptors 1 and 2 are pipes to
the fork server, which writes the lines to the log of the attempt. It is another process on purpose: a reader in the
child could not run while compiled code that holds the interpreter waits for room in the pipe.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import struct
import termios
import time

from eas.journal.handler import AttemptContext, JournalHandler
from eas_worker.storage.attempt_page import AttemptPage

#: The longest line of a record; longer ones are cut into pieces [bytes].
MAX_LINE = 8192

#: What is kept of what an attempt writes to each of its streams [bytes]. The rest is read and dropped.
MOST_KEPT = 8 * 1024 * 1024

_STREAMS = (("stdout", logging.INFO), ("stderr", logging.WARNING))
_READ_SIZE = 65536
_PATIENCE = 2.0
_BACK_SECONDS = 0.0005

#: Copies of the pipes' ends get numbers from here on, where no program looks for its files.
_ASIDE = 192


class ChildStreams:
    """The child's ends: its descriptors 1 and 2.

    Parameters
    ----------
    ends
        The writing ends of two pipes; owned from now on.
    """

    def __init__(self, ends: tuple[int, int]) -> None:
        self._kept = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _ASIDE) for end in ends]
        for end in ends:
            os.close(end)
        self._waiting = bytearray(4)
        self.restore()

    def restore(self) -> None:
        """Make 1 and 2 what they were, whatever a task has done to them."""
        for number, kept in enumerate(self._kept, start=1):
            os.dup2(kept, number)

    def settle(self) -> None:
        """Wait until all that was written has been read, so that it is counted to the attempt that wrote it."""
        for kept in self._kept:
            until = 0.0
            while self._count_waiting(kept):
                now = time.monotonic()
                until = until or now + _PATIENCE
                if now > until:
                    break
                time.sleep(_BACK_SECONDS)

    def _count_waiting(self, kept: int) -> int:
        fcntl.ioctl(kept, termios.FIONREAD, self._waiting)
        found: int = struct.unpack("i", self._waiting)[0]
        return found


class OutputReader:
    """The fork server's end of one of a child's streams.

    Parameters
    ----------
    descriptor
        The reading end of a pipe; owned from now on.
    name, level
        Of the records.
    page
        Tells whose they are.
    journal
        Where they go.
    """

    def __init__(self, descriptor: int, name: str, level: int, page: AttemptPage, journal: JournalHandler) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._name = name
        self._level = level
        self._page = page
        self._journal = journal
        self._context = AttemptContext()
        self._rest = b""
        self._kept = 0

    def fileno(self) -> int:
        """Readable where the child has written something."""
        return self._descriptor

    def read(self) -> bool:
        """Write what there is to the journal. False: nothing now."""
        running = self._page.read()
        if running is not None:
            self._journal.clock_ahead = running.clock_ahead
        context = AttemptContext(running.attempt_id, running.task_id, running.job_id) if running else self._context
        if context != self._context:
            self.finish()
            self._context, self._kept = context, 0
        try:
            data = os.read(self._descriptor, _READ_SIZE)
        except BlockingIOError:
            return False
        self._take(data)
        return bool(data)

    def finish_ended(self) -> None:
        """Finish the log of the attempt that wrote last, if it has ended."""
        if not self._context.attempt_id:
            return
        running = self._page.read()
        if running is None or running.attempt_id != self._context.attempt_id:
            self.finish()
            self._context, self._kept = AttemptContext(), 0

    def finish(self) -> None:
        """Write an unfinished line, and say that nothing more comes of this attempt."""
        if self._rest:
            self._write(self._rest)
            self._rest = b""
        if self._context.attempt_id:
            self._journal.end_attempt(self._context.attempt_id)

    def close(self) -> None:
        """Write what is left, of a child that is dead."""
        with contextlib.suppress(OSError):
            while self.read():
                pass
        self.finish()
        os.close(self._descriptor)
        self._descriptor = -1

    def _take(self, data: bytes) -> None:
        before, self._kept = self._kept, self._kept + len(data)
        if before > MOST_KEPT:
            return
        *lines, rest = (self._rest + data).split(b"\n")
        if len(rest) > MAX_LINE:
            lines.append(rest)
            rest = b""
        self._rest = rest
        for line in lines:
            for start in range(0, len(line), MAX_LINE):
                self._write(line[start : start + MAX_LINE])
        if self._kept > MOST_KEPT:
            self._rest = b""
            self._write(b"[what it writes after this is left out]")

    def _write(self, line: bytes) -> None:
        text = line.rstrip().decode("utf-8", "backslashreplace").replace("\0", "\\x00")
        if not text:
            return
        record = logging.LogRecord(self._name, self._level, "", 0, "%s", (text,), None)
        record.attempt = self._context
        self._journal.handle(record)


def open_streams(page: AttemptPage, journal: JournalHandler) -> tuple[list[OutputReader], tuple[int, int]]:
    """Make the pipes of a child that is about to be forked: the fork server's ends, and the child's."""
    readers, ends = [], []
    for name, level in _STREAMS:
        reading, writing = os.pipe()
        readers.append(OutputReader(reading, name, level, page, journal))
        ends.append(writing)
    return readers, (ends[0], ends[1])
