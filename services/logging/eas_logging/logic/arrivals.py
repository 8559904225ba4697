"""Tells those who wait that records have arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Arrivals:
    """Set after each commit. A listener gets an event, and clears it before it reads."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Event] = set()

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """Register from before one first looks, so that nothing is missed in between."""
        event = asyncio.Event()
        self._listeners.add(event)
        try:
            yield event
        finally:
            self._listeners.discard(event)

    def announce(self) -> None:
        """Wake all listeners."""
        for event in self._listeners:
            event.set()
