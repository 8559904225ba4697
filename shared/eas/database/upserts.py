"""Insertions of rows that may be there already, on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Table
from sqlalchemy.dialects import mysql, postgresql, sqlite

#: The new value of each column that changes, from the columns of the row that is there and of the one that comes.
Change = Callable[[Any, Any], Mapping[str, Any]]

#: How many rows one statement of SQLite adds, and how many values it takes at most.
_ROWS_AT_ONCE = 200
_MOST_VALUES = 32_000


def insert_if_absent(dialect: Dialect, table: Table, keys: Sequence[str]) -> Insert:
    """Make an insertion that changes nothing where a row with these keys is there.

    Its row count is that of new rows, with SQLAlchemy's execution option ``preserve_rowcount``.

    All values must be such as the columns can hold: MySQL and MariaDB would cut others rather than refuse them.
    """
    match dialect.name:
        case "sqlite":
            return sqlite.insert(table).on_conflict_do_nothing(index_elements=keys)
        case "postgresql":
            return postgresql.insert(table).on_conflict_do_nothing(index_elements=keys)
        case _:
            return mysql.insert(table).prefix_with("IGNORE")


def insert_or_update(dialect: Dialect, table: Table, keys: Sequence[str], change: Change) -> Insert:
    """Make an insertion that changes the row with these keys where it is there. Its row count means nothing.

    It is for one row at a time (SQLAlchemy's list of rows): PostgreSQL refuses to change a row twice in one statement.
    What `change` makes has no bound values but literal columns: PyMySQL makes one statement of many rows, and fills
    none in there.
    """
    match dialect.name:
        case "sqlite":
            lite = sqlite.insert(table)
            return lite.on_conflict_do_update(index_elements=keys, set_=dict(change(table.c, lite.excluded)))
        case "postgresql":
            postgres = postgresql.insert(table)
            return postgres.on_conflict_do_update(index_elements=keys, set_=dict(change(table.c, postgres.excluded)))
        case _:
            my = mysql.insert(table)
            return my.on_duplicate_key_update(dict(change(table.c, my.inserted)))


class BulkInsertion:
    """The insertion of many rows, those left out that are there, with the driver's own values.

    SQLAlchemy's handling of parameters would take longer than the insertion. The driver of SQLite fights for the
    interpreter lock at every row of an executemany, so many rows go to a statement; PostgreSQL takes columns as arrays,
    and the driver of MySQL and MariaDB makes statements of many rows itself, none larger than 1 MB.

    Parameters
    ----------
    table
        Where they go.
    names
        The columns, in the order in which rows have their values.
    keys
        Columns that are unique together. None: no row may be there, and it is an error if one is.
    """

    def __init__(self, table: Table, names: Sequence[str], keys: Sequence[str] | None = None) -> None:
        self._table = table
        self._names = list(names)
        self._keys = keys
        self._statements: dict[str, str] = {}

    def add(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> int:
        """Add rows. Returns how many were new."""
        if not rows:
            return 0
        kind = connection.dialect.name
        statement = self._statements.get(kind)
        if statement is None:
            statement = self._statements[kind] = self._write(connection.dialect)
        match kind:
            case "sqlite":
                return self._add_some_at_once(connection, statement, rows)
            case "postgresql":
                columns = tuple(_write_array(column) for column in zip(*rows, strict=True))
                return connection.exec_driver_sql(statement, columns).rowcount
            case _:
                return connection.exec_driver_sql(statement, [tuple(row) for row in rows]).rowcount

    def _write(self, dialect: Dialect) -> str:
        if dialect.name == "postgresql":
            types = [self._table.c[name].type.compile(dialect) for name in self._names]
            # A tsvector's own quotation marks would have to be written twice in an array of them.
            arrays = [f"%s::{'TEXT' if kind == 'TSVECTOR' else kind}[]" for kind in types]
            values = [f"v{number}::{kind}" for number, kind in enumerate(types)]
            names = ", ".join(f"v{number}" for number in range(len(types)))
            statement = (
                f"INSERT INTO {self._table.name} ({', '.join(self._names)}) "  # noqa: S608 - names of our tables
                f"SELECT {', '.join(values)} FROM unnest({', '.join(arrays)}) AS given ({names})"
            )
            return statement if self._keys is None else f"{statement} ON CONFLICT ({', '.join(self._keys)}) DO NOTHING"
        insertion = self._table.insert() if self._keys is None else insert_if_absent(dialect, self._table, self._keys)
        # Positions for every driver: SQLAlchemy's name for PyMySQL's style is another one.
        make_dialect: Any = type(dialect)
        by_position = make_dialect(paramstyle="qmark" if dialect.name == "sqlite" else "format")
        return str(insertion.compile(dialect=by_position, column_keys=self._names))

    def _add_some_at_once(self, connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> int:
        added = 0
        step = min(_ROWS_AT_ONCE, _MOST_VALUES // len(self._names))
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            values = tuple(chain.from_iterable(some))
            added += connection.exec_driver_sql(_repeat_values(statement, len(some)), values).rowcount
        return added


def _write_array(values: Iterable[Any]) -> str:
    """Write an array as PostgreSQL reads it: the driver would take five times as long."""
    return f"{{{','.join(map(_write_element, values))}}}"


def _write_element(value: Any) -> str:
    if isinstance(value, str):
        if "\\" in value or '"' in value:
            value = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{value}"'
    return "NULL" if value is None else str(value)


@cache
def _repeat_values(statement: str, times: int) -> str:
    """Let an insertion of one row insert many."""
    start, _, rest = statement.partition(" VALUES ")
    values, _, end = rest.partition(")")
    return f"{start} VALUES {', '.join([values + ')'] * times)}{end}"
