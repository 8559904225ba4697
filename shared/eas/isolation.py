"""Handling many things so that one of them which cannot be handled does not stop the others.

All are handled together first, because that is fast. Only if this fails are they handled in smaller and smaller parts.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from eas.contracts.errors import UnavailableError
from eas.contracts.texts import clean_text

Item = TypeVar("Item")

logger = logging.getLogger(__name__)

#: How much of an error is told to users.
_MOST_WORDS = 1000


def is_passing(error: BaseException) -> bool:
    """Tell whether an error comes from the surroundings: a service, a database or memory that is not there now.

    Such an error says nothing about what was being handled. The same thing is tried again later.
    """
    return isinstance(error, UnavailableError | ConnectionError | TimeoutError | MemoryError) or not isinstance(
        error, Exception
    )


def describe_error(error: BaseException) -> str:
    """Say in words of bounded length what an error is; the words are fit for any text column."""
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    words = clean_text(words).replace("\0", "\\x00")
    return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]}…"


async def handle_each(
    items: Sequence[Item],
    handle: Callable[[Sequence[Item]], Awaitable[object]],
    give_up: Callable[[Item, Exception], Awaitable[object]],
) -> None:
    """Handle items together; if that raises, handle them in halves, and give up the single item that still raises.

    Parameters
    ----------
    items
        What is to be handled, in order.
    handle
        Handles some of them, all or nothing. An item can be passed to it several times.
    give_up
        Ends an item that cannot be handled, so that a user sees why. If it raises as well, that is logged, and the
        others go on.

    Raises
    ------
    UnavailableError
        Something else is away. What was not handled yet stays as it was; `is_passing` says which other errors count.
    """
    if not items:
        return
    try:
        await handle(items)
        return
    except Exception as error:
        if is_passing(error):
            raise
        if len(items) == 1:
            await _give_up(items[0], error, give_up)
            return
        logger.warning("%d items cannot be handled together, so they are handled in halves: %s", len(items), error)
    middle = len(items) // 2
    await handle_each(items[:middle], handle, give_up)
    await handle_each(items[middle:], handle, give_up)


async def _give_up(item: Item, error: Exception, give_up: Callable[[Item, Exception], Awaitable[object]]) -> None:
    try:
        await give_up(item, error)
    except Exception as second:
        if is_passing(second):
            raise
        logger.exception("an item that cannot be handled (%s) cannot be given up either", describe_error(error))
