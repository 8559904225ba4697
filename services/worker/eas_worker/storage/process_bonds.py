"""Ties between processes: dying with the parent, and being the one that the kernel kills when memory runs out."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

#: How much rather than the supervisor the kernel shall kill a child (0 to 1000).
_OOM_SCORE = "500"


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies; ends it now if that has happened already.

    Linux only; elsewhere nothing happens, and the child notices at its next message.

    Parameters
    ----------
    parent
        Process id of the parent at the time of the fork.
    """
    if sys.platform != "linux":
        return
    if _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(1)


def volunteer_for_oom() -> None:
    """Let the kernel choose this process before its supervisor when memory runs out."""
    with contextlib.suppress(OSError):  # not on this platform, or not in this container
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parents end, so that none can leave this process's tree.

    Linux only; elsewhere nothing happens. A forked child does not inherit it.
    """
    if sys.platform != "linux":
        return
    if _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
