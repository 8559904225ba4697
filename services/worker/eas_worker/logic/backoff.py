"""Pauses between tries: they double, up to a bound, with some randomness so that workers do not march in step."""

from __future__ import annotations

import asyncio
import random


class Backoff:
    """Pauses of one series of tries.

    Parameters
    ----------
    first, longest
        [s]
    """

    def __init__(self, first: float = 0.1, longest: float = 5.0) -> None:
        self._first = first
        self._longest = longest
        self._next = first

    async def pause(self) -> None:
        """Wait before the next try."""
        pause, self._next = self._next, min(2 * self._next, self._longest)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - only to spread the load

    def reset(self) -> None:
        """It worked: start anew."""
        self._next = self._first
