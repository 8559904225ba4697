"""Bring a service's tables up to date with Alembic, without an ini file."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Index, MetaData, Table, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import SchemaItem

from eas.contracts.errors import UnavailableError
from eas.database.contents import RESTORE_MARKER, RESTORED_MARKER, list_virtual_tables, refuse_other_service
from eas.database.ddl import is_for
from eas.database.description import DatabaseDescription
from eas.database.engines import explain_error, open_engine, show_url
from eas.database.errors import InterruptedRestoreError, NewerDatabaseError

logger = logging.getLogger(__name__)

#: How long to wait for a database server that does not answer yet [s].
_PATIENCE_SECONDS = 30


def _config(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder))
    return config


class BrokenReferencesError(RuntimeError):
    """A migration would leave rows that refer to rows that are gone. Nothing was changed."""


def list_revisions(folder: Path) -> list[str]:
    """List the revisions of the migrations in `folder`, newest first."""
    return [found.revision for found in ScriptDirectory.from_config(_config(folder)).walk_revisions()]


def read_revision(connection: Connection) -> str | None:
    """Read which revision the tables have; None where there are none."""
    return MigrationContext.configure(connection).get_current_revision()


def has_interrupted_restore(connection: Connection) -> bool:
    """Tell whether a restore into the database was begun and has not come to its end."""
    return inspect(connection).has_table(RESTORE_MARKER)


def migrate(connection: Connection, folder: Path, revision: str = "head") -> tuple[str | None, str]:
    """Apply migrations in the transaction of a connection. Returns from which revision to which.

    Raises
    ------
    NewerDatabaseError
        The tables are newer than the newest migration in `folder`.
    """
    known = list_revisions(folder)
    before = read_revision(connection)
    if before is not None and before not in known:
        raise NewerDatabaseError("the database", before, known[0])
    config = _config(folder)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    return before, str(read_revision(connection))


def upgrade_schema(
    url: str,
    folder: Path,
    revision: str = "head",
    *,
    owner: DatabaseDescription | None = None,
    patience: float = _PATIENCE_SECONDS,
) -> tuple[str | None, str]:
    """Apply all migrations in `folder` that the database at `url` has not seen, in one transaction.

    On SQLite references between rows are not enforced meanwhile but checked at the end: it changes some tables by
    copying and dropping them, and dropping a table whose rows others refer to would delete those, too. MySQL and
    MariaDB change tables outside of transactions: there a migration that is killed has to be repeated from a dump.

    Parameters
    ----------
    url
        Of the database.
    folder
        The service's ``storage/migrations``, with its ``env.py`` and ``versions``.
    revision
        How far to go.
    owner
        The service whose the database has to be.
    patience
        How long to wait for a server that does not answer yet [s].

    Returns
    -------
    tuple
        From which revision to which; the first is None where there were no tables.

    Raises
    ------
    BrokenReferencesError
        The migrations are at fault.
    ForeignDatabaseError
        The database is another service's.
    InterruptedRestoreError
        The database is half restored.
    NewerDatabaseError
        The database was made by a newer EAS.
    """
    engine = open_engine(url, writer=True, changes_tables=True)
    try:
        with _connect(engine, patience) as connection, connection.begin():
            if has_interrupted_restore(connection):
                raise InterruptedRestoreError(show_url(url))
            if owner is not None and read_revision(connection) is not None:
                refuse_other_service(connection, owner, show_url(url))
            change = migrate(connection, folder, revision)
            if engine.dialect.name == "sqlite":
                _check_references(connection)
        return change
    finally:
        engine.dispose()


def _connect(engine: Engine, patience: float) -> Connection:
    """Connect, waiting for a server that is about to start."""
    until = time.monotonic() + patience
    while True:
        try:
            return engine.connect()
        except DBAPIError as error:
            found = explain_error(error, engine.dialect)
            if not isinstance(found, UnavailableError):
                raise
            if time.monotonic() > until:
                raise found from error
            logger.warning("%s; trying again", found)
        time.sleep(1)


def _check_references(connection: Connection) -> None:
    if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(5):
        raise BrokenReferencesError(f"rows refer to rows that are gone: {broken}")


def find_drift(url: str, metadata: MetaData | Sequence[MetaData]) -> list[object]:
    """List what the tables at `url` lack, or have too much, compared with the row classes. Empty when all is well."""
    engine = open_engine(url, writer=False)
    kind = engine.dialect.name
    try:
        with engine.connect() as connection:
            virtual = list_virtual_tables(connection)

            def is_ours(found: SchemaItem, name: str | None, _kind: str, _reflected: bool, _other: object) -> bool:
                """Leave out full-text indexes, the tables SQLite keeps them in, marks, and other engines' indexes."""
                if isinstance(found, Table):
                    return name is None or not (name == RESTORED_MARKER or name.startswith(tuple(virtual)))
                return not isinstance(found, Index) or is_for(found, kind)

            context = MigrationContext.configure(connection, opts={"include_object": is_ours})
            expected: Any = metadata  # it takes many, and says one
            return list(compare_metadata(context, expected))
    finally:
        engine.dispose()
