"""A child for one task by itself, kept within its limits as those of a worker's fork server are."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eas.contracts.states import FailureReason
from eas_worker.domain.assignment import WORKER_FAULT, Departure
from eas_worker.domain.limits import Cause, explain_overrun
from eas_worker.storage.attempt_page import AttemptPage, RunningAttempt
from eas_worker.storage.control_group import OomKills
from eas_worker.storage.process_bonds import adopt_orphans, die_with_parent, volunteer_for_oom
from eas_worker.storage.process_tree import end_children
from eas_worker.storage.watch import INTERVAL, Watch, WatchedChild

#: How long what a task has left behind may take to end [s].
_LAST_SECONDS = 5.0


class PlainStreams:
    """Standard output and error output that are this process's own."""

    def restore(self) -> None:
        """Do nothing: no other attempt follows."""

    def settle(self) -> None:
        """Do nothing: nobody counts."""


@dataclass(frozen=True, slots=True)
class SingleTaskEnd:
    """How the child ended.

    Parameters
    ----------
    departure
        As a worker sees it.
    running
        The attempt under which it ended; None: it had not begun, or was over.
    wall_time, cpu_time
        Of that attempt [s].
    """

    departure: Departure
    running: RunningAttempt | None
    wall_time: float
    cpu_time: float


def watch_single_task_child(
    work: Callable[[AttemptPage], None], folder: Path, run_timeout: float | None
) -> SingleTaskEnd:
    """Do something in a child until it ends, and end whatever comes from it.

    Parameters
    ----------
    work
        What the child does. On the page, which it gets, it says what it runs and with what limits.
    folder
        With the working directories of attempts.
    run_timeout
        How long the attempt may run [s].
    """
    adopt_orphans()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    page, kills, watch = AttemptPage(), OomKills(), Watch(folder)
    pid = _fork(work, page)
    child = WatchedChild(pid, page)
    began: float | None = None
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        signal.sigtimedwait({signal.SIGCHLD}, INTERVAL)
        if (running := page.read()) is None:
            continue
        began = began or time.monotonic()
        if run_timeout is not None and child.cause is None and time.monotonic() - began > run_timeout:
            cause = Cause(running.attempt_id, FailureReason.TIMEOUT, explain_overrun(run_timeout))
            watch.end(child, running, cause)
        watch.look(child)
    running = page.read()
    _, status, used = os.wait4(pid, 0)
    end_children(_LAST_SECONDS)
    code = os.waitstatus_to_exitcode(status)
    cause_of_death = child.cause or kills.explain(code, running.attempt_id if running else None)
    return SingleTaskEnd(
        Departure(-code if code < 0 else None, code if code >= 0 else None, page.peak or None, cause_of_death),
        running,
        time.monotonic() - began if began else 0.0,
        used.ru_utime + used.ru_stime - (running.cpu_before if running else 0.0),
    )


def _fork(work: Callable[[AttemptPage], None], page: AttemptPage) -> int:
    parent = os.getpid()
    if pid := os.fork():
        return pid
    status = WORKER_FAULT
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        die_with_parent(parent)
        adopt_orphans()
        volunteer_for_oom()
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        faulthandler.enable(file=2)
        work(page)
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
