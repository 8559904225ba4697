"""What can go wrong with a broker.

::

    UnavailableError
    └── BrokerUnavailableError      no connection, no answer in time, or no confirm
    ConflictError
    └── QueueRefusedError           the queue exists with other arguments, or may not be had
    NotFoundError
    └── UnroutableError             no queue takes the message, though it was declared
"""

from __future__ import annotations

from eas.contracts.errors import ConflictError, NotFoundError, UnavailableError


class BrokerUnavailableError(UnavailableError):
    """The broker cannot be reached or does not answer. What was being published counts as not published."""


class QueueRefusedError(ConflictError):
    """The broker does not give a queue as it was asked for."""

    def __init__(self, queue: str, reason: str) -> None:
        super().__init__(
            f"the queue {queue!r} cannot be had as asked for: {reason}. "
            "If it exists with other arguments, empty and delete it, or set EAS_…_QUEUE_TYPE to its type.",
            where=queue,
        )


class UnroutableError(NotFoundError):
    """A message came back: no queue has its name, though it was declared."""

    def __init__(self, queue: str) -> None:
        super().__init__(f"a message for the queue {queue!r} came back although the queue was declared", where=queue)
