"""Bring a service's tables up to date with Alembic, without an ini file."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, make_url

from shared.database.engine import create_sqlite_engine


def _config(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder))
    return config


class BrokenReferencesError(RuntimeError):
    """A migration would leave rows that refer to rows that are gone. Nothing was changed."""


def upgrade_schema(url: str, folder: Path, revision: str = "head") -> None:
    """Apply all migrations in `folder` that the database at `url` has not seen, in one transaction.

    References between rows are not enforced meanwhile but checked at the end: SQLite changes some tables by copying and
    dropping them, and dropping a table whose rows others refer to would delete those, too.

    Parameters
    ----------
    url
        Of the database.
    folder
        The service's ``storage/migrations``, with its ``env.py`` and ``versions``.
    revision
        How far to go.

    Raises
    ------
    BrokenReferencesError
        The migrations are at fault.
    """
    database = make_url(url).database
    if database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_sqlite_engine(url, writer=True, connections=1, foreign_keys=False)
    try:
        with engine.begin() as connection:
            config = _config(folder)
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(5):
                raise BrokenReferencesError(f"rows refer to rows that are gone: {broken}")
    finally:
        engine.dispose()


def find_drift(url: str, metadata: MetaData) -> list[object]:
    """List what the tables at `url` lack, or have too much, compared with the row classes. Empty when all is well."""
    engine = create_sqlite_engine(url, writer=False, connections=1)
    try:
        with engine.connect() as connection:
            virtual = [
                row.name
                for row in connection.exec_driver_sql(
                    "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%'"
                )
            ]

            def is_ours(name: str | None, kind: str, _parents: object) -> bool:
                """Leave out full-text indexes and the tables that SQLite keeps them in."""
                return not (kind == "table" and name is not None and name.startswith(tuple(virtual)))

            context = MigrationContext.configure(connection, opts={"include_name": is_ours})
            return list(compare_metadata(context, metadata))
    finally:
        engine.dispose()
