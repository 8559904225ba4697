"""What one attempt may leave behind for the next in the same process: put right, or the process ends."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import contextlib
import gc
import logging
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from eas_worker.storage.process_tree import children_of, kill_tree

#: More descriptors than this may not stay open after an attempt; fewer are those of imported modules.
SPARE_DESCRIPTORS = 64

#: How long killed processes may take to vanish [s].
_PATIENCE = 5.0

_PAGE = os.sysconf("SC_PAGE_SIZE")

#: Those that programs handle; to ask for all of them takes longer than all else that is put right here.
_SIGNALS = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGPIPE,
    signal.SIGALRM,
    signal.SIGTERM,
    signal.SIGCHLD,
    signal.SIGXCPU,
    signal.SIGXFSZ,
)


@dataclass(frozen=True)
class RecyclePolicy:
    """When a child is worn out: after so many attempts, or when so much more memory stays in use [bytes]. 0: never."""

    attempts: int = 0
    growth: int = 0


NO_RECYCLING = RecyclePolicy()


class ChildState:
    """The state of this process as it was when it was young.

    Parameters
    ----------
    recycling
        When it is worn out.
    """

    def __init__(self, recycling: RecyclePolicy) -> None:
        self._recycling = recycling
        self._attempts = 0
        self._environment = dict(_raw_environment())
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._handlers = _read_handlers()
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
        self._threads = threading.active_count()
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._path = list(sys.path)
        root = logging.getLogger()
        self._log_handlers, self._log_level = list(root.handlers), root.level
        self._statm = os.open("/proc/self/statm", os.O_RDONLY) if Path("/proc/self/statm").exists() else -1
        _keep_descriptors_in_reserve()
        self._lowest = _lowest_free()
        self._memory = self._read_memory()

    def end_processes(self) -> str | None:
        """End all processes that an attempt has left behind, in whatever group. Why to retire if there were any."""
        try:
            alive = _reap()
        except ChildProcessError:
            return None
        if not alive:
            return None
        until = time.monotonic() + _PATIENCE
        with contextlib.suppress(ChildProcessError):
            while _reap():
                for pid in children_of(os.getpid()):
                    kill_tree(pid)
                if time.monotonic() > until:
                    return "its processes cannot be killed"
                time.sleep(0.001)
        return "it left processes behind"

    def restore(self) -> str | None:
        """Put right what an attempt may have changed. Returns why this process must not go on, if it must not."""
        self._attempts += 1
        if _raw_environment() != self._environment:
            os.environb.clear()
            os.environb.update(self._environment)
        os.umask(self._umask)
        self._restore_signals()
        self._restore_interpreter()
        if threading.active_count() != self._threads:
            return "it left threads behind"
        if _lowest_free() > self._lowest + SPARE_DESCRIPTORS:
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # so that the answer can be written
            return "it left files open"
        if self._recycling.attempts and self._attempts >= self._recycling.attempts:
            return f"it has run {self._attempts} attempts"
        if self._recycling.growth and self._read_memory() - self._memory > self._recycling.growth:
            return f"its memory has grown by {(self._read_memory() - self._memory) / 1e6:.0f} MB"
        return None

    def _restore_signals(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if _read_handlers() != self._handlers:
            for number, handler in zip(_SIGNALS, self._handlers, strict=True):
                if handler is not None:
                    signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _restore_interpreter(self) -> None:
        if (sys.stdin, sys.stdout, sys.stderr) != self._streams:
            sys.stdin, sys.stdout, sys.stderr = self._streams
        if sys.path != self._path:
            sys.path[:] = self._path
        root = logging.getLogger()
        if root.handlers != self._log_handlers or root.level != self._log_level:
            root.handlers[:] = self._log_handlers
            root.setLevel(self._log_level)
        if root.manager.disable:
            logging.disable(logging.NOTSET)
        if not gc.isenabled():
            gc.enable()
        if self._affinity is not None and os.sched_getaffinity(0) != self._affinity:
            os.sched_setaffinity(0, self._affinity)

    def _read_memory(self) -> int:
        """Read how much memory is in use that is not a file's [bytes]."""
        if self._statm < 0:
            return 0
        fields = os.pread(self._statm, 128, 0).split()
        return (int(fields[1]) - int(fields[2])) * _PAGE


def _raw_environment() -> dict[bytes, bytes]:
    """The environment as the interpreter keeps it; comparing through the public mapping takes fifty times as long."""
    found: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined]
    return found


def _read_handlers() -> list[signal._HANDLER]:
    """Read the handlers as numbers and functions: `signal.getsignal` makes enumerations of them, which takes longer."""
    return [_signal.getsignal(number) for number in _SIGNALS]


def _keep_descriptors_in_reserve() -> None:
    """Lower the soft limit, so that there is something to raise it to when a task has filled the table."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft > hard - SPARE_DESCRIPTORS):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard - SPARE_DESCRIPTORS, 1), hard))


def _lowest_free() -> int:
    """Tell which number the next descriptor would get; a very high one where the table is full."""
    try:
        found = os.dup(0)
    except OSError:
        return sys.maxsize
    os.close(found)
    return found


def _reap() -> bool:
    """Reap all children that have ended. Tells whether others live.

    Raises
    ------
    ChildProcessError
        There are none.
    """
    while os.waitpid(-1, os.WNOHANG)[0]:
        pass
    return True
