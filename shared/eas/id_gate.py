"""Holds back what gives ids until it is known from where on they are free."""

from __future__ import annotations

import asyncio

from eas.contracts.errors import UnavailableError


class IdGate:
    """Closed from the start of a service until its ids were compared with those of the other services.

    Parameters
    ----------
    reason
        Why it is closed, and what opens it; callers that waited in vain read it.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self._opened = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether ids may be given."""
        return self._opened.is_set()

    def open(self) -> None:
        """Let ids be given, from now on."""
        self._opened.set()

    async def wait(self, seconds: float | None) -> None:
        """Wait until ids may be given.

        Parameters
        ----------
        seconds
            The longest wait [s]; None for no limit.

        Raises
        ------
        UnavailableError
            The gate is still closed; the message says why.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._opened.wait()
        except TimeoutError:
            raise UnavailableError(self.reason) from None
