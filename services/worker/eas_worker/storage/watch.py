"""Looks, again and again, at what the children's attempts use, and ends those that use more than they may."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from eas_worker.domain.limits import GIGABYTE, Cause, Usage, find_excess
from eas_worker.storage.attempt_page import AttemptPage, RunningAttempt
from eas_worker.storage.process_tree import (
    read_fair_memory,
    read_usage,
    resume,
    send_signal,
    stop_tree,
    tree_of,
)

#: How often to look [s].
INTERVAL = 0.05

#: Looking at a working directory takes at most this part of the time.
_DISK_EFFORT = 0.05
_DISK_INTERVAL = 0.2

#: The memory of several processes together is measured this often; that of one the kernel keeps itself [s].
_MEMORY_INTERVAL = 0.25


@dataclass(eq=False)
class WatchedChild:
    """A child with its page.

    Parameters
    ----------
    pid
        Process id.
    page
        Shared with it.
    cause
        Why it was killed, if it was.
    """

    pid: int
    page: AttemptPage
    cause: Cause | None = None
    next_disk: float = field(default=0.0)
    next_memory: float = field(default=0.0)


class Watch:
    """Keeps all children of a fork server within their limits.

    Parameters
    ----------
    folder
        With the working directories of attempts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def look(self, child: WatchedChild) -> None:
        """Measure what a child's attempt uses, and kill the child if that is too much."""
        running = child.page.read()
        if running is None or child.cause is not None:
            return
        cause = find_excess(running.attempt_id, self._measure(child, running), running.limits)
        if cause is not None:
            self.end(child, running, cause)

    @staticmethod
    def end(child: WatchedChild, running: RunningAttempt, cause: Cause) -> None:
        """Kill a child for what its attempt did, unless that has just come to its end."""
        stopped = stop_tree(child.pid)
        if not child.page.is_at(running.attempt_id, running.serial):  # it came to its end in the nick of time
            resume(stopped)
            return
        child.cause = cause
        for pid in stopped:
            send_signal(pid, signal.SIGKILL)

    def _measure(self, child: WatchedChild, running: RunningAttempt) -> Usage:
        pids = tree_of(child.pid)
        found = [usage for pid in pids if (usage := read_usage(pid)) is not None]
        memory = sum(usage.memory for usage in found)
        limit = running.limits.memory_gb
        over = limit is not None and memory > limit * GIGABYTE
        now = time.monotonic()
        if over or (len(pids) > 1 and now >= child.next_memory):  # much of it may be shared, between forks for one
            fair = read_fair_memory(pids)
            memory = memory if fair is None else fair
            child.page.note_peak(memory)
            child.next_memory = now + _MEMORY_INTERVAL
        return Usage(
            memory=memory,
            cpu_time=sum(usage.cpu_time for usage in found) - running.cpu_before,
            disk=self._measure_disk(child, running),
            processes=sum(usage.threads for usage in found),
        )

    def _measure_disk(self, child: WatchedChild, running: RunningAttempt) -> int:
        now = time.monotonic()
        if running.limits.disk_gb is None or now < child.next_disk:
            return 0
        size = sum(measure_folder(self._folder / name) for name in (str(running.attempt_id), f"scratch-{child.pid}"))
        ended = time.monotonic()
        child.next_disk = ended + max(_DISK_INTERVAL, (ended - now) / _DISK_EFFORT)
        return size


def measure_folder(folder: Path) -> int:
    """Add up what the files below a folder take on the disk [bytes]. What vanishes meanwhile does not count."""
    total = 0
    pending = [os.fspath(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
    return total
