"""The supervisor's end of a child process.

The two talk over a pair of SEQPACKET sockets, one message an attempt. The supervisor keeps a copy of the child's end:
so it can take messages back that the child has not read. The kernel gives every message to one reader only, which
makes the recall of prefetched attempts safe without asking the child, who may be busy for hours.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from eas_worker.domain.assignment import Answer, Assignment, CheckingNotice
from eas_worker.storage.frames import INLINE, pack_assignment, read_attempt_id, unpack_word

logger = logging.getLogger(__name__)

Read = TypeVar("Read")

#: Longer than any message that travels through the socket.
RECEIVE_SIZE = INLINE + 1024


class ChildProcess:
    """A warm child.

    Parameters
    ----------
    pid
        Process id, which is also its process group.
    ours, theirs
        The two ends of its socket pair; owned from now on.
    folder
        Where messages go that are too long for the socket.
    kill
        Ends the process group; race-free because the child's parent does it.
    """

    def __init__(
        self, pid: int, ours: socket.socket, theirs: socket.socket, folder: Path, kill: Callable[[int], None]
    ) -> None:
        self._pid = pid
        self._ours = ours
        self._theirs = theirs
        self._folder = folder
        self._kill = kill
        ours.setblocking(False)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._pid

    def fileno(self) -> int:
        """Readable where the child has said something."""
        return self._ours.fileno()

    def send(self, assignment: Assignment) -> bool:
        """Put an attempt at the end of the child's queue. False: the queue is full."""
        try:
            self._ours.send(pack_assignment(assignment, self._folder))
        except BlockingIOError:
            return False
        return True

    def receive(self) -> list[Answer | CheckingNotice]:
        """Take what the child has said since, oldest first."""
        return self._read_each(unpack_word, _drain(self._ours))

    def recall(self) -> list[int]:
        """Take back all attempts that the child has not begun, oldest first."""
        return self._read_each(read_attempt_id, _drain(self._theirs))

    def _read_each(self, read: Callable[[bytes], Read], messages: list[bytes]) -> list[Read]:
        """Read messages. One that cannot be read ends the child, for its attempt would never end; the others count."""
        found: list[Read] = []
        for message in messages:
            try:
                found.append(read(message))
            except Exception:
                logger.exception("process %d: a message cannot be read, so the process is ended", self._pid)
                self.kill()
        return found

    def kill(self) -> None:
        """End the child and all its descendants, now."""
        self._kill(self._pid)

    def close(self) -> None:
        """Close both ends: the child ends when it next looks for work."""
        self._ours.close()
        self._theirs.close()


def kill_group(pid: int) -> None:
    """End a process group of which the leader is, or was, a child; nothing happens where it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def make_channel() -> tuple[socket.socket, socket.socket]:
    """Make the socket pair between supervisor and child: ours, theirs."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _drain(end: socket.socket) -> list[bytes]:
    messages: list[bytes] = []
    while True:
        try:
            message = end.recv(RECEIVE_SIZE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return messages
        except ConnectionResetError:
            return messages
        if not message:
            return messages
        messages.append(message)
