"""What the kernel says of the memory of this container: how much there may be, and how often that ran out."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from eas.contracts.states import FailureReason
from eas_worker.domain.limits import Cause

_GROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def read_memory_bound(membership: Path = _MEMBERSHIP, groups: Path = _GROUPS) -> int:
    """Tell how much memory all processes together can have: the machine's, or less in a container [bytes]."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found = _find_file(membership, groups, "memory.limit_in_bytes", "memory.max")
    if found is None:
        return machine
    try:
        return min(machine, int(found.read_text()))
    except (OSError, ValueError):  # "max": no bound
        return machine


def find_oom_counter(membership: Path = _MEMBERSHIP, groups: Path = _GROUPS) -> Path | None:
    """Find the file in which the kernel counts the kills of this process's control group; None where there is none."""
    return _find_file(membership, groups, "memory.oom_control", "memory.events")


def count_oom_kills(counter: Path | None) -> int:
    """Read a file found by `find_oom_counter`; 0 where it cannot be read."""
    if counter is None:
        return 0
    with contextlib.suppress(OSError, ValueError):
        for line in counter.read_text().splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill":
                return int(number)
    return 0


class OomKills:
    """The kernel's kills in this process's control group, of which it asks again and again whether there were more."""

    def __init__(self) -> None:
        self._counter = find_oom_counter()
        self._seen = count_oom_kills(self._counter)

    def have_risen(self) -> bool:
        """Tell whether there were any since this was last asked."""
        before, self._seen = self._seen, count_oom_kills(self._counter)
        return self._seen != before

    def explain(self, code: int, attempt_id: int | None) -> Cause | None:
        """Tell whether it was the kernel that killed a child, because this container's memory had run out.

        Parameters
        ----------
        code
            Minus the signal that the child was killed by, or its exit status.
        attempt_id
            What it was running; None: nothing.
        """
        if not self.have_risen() or code != -signal.SIGKILL or attempt_id is None:
            return None
        words = "the kernel killed it because there was no memory left"
        return Cause(attempt_id, FailureReason.OUT_OF_MEMORY, words)


def _find_file(membership: Path, groups: Path, first: str, second: str) -> Path | None:
    """Find a file of this process's control group, by its names in the first and the second version of them."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        inside = path.lstrip("/")
        if "memory" in controllers.split(","):
            places = [groups / "memory" / inside / first, groups / "memory" / first]
        elif not controllers:
            places = [groups / inside / second, groups / second]
        else:
            continue
        for place in places:  # inside a container the path may be that on the host, and the folder the container's own
            if place.exists():
                return place
    return None
