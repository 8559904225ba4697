"""Names and arguments of queues."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from eas.contracts.errors import InvalidInputError

_LONGEST_NAME = 255


class QueueType(StrEnum):
    """How the broker keeps queues: on one node, or on a majority of several."""

    CLASSIC = "classic"
    QUORUM = "quorum"


@dataclass(frozen=True)
class Topology:
    """What queues are called, and what kind they are. All who share a broker need the same.

    Parameters
    ----------
    prefix
        What all names begin with; two suites on one virtual host have two prefixes.
    queue_type
        Of all queues. It cannot be changed for queues that exist.
    """

    prefix: str = "eas"
    queue_type: QueueType = QueueType.CLASSIC

    def task_queue(self, task_type: str) -> str:
        """The queue for attempts of a task type."""
        return self.queue(f"tasks.{task_type}")

    def queue(self, kind: str) -> str:
        """The queue for messages of another kind, such as ``logs``. Raises InvalidInputError for too long a name."""
        name = f"{self.prefix}.{kind}"
        if len(name.encode()) > _LONGEST_NAME:
            raise InvalidInputError(f"the queue's name {name[:40]!r}… is longer than {_LONGEST_NAME} bytes")
        return name

    @property
    def dead_letter_queue(self) -> str:
        """Where messages go that nobody can handle, from all queues."""
        return self.queue("dead_letters")

    @property
    def dead_letter_exchange(self) -> str:
        """The way to the dead-letter queue."""
        return self.queue("dead_letters")

    def arguments(self, queue: str) -> dict[str, str]:
        """What a queue is declared with."""
        found = {"x-queue-type": self.queue_type.value}
        if queue != self.dead_letter_queue:
            found["x-dead-letter-exchange"] = self.dead_letter_exchange
        return found
