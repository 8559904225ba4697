"""The mark of a database that was restored, and whose next ids were not compared with other services' since.

The mark is a table, so that every revision and every engine can have it. A restore makes it; the service removes it
when it has raised its next ids.
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect

from eas.database.contents import RESTORED_MARKER
from eas.database.engines import open_engine


def mark_restored(connection: Connection) -> None:
    """Mark the database. On MySQL and MariaDB this commits."""
    connection.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS {RESTORED_MARKER} (id INTEGER PRIMARY KEY)")


def is_marked_restored(url: str) -> bool:
    """Tell whether the database is marked."""
    engine = open_engine(url, writer=False)
    try:
        with engine.connect() as connection:
            return inspect(connection).has_table(RESTORED_MARKER)
    finally:
        engine.dispose()


def remove_restored_mark(url: str) -> None:
    """Remove the mark, if there is one."""
    engine = open_engine(url, writer=True, changes_tables=True)
    try:
        with engine.connect() as connection, connection.begin():
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {RESTORED_MARKER}")
    finally:
        engine.dispose()
