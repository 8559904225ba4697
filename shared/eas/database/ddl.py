"""What engines must hear of tables so that these hold the same everywhere.

Of MySQL and MariaDB, plain TEXT ends at 64 kB, FLOAT is of single precision, names compare without case unless told,
and indexes are never partial. PostgreSQL's TEXT takes no length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Float, Index, Text, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable

_MYSQL_ONLY = "mysql_only"


def partial_index(name: str, columns: Sequence[str], where: str, mysql_columns: Sequence[str]) -> tuple[Index, Index]:
    """Make an index on the rows that meet a condition.

    Parameters
    ----------
    name
        Of the index. Where engines have no partial indexes, it is ``{name}_by_state``.
    columns
        What it is ordered by.
    where
        The condition; queries have it word for word, or the engines do not use the index.
    mysql_columns
        What an index on all rows must be ordered by to serve as well.
    """
    condition = text(where)
    return (
        Index(name, *columns, sqlite_where=condition, postgresql_where=condition),
        Index(f"{name}_by_state", *mysql_columns, info={_MYSQL_ONLY: True}),
    )


@compiles(Text, "mysql")
def _compile_text(_type: Text, _compiler: Any, **_options: Any) -> str:
    return "LONGTEXT"


@compiles(Text, "postgresql")
def _compile_text_without_length(_type: Text, _compiler: Any, **_options: Any) -> str:
    return "TEXT"


@compiles(Float, "mysql")
def _compile_float(_type: Float[Any], _compiler: Any, **_options: Any) -> str:
    return "DOUBLE"


@compiles(CreateTable, "mysql")
def _compile_table(element: CreateTable, compiler: Any, **options: Any) -> str:
    made: str = compiler.visit_create_table(element, **options)
    collation = "utf8mb4_nopad_bin" if compiler.dialect.is_mariadb else "utf8mb4_0900_bin"
    return f"{made.rstrip()} ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE {collation}"


def is_for(index: Index, dialect_name: str) -> bool:
    """Tell whether an engine has an index: partial ones are for those that know them."""
    if index.info.get(_MYSQL_ONLY):
        return dialect_name == "mysql"
    is_partial = index.dialect_options["postgresql"].get("where") is not None
    return not (is_partial and dialect_name == "mysql")
