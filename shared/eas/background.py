"""Tasks that run beside the serving of requests, and their end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from eas.contracts.errors import UnavailableError

logger = logging.getLogger(__name__)

_PAUSE_AFTER_ERROR_S = 1.0
_ASK_AGAIN_S = 0.2


async def keep_running(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    """Run a loop for ever; an error is logged and the loop begins again. What is away for now is no error."""
    while True:
        try:
            await loop()
        except asyncio.CancelledError:
            raise
        except UnavailableError as error:
            logger.warning("%s waits: %s", name, error)
            await asyncio.sleep(_PAUSE_AFTER_ERROR_S)
        except Exception:
            logger.exception("%s stopped with an error and begins again", name)
            await asyncio.sleep(_PAUSE_AFTER_ERROR_S)


async def attempt_step(name: str, step: Callable[[], Awaitable[object]]) -> None:
    """Do one of several steps of a loop; an error is logged, so that the steps behind it are done all the same."""
    try:
        await step()
    except UnavailableError as error:
        logger.warning("%s: not now: %s", name, error)
    except Exception:
        logger.exception("%s: this step failed; the others are done", name)


async def cancel_and_wait(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended.

    A cancellation can be lost: a connection that is refused in the same moment swallows it. So it is asked for again
    until it is heard.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_ASK_AGAIN_S)
