"""All processes that come from one, as `/proc` shows them: who they are, what they use, and their end.

A process may leave its parent's group and session, and its parent may end before it. A subreaper among its ancestors
(see `process_bonds.adopt_orphans`) becomes its parent then, so that it stays in the tree.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from eas.environment_variables import MARK_VARIABLE

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")

#: Rounds in which a tree is stopped before it is killed. The next call catches a process that forks faster.
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


def end_children(seconds: float, known: Iterable[int] = ()) -> None:
    """End all children of this process with their descendants, and reap them, within so many seconds.

    Parameters
    ----------
    seconds
        When to give up [s].
    known
        Children, for where the system does not tell.
    """
    until = time.monotonic() + seconds
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < until:
            for pid in children_of(os.getpid()) or known:
                kill_tree(pid)
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            time.sleep(0.002)


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def mark_of(folder: Path) -> dict[str, str]:
    """Make the variable by which all processes of a worker are known, from the folder of its attempts."""
    return {MARK_VARIABLE: str(folder)}


def kill_left_behind(folder: Path) -> int:
    """End all processes that attempts in this folder have left behind. Returns how many.

    It finds what a fork server left behind that was killed itself: processes that have the mark in their environment,
    and those that were started without it and are in the folder, unless they have a terminal: somebody is looking
    around. Only this user's processes can be read, and this one is left alone.
    """
    killed: set[int] = set()
    for _ in range(_ROUNDS):  # they may fork while others are being looked at
        found = [pid for pid in _list_processes() if _belongs_to(pid, folder)]
        for pid in found:
            send_signal(pid, signal.SIGKILL)
        if killed.issuperset(found):
            break
        killed.update(found)
    return len(killed)


def _list_processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]  # noqa: PTH208


def _belongs_to(pid: int, folder: Path) -> bool:
    with contextlib.suppress(OSError):  # it is another user's, or has ended
        place = Path("/proc", str(pid))
        if os.fsencode(f"{MARK_VARIABLE}={folder}") in (place / "environ").read_bytes().split(b"\0"):
            return True
        if (place / "cwd").readlink().is_relative_to(folder):
            return (place / "stat").read_text().rpartition(")")[2].split()[4] == "0"  # its terminal
    return False
