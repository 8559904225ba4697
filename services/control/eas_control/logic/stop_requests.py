"""The wish to stop, which can be repeated."""

from __future__ import annotations

import asyncio


class StopRequests:
    """Knows whether the user (or the system) has asked to stop, and when it is asked again."""

    def __init__(self) -> None:
        self._first = asyncio.Event()
        self._next = asyncio.Event()

    def make(self) -> None:
        """Ask to stop; asked again, more urgently."""
        self._first.set()
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self) -> None:
        """Wait for the first request."""
        await self._first.wait()

    async def wait_for_another(self) -> None:
        """Wait for a request that is made from now on."""
        await self._next.wait()
