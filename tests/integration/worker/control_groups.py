"""Control groups of the kernel, with little memory, where this machine lets us make them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

GROUPS = Path("/sys/fs/cgroup")
PATIENCE = 120.0

#: What bounds memory, and then what forbids to swap, in the first and the second version of control groups.
_BOUNDS = ("memory.limit_in_bytes", "memory.max")
_SWAP = (("memory.memsw.limit_in_bytes", True), ("memory.swappiness", False), ("memory.swap.max", False))


@contextmanager
def small_group(memory: int) -> Iterator[Path]:
    """Make a control group whose processes have so much memory [bytes]; skip the test where that is not allowed."""
    group = _make(memory)
    try:
        yield group
    finally:
        _remove(group)


def _make(memory: int) -> Path:
    problems = []
    for parent in _find_parents():
        group = parent / f"eas-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError as error:
            problems.append(f"{parent}: {error.strerror}")
            continue
        try:
            _bound(group, memory)
        except OSError as error:
            problems.append(f"{parent}: memory cannot be bounded: {error.strerror}")
            group.rmdir()
            continue
        return group
    pytest.skip("no control group can be made: " + ("; ".join(problems) or f"there are none in {GROUPS}"))


def _find_parents() -> Iterator[Path]:
    """Find where a group may be made: in this process's own, then beside it."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" not in controllers.split(",") and controllers:
            continue
        root = GROUPS / "memory" if controllers else GROUPS
        own = root / path.lstrip("/")
        if (root / "cgroup.procs").exists():
            yield from dict.fromkeys(place for place in (own, own.parent, root) if place.is_relative_to(root))


def _bound(group: Path, memory: int) -> None:
    """Raises `OSError` where memory has no bounds here, or they cannot be set."""
    (bound,) = [group / name for name in _BOUNDS if (group / name).exists()] or [group / _BOUNDS[1]]
    with bound.open("r+") as file:
        file.write(str(memory))
    for name, is_bound in _SWAP:
        if (group / name).exists():
            (group / name).write_text(str(memory) if is_bound else "0")


def _remove(group: Path) -> None:
    """Remove a group as soon as its last process has ended."""
    until = time.monotonic() + PATIENCE
    while group.exists():
        with contextlib.suppress(OSError):
            group.rmdir()
        assert time.monotonic() < until, f"processes stay in {group}: {(group / 'cgroup.procs').read_text().split()}"
        time.sleep(0.01)
