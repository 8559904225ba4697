"""All processes that come from one, as `/proc` shows them: who they are, what they use, and their end.

A process may leave its parent's group and session, and its parent may end before it. A subreaper among its ancestors
(see `process_bonds.adopt_orphans`) becomes its parent then, so that it stays in the tree.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")

#: Rounds in which a tree is stopped before it is killed: whoever forks faster than that is caught in the next call.
_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """What one process uses: resident memory [bytes], processor time with its reaped children [s], threads."""

    memory: int
    cpu_time: float
    threads: int


def children_of(pid: int) -> list[int]:
    """List the children of all threads of a process, those that have ended and are not reaped included."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it has ended, or this is not Linux
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - often, and a third of the time
            with contextlib.suppress(OSError):
                found.extend(map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split()))
    return found


def tree_of(pid: int) -> list[int]:
    """List a process and all its descendants, parents first."""
    found = [pid]
    for one in found:
        found.extend(children_of(one))
    return found


def read_usage(pid: int) -> ProcessUsage | None:
    """Tell what a process uses; None where it is gone. One that has ended and is not reaped uses only its time."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    ended = fields[0] in "ZX"
    return ProcessUsage(
        memory=0 if ended else int(fields[21]) * _PAGE,
        cpu_time=sum(map(int, fields[11:15])) / _TICK,
        threads=0 if ended else int(fields[17]),
    )


def read_fair_memory(pids: Iterable[int]) -> int | None:
    """Measure memory of which pages that are shared count in equal parts for all that share them [bytes].

    It takes milliseconds a gigabyte. None where the kernel does not tell.
    """
    total, told = 0, False
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
                    told = True
    return total if told else None


def stop_tree(pid: int) -> list[int]:
    """Stop a process and all its descendants, parents first, so that none can fork, or lose a number to a stranger."""
    stopped: dict[int, None] = {}
    for _ in range(_ROUNDS):
        fresh = [one for one in tree_of(pid) if one not in stopped]
        if not fresh:
            break
        for one in fresh:
            send_signal(one, signal.SIGSTOP)
            stopped[one] = None
    return list(stopped)


def resume(pids: Iterable[int]) -> None:
    """Let processes that were stopped go on."""
    for pid in pids:
        send_signal(pid, signal.SIGCONT)


def kill_tree(pid: int) -> None:
    """End a process and all its descendants, whatever group or session they are in and whatever they ignore."""
    for one in stop_tree(pid):
        send_signal(one, signal.SIGKILL)


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def mark_of(folder: Path) -> str:
    """Make the word by which all processes of a worker are known, from the folder of its attempts."""
    return f"EAS_ATTEMPTS_IN={folder}"


def kill_marked(marker: str) -> int:
    """End all processes that were started with this word, ``NAME=value``, in their environment. Returns how many.

    It finds what a fork server left behind that was killed itself. Only this user's processes can be read, and this one
    is left alone.
    """
    wanted = os.fsencode(marker)
    killed = 0
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                send_signal(int(folder.name), signal.SIGKILL)
                killed += 1
    return killed
