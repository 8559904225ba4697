"""One value of a column of JSON objects, in conditions that mean the same on every engine.

The column holds what `eas.database.types.Json` writes. The kinds are SQLite's words for them: ``null``, ``true``,
``false``, ``integer``, ``real``, ``text``, ``object`` and ``array``. MariaDB does not look into what is nested deeper
than 31 levels, and MySQL not into what is deeper than 100, or has more than 32,768 characters and 100 brackets: such
documents have no values there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, ColumnElement, Numeric, Text, TypeDecorator, and_, bindparam, literal, or_, type_coerce
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine

Comparison = Callable[[Any, Any], Any]


class _OfJson(FunctionElement[Any]):
    """Something about the value at a path: of the column, the path as SQLite and MariaDB write it, and its keys."""

    inherit_cache = True

    def __init__(self, column: Column[Any], keys: Sequence[str]) -> None:
        path = "$" + "".join(f'."{key}"' for key in keys)
        texts = [bindparam(None, text, type_=Text()) for text in (path, *keys)]
        super().__init__(type_coerce(column, Text()), *texts)


class JsonKind(_OfJson):
    """The kind of the value at a path; NULL where there is none, or the column is NULL.

    Parameters
    ----------
    column
        Of JSON objects.
    keys
        From the outermost object to the value. They have no quotation marks.
    """

    type = Text()
    name = "json_kind"
    inherit_cache = True


class _JsonText(_OfJson):
    type = Text()
    name = "json_text"
    inherit_cache = True


class _JsonInteger(_OfJson):
    type = Numeric()
    name = "json_integer"
    inherit_cache = True


class _JsonReal(_OfJson):
    type = Numeric()
    name = "json_real"
    inherit_cache = True


class _Number(TypeDecorator[float]):
    """A number to compare with: for PostgreSQL in digits, since it compares those of the document."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Let other drivers have what Python has."""
        return Numeric() if dialect.name == "postgresql" else NullType()

    def process_bind_param(self, value: float | None, dialect: Dialect) -> Any:
        """Take the fewest digits that mean this number, as in JSON."""
        return Decimal(repr(value)) if dialect.name == "postgresql" else value


def compare_json(
    column: Column[Any], keys: Sequence[str], compare: Comparison, wanted: str | float | bool | None
) -> ColumnElement[bool]:
    """Make the condition that the value at a path compares so with a value of its kind.

    Numbers compare as numbers, texts by their code points. A value of another kind, or none, never matches, whatever
    the comparison.

    Parameters
    ----------
    column
        Of JSON objects.
    keys
        From the outermost object to the value. They have no quotation marks.
    compare
        Such as `operator.lt`; of truth values and null only `operator.eq` and `operator.ne`.
    wanted
        What is to the right of it.
    """
    kind = JsonKind(column, keys)
    match wanted:
        case None:
            return and_(kind == "null", compare(literal(0), literal(0)))
        case bool():
            return and_(kind.in_(("true", "false")), compare(kind, "true" if wanted else "false"))
        case str():
            return and_(kind == "text", compare(_JsonText(column, keys), bindparam(None, wanted, type_=Text())))
        case _:
            number = bindparam(None, wanted, type_=_Number())
            return or_(
                and_(kind == "integer", compare(_JsonInteger(column, keys), number)),
                and_(kind == "real", compare(_JsonReal(column, keys), number)),
            )


@compiles(JsonKind, "sqlite")
def _compile_sqlite_kind(element: JsonKind, compiler: SQLCompiler, **options: Any) -> str:
    column, path, *_ = element.clauses
    return f"json_type({compiler.process(column, **options)}, {compiler.process(path, **options)})"


@compiles(_JsonText, "sqlite")
@compiles(_JsonInteger, "sqlite")
@compiles(_JsonReal, "sqlite")
def _compile_sqlite_value(element: _OfJson, compiler: SQLCompiler, **options: Any) -> str:
    column, path, *_ = element.clauses
    return f"json_extract({compiler.process(column, **options)}, {compiler.process(path, **options)})"


def _node(element: _OfJson, compiler: SQLCompiler, options: dict[str, Any]) -> str:
    """Step from object to object, in PostgreSQL's type that keeps the text as it is.

    Even so it refuses to look into a document with the escape of NUL, which no text of its own can hold: it is read as
    U+FFFD, as in texts that are stored. A backslash before it that is escaped itself makes it no escape.
    """
    column, _, *keys = (compiler.process(clause, **options) for clause in element.clauses)
    safe = (
        f"CASE WHEN strpos({column}, '{_NUL}') = 0 THEN {column} "
        f"ELSE regexp_replace({column}, '{_NUL_ESCAPE}', '{_REPLACED}', 'g') END"
    )
    return f"(CAST({safe} AS json){''.join(f' -> CAST({key} AS text)' for key in keys)})"


_NUL = r"\u0000"
_NUL_ESCAPE = r"(?<!\\)((?:\\\\)*)\\u0000"
_REPLACED = r"\1\\ufffd"


@compiles(JsonKind, "postgresql")
def _compile_postgresql_kind(element: JsonKind, compiler: SQLCompiler, **options: Any) -> str:
    node = _node(element, compiler, options)
    return (
        f"CASE json_typeof({node}) WHEN 'string' THEN 'text' WHEN 'boolean' THEN CAST({node} AS text) "
        f"WHEN 'number' THEN CASE WHEN CAST({node} AS text) ~ '[.eE]' THEN 'real' ELSE 'integer' END "
        f"ELSE json_typeof({node}) END"
    )


@compiles(_JsonText, "postgresql")
def _compile_postgresql_text(element: _JsonText, compiler: SQLCompiler, **options: Any) -> str:
    node = _node(element, compiler, options)
    return f"(CASE WHEN json_typeof({node}) = 'string' THEN {node} #>> '{{}}' END COLLATE \"C\")"


@compiles(_JsonInteger, "postgresql")
@compiles(_JsonReal, "postgresql")
def _compile_postgresql_number(element: _OfJson, compiler: SQLCompiler, **options: Any) -> str:
    node = _node(element, compiler, options)
    return f"(CASE WHEN json_typeof({node}) = 'number' THEN CAST({node} #>> '{{}}' AS numeric) END)"


@compiles(JsonKind, "mysql")
def _compile_mysql_kind(element: JsonKind, compiler: SQLCompiler, **options: Any) -> str:
    found = _extract("JSON_EXTRACT", element, compiler, options)
    return (
        f"CASE JSON_TYPE({found}) WHEN 'STRING' THEN 'text' WHEN 'BOOLEAN' THEN CAST({found} AS CHAR) "
        f"WHEN 'NULL' THEN 'null' WHEN 'OBJECT' THEN 'object' WHEN 'ARRAY' THEN 'array' "
        # It takes 1e300 for an integer.
        f"ELSE CASE WHEN CAST({found} AS CHAR) REGEXP '[.eE]' THEN 'real' "
        f"WHEN {found} IS NOT NULL THEN 'integer' END END"
    )


@compiles(_JsonText, "mysql")
def _compile_mysql_text(element: _JsonText, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({_extract('JSON_VALUE', element, compiler, options)} AS BINARY)"


@compiles(_JsonInteger, "mysql")
def _compile_mysql_integer(element: _JsonInteger, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({_extract('JSON_VALUE', element, compiler, options)} AS DECIMAL(65, 0))"


@compiles(_JsonReal, "mysql")
def _compile_mysql_real(element: _JsonReal, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({_extract('JSON_VALUE', element, compiler, options)} AS DOUBLE)"


def _extract(function: str, element: _OfJson, compiler: SQLCompiler, options: dict[str, Any]) -> str:
    column, path = (compiler.process(clause, **options) for clause in list(element.clauses)[:2])
    if not compiler.dialect.is_mariadb:  # type: ignore[attr-defined]
        column = f"CASE WHEN {_write_is_shallow(column)} THEN {column} END"
    return f"{function}({column}, {path})"


def _write_is_shallow(column: str) -> str:
    """Write the condition that MySQL can look into a document: one that it cannot would fail the whole query.

    Few brackets cannot be deep. Of many, all else is taken away, then innermost pairs, level by level. Its regular
    expressions give up where texts are long.
    """
    brackets = f"CHAR_LENGTH({column}) - CHAR_LENGTH(REPLACE(REPLACE({column}, '[', ''), '{{', ''))"
    alone = f"REGEXP_REPLACE({column}, '{_NO_BRACKETS}', '')"
    pairs = f"REPLACE(REPLACE({alone}, '{{', '['), '}}', ']')"
    peeled = (
        f"WITH RECURSIVE peeled (level, pairs) AS (SELECT 0, {pairs} UNION ALL "  # noqa: S608 - compiled before
        f"SELECT level + 1, REPLACE(pairs, '[]', '') FROM peeled WHERE level < {_MYSQL_LEVELS} AND pairs <> '')"
    )
    return (
        f"CASE WHEN {brackets} <= {_MYSQL_LEVELS} THEN TRUE WHEN CHAR_LENGTH({column}) <= {_MYSQL_LENGTH} "  # noqa: S608
        f"THEN ({peeled} SELECT MIN(CHAR_LENGTH(pairs)) = 0 FROM peeled) ELSE FALSE END"
    )


_MYSQL_LEVELS = 100
_MYSQL_LENGTH = 32_768
#: Texts, and what else is no bracket, as MySQL reads its literals.
_NO_BRACKETS = r""""(?:[^"\\\\]++|\\\\.)*+"|[^\\[\\]{}"]++"""
