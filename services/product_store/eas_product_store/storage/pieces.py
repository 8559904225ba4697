"""Long lists, cut to what one statement can take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

#: Most values in one IN list.
CHUNK = 500

T = TypeVar("T")


def cut(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut a list into pieces that fit an IN list."""
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
