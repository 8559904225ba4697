"""An event loop whose clock costs no time, for tests of timers that wait for nothing outside their process."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")


class _JumpingSelector(selectors.DefaultSelector):
    """Looks for events without waiting, and counts the seconds that it would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing is left to happen: all tasks wait, and no timer is set")
        found = super().select(0)
        if not found:
            self.skipped += max(timeout, 0.0)
        return found


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Jumps to the next timer as soon as no callback is ready.

    The time of the loop [s] starts at 0 and passes only by these jumps, so a slow machine changes nothing. Threads,
    processes and sockets do not keep the clock from jumping: do not wait for them in this loop.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Tell the time of the loop [s]."""
        return self._jumping.skipped


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test in a `VirtualTimeLoop`. It raises RuntimeError if it waits for what never comes."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run
