"""Query parameters that an operation does not know are refused: an error in their name must not go unnoticed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

from eas.contracts.errors import Problem, UnknownParameterError

#: So many unknown parameters are named.
_MOST_NAMED = 20


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse what the operation of a request does not know. A dependency of every operation.

    Raises
    ------
    UnknownParameterError
        It names the unknown parameters, and those that there are.
    """
    if request.scope["query_string"]:
        check_parameters(request.scope["query_string"], find_parameters(request.scope["route"].dependant))


def check_parameters(query: bytes, known: Iterable[str]) -> None:
    """Refuse names that are not known. Raises `UnknownParameterError`."""
    names = sorted(set(known))
    given = dict.fromkeys(name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    unknown = [name for name in given if name not in names]
    if not unknown:
        return
    there_are = f"there are {', '.join(names)}" if names else "this operation has none"
    problems = [
        Problem(
            slug=UnknownParameterError.slug,
            message=f"there is no query parameter {name!r:.100}{_suggest(name, names)}; {there_are}",
            where=f"query.{name:.100}",
        )
        for name in unknown[:_MOST_NAMED]
    ]
    raise UnknownParameterError(problems[0].message, where=problems[0].where, problems=problems)


def find_parameters(dependant: Dependant) -> set[str]:
    """Find the names of all query parameters of an operation and of what it depends on, as OpenAPI documents them."""
    names: set[str] = set()
    for field in dependant.query_params:
        kind: Any = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= {found.alias or name for name, found in kind.model_fields.items()}
        else:
            names.add(field.alias)
    return names.union(*(find_parameters(needed) for needed in dependant.dependencies))


def _suggest(name: str, names: list[str]) -> str:
    close = get_close_matches(name, names, n=1)
    return f", did you mean {close[0]!r}" if close else ""
