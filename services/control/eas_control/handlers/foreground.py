"""Running a suite in the foreground: signals come in, one line goes out."""

from __future__ import annotations

import asyncio
import os
import sys

import uvloop

from eas.signals import choose_stop_signals
from eas_control.logic.stop_requests import StopRequests
from eas_control.suite import SuiteTerms, run_suite

#: What the one line on standard output says; scripts wait for it.
READY_LINE = "EAS is ready at {url} (Ctrl-C stops it)"


def run_in_foreground(terms: SuiteTerms, *, follow_stdin: bool = False) -> None:
    """Run a suite until a signal or, if it is to follow standard input, that input's end.

    Parameters
    ----------
    terms
        What to run.
    follow_stdin
        For a suite that another program starts: it must not outlive that program.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(terms, follow_stdin))


async def _run(terms: SuiteTerms, follow_stdin: bool) -> None:
    stop = StopRequests()
    loop = asyncio.get_running_loop()

    def hear_signal() -> None:
        if sys.stderr.isatty():
            print("\rstopping: running tasks may finish or are handed back (Ctrl-C again: at once)", file=sys.stderr)
        stop.make()

    def watch_stdin() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            stop.make()

    for number in choose_stop_signals():
        loop.add_signal_handler(number, hear_signal)
    if follow_stdin:
        loop.add_reader(sys.stdin.fileno(), watch_stdin)
    await run_suite(terms, stop, lambda url: print(READY_LINE.format(url=url), flush=True))
