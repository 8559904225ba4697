"""What operators do with messages that could not be delivered: look at them, send them again, or discard them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from eas.contracts.dead_letters import DeadLetter, DeadLetterContent, DeadLetterTable
from eas.contracts.errors import NotFoundError, UnavailableError
from eas_scheduler.logic.ports import DeadLetterBox
from eas_scheduler.logic.wakeups import Wakeups

logger = logging.getLogger(__name__)


class DeadLetters:
    """The dead letters of the database and of the broker, where there is one.

    Parameters
    ----------
    boxes
        Where they are kept.
    wakeups
        Of this scheduler.
    """

    def __init__(self, boxes: Sequence[DeadLetterBox], wakeups: Wakeups) -> None:
        self._boxes = boxes
        self._wakeups = wakeups

    async def select(self, limit: int) -> DeadLetterTable:
        """List the oldest of each place, at most so many of each; `missing` says which cannot be looked at now."""
        items: list[DeadLetter] = []
        missing: list[str] = []
        for box in self._boxes:
            try:
                items += await box.select(limit)
            except UnavailableError as error:
                missing.append(error.message)
        return DeadLetterTable(items=items, missing="; ".join(missing) or None)

    async def read(self, letter_id: str) -> DeadLetterContent:
        """Read one with all that it says.

        Raises
        ------
        NotFoundError
            There is no such dead letter.
        """
        for box in self._boxes:
            if (found := await box.read(letter_id)) is not None:
                return found
        raise NotFoundError(f"there is no dead letter {letter_id!r}", where="path.letter_id")

    async def send_again(self, letter_ids: Collection[str] | None, *, by: str) -> int:
        """Send some, or all, on their way again. Returns how many; those that are not there do not count."""
        changed = sum([await box.send_again(letter_ids) for box in self._boxes])
        logger.info("%d dead letters were sent again by %s", changed, by)
        self._wakeups.outbox.set()
        return changed

    async def discard(self, letter_ids: Collection[str] | None, *, by: str) -> int:
        """Remove some, or all, for good. Returns how many."""
        changed = sum([await box.discard(letter_ids) for box in self._boxes])
        logger.warning("%d dead letters were discarded by %s", changed, by)
        return changed
