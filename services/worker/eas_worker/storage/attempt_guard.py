"""What surrounds every attempt in its child: limits set and lifted, measures taken, traces removed."""

from __future__ import annotations

import logging
import os
import resource
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from eas.contracts.states import FailureReason
from eas_worker.domain.assignment import Answer, Assignment
from eas_worker.domain.limits import GIGABYTE, NO_LIMITS, AttemptLimits
from eas_worker.storage.attempt_page import AttemptPage
from eas_worker.storage.child_state import ChildState, RecyclePolicy

logger = logging.getLogger(__name__)

#: Room above the limits for log records and answers, and for memory that is reserved and never used [bytes].
_FILE_ROOM = 64 * 1024 * 1024
_MEMORY_ROOM = 1024 * 1024 * 1024

_RESET_PEAK = b"5"
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Streams(Protocol):
    """The standard output and error output of a child."""

    def restore(self) -> None:
        """Make them what they were, whatever a task has done to them."""

    def settle(self) -> None:
        """Wait until all that was written counts as the attempt's."""


class AttemptGuard:
    """Stands at the beginning and the end of each attempt. Make it when the child is young.

    Parameters
    ----------
    page
        Shared with the fork server, which watches the limits.
    streams
        The child's standard output and error output.
    defaults
        Limits where an attempt has none of its own.
    recycling
        When the child is to be replaced.
    """

    def __init__(self, page: AttemptPage, streams: Streams, defaults: AttemptLimits, recycling: RecyclePolicy) -> None:
        self._page = page
        self._streams = streams
        self._defaults = defaults
        self._meter = Meter()
        self._state = ChildState(recycling)
        self._limits = NO_LIMITS
        self._pid = os.getpid()
        self._raised: list[tuple[int, tuple[int, int]]] = []
        self.retirement: str | None = None

    def begin(self, assignment: Assignment) -> None:
        """Set the limits of an attempt, and begin to measure it."""
        limits = self._defaults if assignment.limits is None else assignment.limits.over(self._defaults)
        self._limits = limits
        self._meter.start()
        times = os.times()
        used = times.user + times.system + times.children_user + times.children_system
        self._page.begin(
            assignment.attempt_id, assignment.task_id, assignment.job_id, limits, used, assignment.clock_ahead
        )
        if limits.memory_gb is not None:
            self._bound(resource.RLIMIT_DATA, _read_data_size() + int(2 * limits.memory_gb * GIGABYTE) + _MEMORY_ROOM)
        if limits.disk_gb is not None:
            self._bound(resource.RLIMIT_FSIZE, int(limits.disk_gb * GIGABYTE) + _FILE_ROOM)

    def end(self, answer: Answer) -> Answer:
        """Lift the limits, remove what the attempt left behind, and add to its answer what it used.

        It does not return in a fork of the child. `retirement` tells then why the child must not go on, if it must not.
        """
        if os.getpid() != self._pid:
            os._exit(0)  # the task forked, and its fork came here
        left = self._state.end_processes()
        for kind, limits in self._raised:
            resource.setrlimit(kind, limits)
        self._raised.clear()
        self._streams.restore()
        self._streams.settle()
        peak = max(self._meter.read_peak(), self._page.end())
        self.retirement = self._state.restore() or left
        if answer.reason is FailureReason.OUT_OF_MEMORY and self._limits.memory_gb is not None:
            words = f"{answer.message}; it may use {self._limits.memory_gb:g} GB, and held {peak / GIGABYTE:.3g} GB"
            answer = replace(answer, message=words)
        read, written = self._meter.read_bytes()
        return replace(answer, peak_memory=peak, read_bytes=read, written_bytes=written)

    def _bound(self, kind: int, most: int) -> None:
        """Set a soft limit, below the hard one and the one there is."""
        soft, hard = resource.getrlimit(kind)
        wanted = min([most, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)])
        resource.setrlimit(kind, (wanted, hard))
        self._raised.append((kind, (soft, hard)))


class Meter:
    """Measures memory and bytes of this process, with those of its children that have ended, since `start`."""

    def __init__(self) -> None:
        self._reset = _open("/proc/self/clear_refs", os.O_WRONLY)
        self._io = _open("/proc/self/io", os.O_RDONLY)
        self._children_peak = 0
        self._before = (0, 0)

    def start(self) -> None:
        """Begin anew."""
        if self._reset >= 0:
            os.write(self._reset, _RESET_PEAK)
        self._children_peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        self._before = self._read_io()

    def read_peak(self) -> int:
        """Tell the most memory that this process held, or any one of its children that was larger [bytes]."""
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        return 1024 * max(own, children if children > self._children_peak else 0)

    def read_bytes(self) -> tuple[int | None, int | None]:
        """Tell how many bytes were read and written; None where the kernel does not tell."""
        if self._io < 0:
            return None, None
        read, written = self._read_io()
        return max(0, read - self._before[0]), max(0, written - self._before[1])

    def _read_io(self) -> tuple[int, int]:
        if self._io < 0:
            return 0, 0
        fields = os.pread(self._io, 512, 0).split(None, 4)
        return int(fields[1]), int(fields[3])


def _open(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC)
    except OSError:  # not on this platform, or not in this container
        return -1


def _read_data_size() -> int:
    """Tell how much memory this process has reserved for data [bytes]."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[5]) * _PAGE
    except OSError:
        return 0
