"""What is wrong with a job document, gathered with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from eas.contracts.errors import Problem
from eas.contracts.values import shorten_middle

MAX_PROBLEMS = 100

#: A place is written out up to so many characters; of a longer one the middle is left out.
MAX_PLACE = 400

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def json_path(pointer: tuple[str | int, ...]) -> str:
    """Write a place in the document as a JSON path, such as ``$.task_list[0].inputs.lightcurve``."""
    path = "$"
    for part in pointer:
        if isinstance(part, int):
            path += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            path += f".{part}"
        else:
            path += f"['{part}']"
    return path


@dataclass
class ProblemList:
    """Gathers what is wrong; the same fault at the same place is listed once, however many iterations show it."""

    problems: list[Problem] = field(default_factory=list)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def add(self, slug: str, pointer: tuple[str | int, ...], message: str) -> None:
        """Note one problem."""
        where = json_path(pointer)
        if (slug, where) in self._seen or len(self.problems) >= MAX_PROBLEMS:
            return
        self._seen.add((slug, where))
        self.problems.append(Problem(slug=slug, message=message, where=shorten_middle(where, MAX_PLACE)))

    def touches(self, pointer: tuple[str | int, ...]) -> bool:
        """Tell whether anything at or below this place is wrong."""
        where = json_path(pointer)
        return any(path == where or path.startswith((f"{where}.", f"{where}[")) for _, path in self._seen)
