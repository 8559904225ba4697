"""References between rows: left unchecked while all rows are replaced, and looked through afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, and_, column, exists, func, inspect, not_, select, table

_CONSTRAINTS = """
SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND connamespace = current_schema()::regnamespace AND conparentid = 0 ORDER BY conrelid, conname
"""


@contextmanager
def unchecked_references(connection: Connection) -> Iterator[None]:
    """Let rows refer to rows that are not there yet, or no more.

    PostgreSQL checks all references at the end, and raises. On the others `find_broken_references` tells; on SQLite the
    connection must not check them in the first place.
    """
    match connection.dialect.name:
        case "postgresql":
            found = connection.exec_driver_sql(_CONSTRAINTS).all()
            for owner, name, _ in found:
                connection.exec_driver_sql(f"ALTER TABLE {owner} DROP CONSTRAINT {name}")
            yield
            for owner, name, definition in found:
                connection.exec_driver_sql(f"ALTER TABLE {owner} ADD CONSTRAINT {name} {definition}")
        case "mysql":
            connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 0")
            yield
            connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 1")
        case _:
            yield


def find_broken_references(connection: Connection, names: Sequence[str]) -> list[str]:
    """List, in words, from which tables how many rows refer to rows that are gone."""
    inspector = inspect(connection)
    broken = []
    for name in names:
        for found in inspector.get_foreign_keys(name):
            columns, target_columns = found["constrained_columns"], found["referred_columns"]
            source = table(name, *map(column, columns)).alias("source")
            target = table(found["referred_table"], *map(column, target_columns)).alias("target")
            pairs = zip(columns, target_columns, strict=True)
            matches = and_(*(source.c[own] == target.c[other] for own, other in pairs))
            is_whole = exists(select(1).select_from(target).where(matches).correlate(source))
            says = and_(*(source.c[own].is_not(None) for own in columns))
            statement = select(func.count()).select_from(source).where(says, not_(is_whole))
            if count := connection.execute(statement).scalar_one():
                broken.append(f"{count} rows of {name} ({', '.join(columns)}) refer to {found['referred_table']}")
    return broken
