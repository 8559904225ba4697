"""What is in a database: its tables as they are there, whatever revision and engine, and how many rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Float,
    Inspector,
    Integer,
    Numeric,
    String,
    TableClause,
    Text,
    column,
    func,
    inspect,
    select,
    table,
)
from sqlalchemy.types import TypeEngine

from eas.database.description import DatabaseDescription
from eas.database.errors import DatabaseNotEmptyError, DatabaseStateError, ForeignDatabaseError
from eas.database.references import unchecked_references

REVISION_TABLE = "alembic_version"
#: There as long as a restore is at work, where that cannot be undone as a whole.
RESTORE_MARKER = "eas_restore"
#: There from a restore until the service has compared its next ids with those of the other services.
RESTORED_MARKER = "eas_restored"
#: Tables that are no service's own.
_APART = frozenset({REVISION_TABLE, RESTORE_MARKER, RESTORED_MARKER})


class ColumnKind(StrEnum):
    """What a column's values are, on every engine. Times are whole numbers, and JSON is text."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    FLOAT = "float"
    TEXT = "text"


_TYPES: dict[ColumnKind, TypeEngine[Any]] = {
    ColumnKind.BOOLEAN: Boolean(),
    ColumnKind.INTEGER: BigInteger(),
    ColumnKind.FLOAT: Float(),
    ColumnKind.TEXT: Text(),
}


@dataclass(frozen=True)
class NeutralTable:
    """A table as every engine has it.

    Parameters
    ----------
    name
        Of the table.
    columns
        Names and kinds.
    key
        The columns of its primary key.
    """

    name: str
    columns: tuple[tuple[str, ColumnKind], ...]
    key: tuple[str, ...] = ()

    @property
    def clause(self) -> TableClause:
        """The table for statements."""
        return table(self.name, *(column(name, _TYPES[kind]) for name, kind in self.columns))

    @property
    def numbered_column(self) -> str | None:
        """The one whole number that is its key, which the engine may hand out; None if there is no such thing."""
        kinds = dict(self.columns)
        return self.key[0] if len(self.key) == 1 and kinds[self.key[0]] is ColumnKind.INTEGER else None


def list_virtual_tables(connection: Connection) -> list[str]:
    """List SQLite's virtual tables; those that it keeps them in have names that begin alike."""
    if connection.dialect.name != "sqlite":
        return []
    statement = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%'"
    return [row.name for row in connection.exec_driver_sql(statement)]


def list_tables(connection: Connection, description: DatabaseDescription) -> list[str]:
    """List the tables whose rows are the service's own knowledge, in the order of their names."""
    apart = (*description.derived, *list_virtual_tables(connection))
    names = inspect(connection).get_table_names()
    return sorted(name for name in names if name not in _APART and not name.startswith(apart))


def describe_table(inspector: Inspector, name: str) -> NeutralTable:
    """Say what a table has, as every engine would.

    Raises
    ------
    DatabaseStateError
        It has columns of a kind that EAS does not use.
    """
    columns = tuple(
        (found["name"], _find_kind(name, found["name"], found["type"])) for found in inspector.get_columns(name)
    )
    return NeutralTable(name, columns, tuple(inspector.get_pk_constraint(name)["constrained_columns"]))


def _find_kind(table_name: str, name: str, found: TypeEngine[Any]) -> ColumnKind:
    # MySQL and MariaDB have no booleans but a number of one digit.
    if isinstance(found, Boolean) or (found.__visit_name__ == "TINYINT" and getattr(found, "display_width", 0) == 1):
        return ColumnKind.BOOLEAN
    if isinstance(found, Integer):
        return ColumnKind.INTEGER
    if isinstance(found, Float | Numeric):
        return ColumnKind.FLOAT
    if isinstance(found, String):
        return ColumnKind.TEXT
    raise DatabaseStateError(f"column {table_name}.{name} has the type {found!r}, which EAS does not use")


def refuse_foreign_tables(connection: Connection, description: DatabaseDescription, place: str) -> None:
    """Raise `ForeignDatabaseError` where there are tables that the service does not have."""
    if strange := set(list_tables(connection, description)) - set(description.metadata.tables):
        raise ForeignDatabaseError(place, description.service, ", ".join(sorted(strange)))


def refuse_other_service(connection: Connection, description: DatabaseDescription, place: str) -> None:
    """Raise `ForeignDatabaseError` where all tables are another service's: its revisions have the same numbers."""
    there = list_tables(connection, description)
    if there and not set(there) & set(description.metadata.tables):
        raise ForeignDatabaseError(place, description.service, ", ".join(sorted(there)))


def refuse_contents(connection: Connection, description: DatabaseDescription, place: str) -> None:
    """Raise `DatabaseNotEmptyError` where there are rows."""
    counts = count_rows(connection, list_tables(connection, description))
    if not any(counts.values()):
        return
    counted = [f"{counts.get(name, 0)} {word}" for word, name in description.counted.items()]
    others = [name for name, count in counts.items() if count and name not in description.counted.values()]
    if others:
        counted.append(f"rows in {', '.join(others)}")
    raise DatabaseNotEmptyError(place, ", ".join(counted))


def count_rows(connection: Connection, names: list[str]) -> dict[str, int]:
    """Count the rows of tables."""
    return {name: connection.execute(select(func.count()).select_from(table(name))).scalar_one() for name in names}


def count_things(connection: Connection, description: DatabaseDescription) -> dict[str, int]:
    """Count what people count: jobs, versions, records."""
    there = set(inspect(connection).get_table_names())
    found = {word: name for word, name in description.counted.items() if name in there}
    counts = count_rows(connection, list(found.values()))
    return {word: counts[name] for word, name in found.items()}


def drop_tables(connection: Connection) -> None:
    """Remove all that there is but the marker of a restore."""
    quote = connection.dialect.identifier_preparer.quote
    inspector = inspect(connection)
    for name in inspector.get_view_names():
        connection.exec_driver_sql(f"DROP VIEW {quote(name)}")
    virtual = list_virtual_tables(connection)
    for name in virtual:
        connection.exec_driver_sql(f"DROP TABLE {quote(name)}")
    names = [name for name in inspector.get_table_names() if name != RESTORE_MARKER]
    if virtual:
        names = [name for name in names if not name.startswith(tuple(virtual))]
    if names and connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"DROP TABLE {', '.join(map(quote, names))} CASCADE")
        return
    with unchecked_references(connection):
        for name in names:
            connection.exec_driver_sql(f"DROP TABLE {quote(name)}")
