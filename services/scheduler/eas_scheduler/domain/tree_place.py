"""Which part of a task tree a reader wants."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TreePlace:
    """A page of a tree.

    Parameters
    ----------
    root
        Begin at this task; None for the job's own root.
    max_depth
        Levels below it.
    after
        `next_after` of the page before; None for the first.
    limit
        The most lines.
    """

    root: int | None
    max_depth: int
    after: str | None
    limit: int
