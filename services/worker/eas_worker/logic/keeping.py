"""The worker's loops, each of which goes on whatever is raised in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from eas.contracts.errors import InvalidInputError

logger = logging.getLogger(__name__)

_PAUSE_S = 1.0


async def keep_going(name: str, loop: Callable[[], Awaitable[None]], *, pause: float = _PAUSE_S) -> None:
    """Run a loop; after an unexpected error it begins again, so that other loops and the tasks go on.

    Raises
    ------
    InvalidInputError
        The scheduler refuses this worker.
    """
    while True:
        try:
            await loop()
            return
        except InvalidInputError:
            raise
        except Exception:
            logger.exception("the worker's loop %r stopped with an error and begins again", name)
        await asyncio.sleep(pause)
