"""Conditions of a search as SQL."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, assert_never

from sqlalchemy import Column, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from eas.database.globs import match_glob
from eas.database.json_values import JsonKind, compare_json
from eas_product_store.domain.conditions import MetadataCondition

_WILD = frozenset("*?[")
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def match_filename(column: Column[Any], glob: str) -> ColumnElement[bool]:
    """Match a whole filename; a pattern without wild cards is looked up as a name."""
    if not _WILD.intersection(glob):
        return column == glob
    return match_glob(column, glob)


class without_index(FunctionElement[Any]):  # noqa: N801 - it is used as a function
    """A column that SQLite is not to look up in an index; servers know from their statistics when not to."""

    name = "without_index"
    inherit_cache = True

    def __init__(self, column: Column[Any]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(without_index)
def _compile_column(element: without_index, compiler: Any, **options: Any) -> str:
    (column,) = element.clauses
    return str(compiler.process(column, **options))


@compiles(without_index, "sqlite")
def _compile_with_plus(element: without_index, compiler: Any, **options: Any) -> str:
    return f"+{_compile_column(element, compiler, **options)}"


def match_metadata(column: Column[Any], condition: MetadataCondition) -> ColumnElement[bool]:
    """Compare one value of a column of JSON objects; a value of another type never matches."""
    keys, wanted = condition.path, condition.value
    match condition.operator:
        case "exists":
            return JsonKind(column, keys).is_not(None)
        case "missing":
            return JsonKind(column, keys).is_(None)
        case "=":
            return compare_json(column, keys, operator.eq, wanted)
        case "!=":
            return JsonKind(column, keys).is_not(None) & ~compare_json(column, keys, operator.eq, wanted)
        case "<" | "<=" | ">" | ">=":
            return compare_json(column, keys, _COMPARISONS[condition.operator], wanted)
        case _:
            assert_never(condition.operator)
