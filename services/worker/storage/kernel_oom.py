"""How many processes the kernel has killed in this container because memory ran out."""

from __future__ import annotations

import contextlib
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


def find_oom_counter(membership: Path = Path("/proc/self/cgroup"), groups: Path = _GROUPS) -> Path | None:
    """Find the file in which the kernel counts the kills of this process's control group; None where there is none."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        inside = path.lstrip("/")
        if controllers == "memory":
            places = [groups / "memory" / inside / "memory.oom_control", groups / "memory" / "memory.oom_control"]
        elif not controllers:
            places = [groups / inside / "memory.events", groups / "memory.events"]
        else:
            continue
        for place in places:  # inside a container the path may be that on the host, and the folder the container's own
            if place.exists():
                return place
    return None


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
