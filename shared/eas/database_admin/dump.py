"""Writes all rows of a database to a file, as they are at one moment, while its service goes on."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, inspect, select

from eas.database.contents import NeutralTable, describe_table, list_tables
from eas.database.description import DatabaseDescription
from eas.database.engines import open_engine, show_url
from eas.database.errors import DatabaseMissingError, DumpError, InterruptedRestoreError
from eas.database.migrations import has_interrupted_restore, read_revision
from eas.database.next_keys import read_next_key
from eas.database.servers import explained, require_database
from eas.database_admin.dump_file import DumpHeader, DumpWriter
from eas.version import distribution_version

#: How many rows are held at once.
_ROWS = 100


@dataclass(frozen=True)
class DumpReport:
    """What was written."""

    path: Path
    revision: str
    rows: dict[str, int]
    size: int


def dump_database(url: str, description: DatabaseDescription, path: Path, *, overwrite: bool = False) -> DumpReport:
    """Write a database to a file, which is there when it is complete and not before.

    Parameters
    ----------
    url
        Of the database.
    description
        What the service says of it.
    path
        The file. Its folder is there.
    overwrite
        Replace an earlier file of this name.

    Raises
    ------
    DumpError
        The file is there, or cannot be written.
    DatabaseStateError
        There is nothing that could be dumped.
    UnavailableError
        The database does not answer.
    """
    _refuse_file(path, overwrite)
    require_database(url)
    engine = open_engine(url, writer=False)
    place = show_url(url)
    try:
        with explained(url), engine.connect() as connection, connection.begin():
            revision = read_revision(connection)
            if has_interrupted_restore(connection):
                raise InterruptedRestoreError(place)
            if revision is None:
                raise DatabaseMissingError(f"{place} has no tables of EAS; `eas db create` makes them")
            header = DumpHeader(
                eas=distribution_version(),
                service=description.service,
                revision=revision,
                engine=connection.dialect.name,
            )
            with _write_file(path, overwrite) as file:
                writer = DumpWriter(file, header)
                for name in list_tables(connection, description):
                    _write_table(connection, description, describe_table(inspect(connection), name), writer)
                writer.finish()
        return DumpReport(path, revision, writer.rows, path.stat().st_size)
    finally:
        engine.dispose()


def _write_table(
    connection: Connection, description: DatabaseDescription, found: NeutralTable, writer: DumpWriter
) -> None:
    numbered = found.numbered_column
    clause = found.clause
    statement = select(*clause.columns).order_by(*(clause.c[name] for name in found.key))
    for table_name, column_name, value in description.forgotten:
        if table_name == found.name:
            statement = statement.where(clause.c[column_name] != value)
    writer.begin_table(found, read_next_key(connection, found.name, numbered) if numbered else None)
    with connection.execution_options(yield_per=_ROWS).execute(statement) as result:
        for rows in result.partitions(_ROWS):
            writer.write_rows(rows)


def _refuse_file(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise DumpError(f"{path} is there already; --overwrite replaces it")


@contextmanager
def _write_file(path: Path, overwrite: bool) -> Iterator[IO[bytes]]:
    """Write to a file beside it, which is given its name at the end. What a killed dump has left is written over."""
    part = path.with_name(f"{path.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DumpError(f"{path}: another dump is writing it") from None
            file.truncate()
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                _refuse_file(path, overwrite)
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise DumpError(f"{path}: {error.strerror}") from error
