"""Makes a service's database with its tables."""

from __future__ import annotations

from dataclasses import dataclass

from eas.database.contents import RESTORE_MARKER, drop_tables, refuse_contents, refuse_foreign_tables
from eas.database.description import DatabaseDescription
from eas.database.engines import open_engine, show_url
from eas.database.errors import DatabaseStateError, InterruptedRestoreError
from eas.database.migrations import has_interrupted_restore, migrate
from eas.database.servers import create_database, explained


@dataclass(frozen=True)
class CreationReport:
    """What was made.

    Parameters
    ----------
    made_database
        Whether the database was missing.
    revision
        Of its tables.
    """

    made_database: bool
    revision: str


def make_database(url: str, description: DatabaseDescription, *, overwrite: bool = False) -> CreationReport:
    """Make a database where it is missing, and empty tables of the newest revision.

    Tables that are there already and have no rows are made anew, too: an earlier try may have been interrupted.

    Parameters
    ----------
    url
        Of the database.
    description
        What the service says of it.
    overwrite
        Replace what is there.

    Raises
    ------
    DatabaseNotEmptyError, ForeignDatabaseError
        There is something. Nothing was changed.
    InterruptedRestoreError
        There is half of something, which is not to be overwritten.
    UnavailableError, DatabaseStateError
        What the database says.
    """
    made = create_database(url)
    engine = open_engine(url, writer=True, changes_tables=True)
    place = show_url(url)
    try:
        with explained(url), engine.connect() as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
                if encoding != "UTF8":
                    raise DatabaseStateError(f"{place} has the encoding {encoding}; expected UTF8")
            refuse_foreign_tables(connection, description, place)
            if not overwrite:
                if has_interrupted_restore(connection):
                    raise InterruptedRestoreError(place)
                refuse_contents(connection, description, place)
            drop_tables(connection)
            _, revision = migrate(connection, description.migrations)
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {RESTORE_MARKER}")
        return CreationReport(made, revision)
    finally:
        engine.dispose()
