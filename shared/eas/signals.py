"""Signals that a program was started with ignored or blocked."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

#: Signals that a program has to hear to be stopped and to know its children, and what they do then.
_HEARD: dict[signal.Signals, Callable[[int, FrameType | None], None] | signal.Handlers] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGCHLD: signal.SIG_DFL,
}


def hear_signals() -> None:
    """Hear SIGINT, SIGTERM and SIGCHLD also where this process was started with them ignored or blocked.

    A shell without job control ignores SIGINT for what it starts with ``&``, and Python then never raises
    KeyboardInterrupt. Where SIGCHLD is ignored, every child seems to have ended with status 0. SIGHUP is left alone:
    ``nohup`` has it ignored on purpose. To be called by a program's main thread, before it starts anything.
    """
    for number, handler in _HEARD.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_HEARD, signal.SIGHUP})


def choose_stop_signals() -> list[signal.Signals]:
    """Tell which signals are to stop a program: SIGHUP as well, unless it is ignored, as ``nohup`` has it."""
    stops = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        stops.append(signal.SIGHUP)
    return stops
