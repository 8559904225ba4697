"""What was published lately, for the day on which a broker comes back without what it had confirmed."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from eas.contracts.errors import EasError
from eas.isolation import describe_error, is_passing

logger = logging.getLogger(__name__)


#: How often bringing a message may fail for no known reason.
MOST_FAILURES = 3


@dataclass(eq=False)
class _Entry:
    size: int
    bring: Callable[[], Awaitable[object]]
    failures: int = 0


class ReplayBuffer:
    """Keeps the last of what was published, up to `most_bytes`, with a way to bring each of it without the broker."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._entries: deque[_Entry] = deque()
        self._size = 0

    def add(self, size: int, bring: Callable[[], Awaitable[object]]) -> None:
        """Keep one more, and let go of the oldest.

        Parameters
        ----------
        size
            Of the message [bytes].
        bring
            Delivers the contents again; the receiver must accept repetitions.
        """
        self._entries.append(_Entry(size, bring))
        self._size += size
        while self._size > self._most_bytes:
            self._size -= self._entries.popleft().size

    async def bring(self) -> None:
        """Bring all that is kept now, and keep it no longer.

        Raises
        ------
        UnavailableError
            The other way is not there. What was not brought is kept.
        Exception
            What one message raised at which bringing fails otherwise. The others were brought; this one is kept, until
            it has failed too often.
        """
        failure: Exception | None = None
        for entry in list(self._entries):
            try:
                await entry.bring()
            except Exception as error:
                if is_passing(error):
                    raise
                entry.failures += 1
                if not isinstance(error, EasError) and entry.failures < MOST_FAILURES:
                    failure = error
                    continue
                logger.error("what was published lately is refused: %s", describe_error(error))
            if entry in self._entries:
                self._entries.remove(entry)
                self._size -= entry.size
        if failure is not None:
            raise failure
