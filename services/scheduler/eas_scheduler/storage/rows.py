"""What the stores have in common: long lists in parts, and the refusal to be stale."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

#: How many rows or keys one statement names. Below every engine's limit of bound values.
CHUNK = 1000


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut what may be long into lists of at most `size`."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


class StaleRowError(RuntimeError):
    """A compare-and-swap met rows in another state than its transaction had seen. The transaction is rolled back."""

    @classmethod
    def check(cls, changed: int, expected: int, what: str) -> None:
        """Raise unless as many rows were changed as the caller named."""
        if changed != expected:
            raise cls(f"{expected} {what} rows were to change state, {changed} did")

    @classmethod
    def expecting(cls, expected: int, what: str) -> Callable[[int], None]:
        """Make a check of how many rows were changed, for when that is known."""
        return lambda changed: cls.check(changed, expected, what)
