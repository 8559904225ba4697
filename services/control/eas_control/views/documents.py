"""JSON on standard output: one document and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel

if TYPE_CHECKING:
    from eas.contracts.errors import EasError

_OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def print_json(found: BaseModel | Sequence[BaseModel] | dict[str, Any] | list[dict[str, Any]]) -> None:
    """Print models, or what is JSON already."""
    if isinstance(found, BaseModel):
        document: Any = found.model_dump(mode="json")
    elif isinstance(found, dict):
        document = found
    else:
        document = [item.model_dump(mode="json") if isinstance(item, BaseModel) else item for item in found]
    sys.stdout.buffer.write(orjson.dumps(document, option=_OPTIONS))
    sys.stdout.buffer.flush()


def print_json_error(error: EasError, exit_status: int) -> None:
    """Print an error in place of what was asked for."""
    body = {
        "slug": error.slug,
        "message": error.message,
        "where": error.where,
        "problems": [problem.model_dump(mode="json") for problem in error.problems],
        "exit_status": exit_status,
    }
    print_json({"error": body})
