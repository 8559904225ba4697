"""Whether a connection can still be used."""

from __future__ import annotations

import select


class EndWatch:
    """Tells whether an idle connection has ended: nothing else can arrive while no request is under way.

    Parameters
    ----------
    descriptor
        The connection's socket. It must be open whenever the watch is asked.
    """

    def __init__(self, descriptor: int) -> None:
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def has_ended(self) -> bool:
        """Tell whether the connection has ended."""
        return bool(self._poll.poll(0))
