"""Loops that run as long as the scheduler does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

_PAUSE_AFTER_ERROR_S = 1.0


async def keep_running(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    """Run a loop for ever; an error is logged and the loop begins again."""
    while True:
        try:
            await loop()
        except asyncio.CancelledError:
            raise
        except Exception:
            logger.exception("%s stopped with an error and begins again", name)
            await asyncio.sleep(_PAUSE_AFTER_ERROR_S)
