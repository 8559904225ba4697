"""The keys that an engine hands out next. They go on after a restore: what was ever given out is not given twice."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Integer, column, func, inspect, select, table

from eas.database.contents import describe_table
from eas.database.engines import open_engine
from eas.database.servers import explained

_HAS_SEQUENCES = "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'"
_IS_NEVER_REUSED = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ? AND sql LIKE '%AUTOINCREMENT%'"
_AUTO_INCREMENT = (
    "SELECT auto_increment FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s"
)


def read_next_key(connection: Connection, name: str, key: str) -> int | None:
    """Read the next key of a table; None if the engine has none ready: then it is one more than the highest."""
    match connection.dialect.name:
        case "sqlite":
            if not connection.exec_driver_sql(_HAS_SEQUENCES).scalar_one():
                return None
            statement = "SELECT seq + 1 FROM sqlite_sequence WHERE name = ?"
            found = connection.exec_driver_sql(statement, (name,)).scalar_one_or_none()
        case "postgresql":
            sequence = _find_sequence(connection, name, key)
            if sequence is None:
                return None
            statement = f"SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END FROM {sequence}"  # noqa: S608
            found = connection.exec_driver_sql(statement).scalar_one()
        case _:
            found = connection.exec_driver_sql(_AUTO_INCREMENT, (name,)).scalar_one_or_none()
    return None if found is None else int(found)


def set_next_key(connection: Connection, name: str, key: str, at_least: int | None) -> None:
    """Let a table go on with keys beyond all that it has, and not below `at_least`. On MariaDB this commits."""
    following = max(at_least or 1, _find_highest(connection, name, key) + 1)
    match connection.dialect.name:
        case "sqlite":
            if connection.exec_driver_sql(_IS_NEVER_REUSED, (name,)).scalar_one():
                connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
                statement = "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)"
                connection.exec_driver_sql(statement, (name, following - 1))
        case "postgresql":
            if (sequence := _find_sequence(connection, name, key)) is not None:
                connection.exec_driver_sql("SELECT setval(%s::regclass, %s, false)", (sequence, following))
        case _:
            if read_next_key(connection, name, key) is not None:
                quoted = connection.dialect.identifier_preparer.quote(name)
                connection.exec_driver_sql(f"ALTER TABLE {quoted} AUTO_INCREMENT = {following}")


def raise_next_key(url: str, name: str, key: str, at_least: int) -> None:
    """Let a table of a running service go on with keys of at least `at_least`, on a connection of its own. Blocks.

    On SQLite it works for tables whose keys are never used again (``AUTOINCREMENT``) alone.
    """
    engine = open_engine(url, writer=True, changes_tables=True)
    try:
        with explained(url), engine.connect() as connection, connection.begin():
            following = read_next_key(connection, name, key) or 1
            set_next_key(connection, name, key, max(following, at_least))
    finally:
        engine.dispose()


def _find_highest(connection: Connection, name: str, key: str) -> int:
    statement = select(func.max(column(key, Integer))).select_from(table(name))
    return connection.execute(statement).scalar_one() or 0


def _find_sequence(connection: Connection, name: str, key: str) -> str | None:
    quoted = connection.dialect.identifier_preparer.quote(name)
    found: str | None = connection.exec_driver_sql("SELECT pg_get_serial_sequence(%s, %s)", (quoted, key)).scalar_one()
    return found


def find_used_keys(connection: Connection, names: Sequence[str]) -> list[str]:
    """List, in words, the tables whose next key is taken already."""
    inspector = inspect(connection)
    used = []
    for name in names:
        key = describe_table(inspector, name).numbered_column
        following = None if key is None else read_next_key(connection, name, key)
        if key is None or following is None:
            continue
        highest = _find_highest(connection, name, key)
        if following <= highest:
            used.append(f"{name} would give out {following}, and has {highest}")
    return used
