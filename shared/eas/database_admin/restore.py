"""Reads a dump into a database of any kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, table

from eas.database.contents import (
    RESTORE_MARKER,
    NeutralTable,
    describe_table,
    drop_tables,
    list_tables,
    refuse_contents,
    refuse_foreign_tables,
)
from eas.database.description import DatabaseDescription
from eas.database.engines import open_engine, show_url
from eas.database.errors import DumpError, InterruptedRestoreError
from eas.database.migrations import has_interrupted_restore, list_revisions, migrate
from eas.database.next_keys import set_next_key
from eas.database.references import find_broken_references, unchecked_references
from eas.database.restored import mark_restored
from eas.database.servers import explained, read_largest_packet
from eas.database_admin.dump_file import DumpedRow, DumpedTable, DumpHeader, DumpReader, VerifiedDump, verify_dump
from eas.version import distribution_version

#: How much goes to the driver at once.
_MOST_ROWS = 500
_MOST_BYTES = 4 * 2**20


@dataclass(frozen=True)
class RestoreReport:
    """What was read."""

    header: DumpHeader
    revision: str
    rows: dict[str, int]


def examine_dump(path: Path, description: DatabaseDescription) -> VerifiedDump:
    """See that a file is a whole dump of this service's database that this EAS can restore.

    Raises
    ------
    DumpError
        It is not.
    """
    verified = verify_dump(path)
    header = verified.header
    if header.service != description.service:
        raise DumpError(f"{path} is a dump of the {header.service} service; expected {description.service}")
    known = list_revisions(description.migrations)
    own = distribution_version()
    if header.revision not in known or _parse_version(header.eas) > _parse_version(own):
        raise DumpError(
            f"{path} was made by EAS {header.eas} (revision {header.revision}), which is newer than this one: "
            f"EAS {own} (up to revision {known[0]})"
        )
    return verified


def restore_database(
    url: str, description: DatabaseDescription, path: Path, *, overwrite: bool = False, mark: bool = False
) -> RestoreReport:
    """Make a database what it was when it was dumped, with the tables of the newest revision.

    On SQLite and PostgreSQL it happens in one transaction. On MySQL and MariaDB, where tables change outside of
    transactions, the database is marked meanwhile, and nobody works with it before a restore has come to its end.

    Parameters
    ----------
    url
        Of the database, which is there.
    description
        What the service says of it.
    path
        The dump. It is read to its end before anything is changed.
    overwrite
        Replace what is there.
    mark
        Let the service compare its next ids with those of the other services before it gives any.

    Raises
    ------
    DumpError
        The file is not such a dump. Nothing was changed.
    DatabaseNotEmptyError, ForeignDatabaseError
        There is something else. Nothing was changed.
    InterruptedRestoreError
        An earlier restore was interrupted, and this one is not to overwrite.
    UnavailableError, DatabaseStateError
        What the database says.
    """
    verified = examine_dump(path, description)
    engine = open_engine(url, writer=True, changes_tables=True)
    place = show_url(url)
    try:
        with explained(url), engine.connect() as connection, connection.begin():
            refuse_foreign_tables(connection, description, place)
            if not overwrite:
                if has_interrupted_restore(connection):
                    raise InterruptedRestoreError(place)
                refuse_contents(connection, description, place)
            _refuse_long_rows(connection, path, verified.largest_row)
            with _marked(connection):
                drop_tables(connection)
                migrate(connection, description.migrations, verified.header.revision)
                loaded = _load(connection, description, path)
                _continue_keys(connection, description, loaded)
                _, revision = migrate(connection, description.migrations)
                _continue_keys(connection, description, loaded)  # some migrations make tables anew
                _refuse_broken_references(connection, description, path)
                if mark:
                    mark_restored(connection)
        return RestoreReport(verified.header, revision, verified.rows)
    finally:
        engine.dispose()


@contextmanager
def _marked(connection: Connection) -> Iterator[None]:
    """Mark the database as half restored, where a transaction does not take back all that was done."""
    if connection.dialect.name != "mysql":
        yield
        return
    connection.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS {RESTORE_MARKER} (begun INTEGER PRIMARY KEY)")
    connection.exec_driver_sql("SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',NO_AUTO_VALUE_ON_ZERO')")
    yield
    connection.exec_driver_sql("COMMIT")
    connection.exec_driver_sql(f"DROP TABLE {RESTORE_MARKER}")


def _load(connection: Connection, description: DatabaseDescription, path: Path) -> list[DumpedTable]:
    """Load all rows. Returns their tables."""
    inspector = inspect(connection)
    expected = {name: describe_table(inspector, name) for name in list_tables(connection, description)}
    reader = DumpReader(path)
    loaded: list[DumpedTable] = []
    batch = _Batch(connection)
    try:
        with unchecked_references(connection):
            for name in expected:  # what migrations have put there is in the dump as well
                connection.execute(table(name).delete())
            for item in reader.read():
                if isinstance(item, DumpedTable):
                    batch.insert()
                    _refuse_other_columns(path, item.table, expected.get(item.table.name))
                    batch.table = item.table
                    loaded.append(item)
                else:
                    batch.add(item)
            batch.insert()
    finally:
        reader.close()
    return loaded


class _Batch:
    """Rows on their way into a table."""

    def __init__(self, connection: Connection) -> None:
        self.table = NeutralTable("", ())
        self._connection = connection
        self._rows: list[dict[str, object]] = []
        self._size = 0

    def add(self, row: DumpedRow) -> None:
        """Add a row, and insert all when they are many."""
        names = (name for name, _ in self.table.columns)
        self._rows.append(dict(zip(names, row.values, strict=True)))
        self._size += row.size
        if len(self._rows) >= _MOST_ROWS or self._size >= _MOST_BYTES:
            self.insert()

    def insert(self) -> None:
        """Insert what there is."""
        if self._rows:
            self._connection.execute(insert(self.table.clause), self._rows)
        self._rows, self._size = [], 0


def _continue_keys(connection: Connection, description: DatabaseDescription, loaded: list[DumpedTable]) -> None:
    """Let keys go on beyond those of the dump."""
    there = list_tables(connection, description)
    for dumped in loaded:
        numbered = dumped.table.numbered_column
        if numbered is not None and dumped.table.name in there:
            set_next_key(connection, dumped.table.name, numbered, dumped.next_key)


def _refuse_other_columns(path: Path, found: NeutralTable, expected: NeutralTable | None) -> None:
    if expected is None or set(found.columns) != set(expected.columns):
        raise DumpError(f"{path}: table {found.name} is not as its revision has it")


def _refuse_long_rows(connection: Connection, path: Path, largest: int) -> None:
    """Refuse what the server would answer by hanging up."""
    most = read_largest_packet(connection)
    if most is not None and largest >= most:
        raise DumpError(
            f"{path} has a row of {largest} bytes, and the server's max_allowed_packet is {most}; nothing was changed"
        )


def _refuse_broken_references(connection: Connection, description: DatabaseDescription, path: Path) -> None:
    if broken := find_broken_references(connection, list_tables(connection, description)):
        raise DumpError(f"{path}: {'; '.join(broken)}")


def _parse_version(version: str) -> tuple[int, ...]:
    """Read the numbers that a version begins with."""
    beginning = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, beginning[0].split("."))) if beginning else ()
