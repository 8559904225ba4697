"""Databases on servers: how they are named, made, and whether they are there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from eas.contracts.errors import EasError, UnavailableError
from eas.database.engines import explain_error, open_engine, parse_database_url, show_url
from eas.database.errors import DatabaseMissingError, DatabaseStateError

#: The database that every PostgreSQL server has.
_MAINTENANCE = "postgres"
_CONNECT_SECONDS = 5


def name_database(server: str, service: str) -> str:
    """Name a service's database on a server: that which is given, with the service's name behind it.

    Parameters
    ----------
    server
        A URL such as ``postgresql://USER:PASSWORD@HOST/eas``.
    service
        For ``scheduler``, this becomes ``eas_scheduler``.

    Raises
    ------
    ValueError
        It is no URL of a database server. The message does not show a password.
    """
    url = parse_database_url(server)
    if url.get_backend_name() == "sqlite":
        raise ValueError(
            f"{show_url(server)}: expected postgresql://… or mysql://…; SQLite's files are in the data folder"
        )
    return url.set(database=f"{url.database}_{service}").render_as_string(hide_password=False)


def is_on_server(url: str) -> bool:
    """Tell whether a database is on a server rather than in a file."""
    return parse_database_url(url).get_backend_name() != "sqlite"


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Make errors of a database such that people understand them, and that show no statement and no password.

    Raises
    ------
    UnavailableError
        The database does not answer.
    DatabaseStateError
        It refused, for whatever reason.
    """
    try:
        yield
    except DBAPIError as error:
        found = explain_error(error, parse_database_url(url).get_dialect()())
        if isinstance(found, EasError):
            raise type(found)(f"{show_url(url)}: {found.message}") from error
        raise DatabaseStateError(f"{show_url(url)}: {_first_line(error.orig)}") from error


def require_database(url: str) -> None:
    """See that there is such a database.

    Raises
    ------
    DatabaseMissingError
        There is none.
    UnavailableError
        The server does not answer.
    """
    if not has_database(url):
        raise DatabaseMissingError(f"{show_url(url)}: there is no such database; `eas db create` makes it")


def has_database(url: str) -> bool:
    """Tell whether there is such a database, with or without tables.

    Raises
    ------
    UnavailableError
        The server does not answer.
    DatabaseStateError
        It does not let us in.
    """
    parsed = parse_database_url(url)
    if parsed.get_backend_name() == "sqlite":
        return Path(str(parsed.database)).exists()
    engine = open_engine(url, writer=False)
    try:
        with explained(url), engine.connect():
            return True
    except (UnavailableError, DatabaseStateError) as refusal:
        try:
            if _is_listed(parsed):
                raise
        except DBAPIError:
            raise refusal from None
        return False
    finally:
        engine.dispose()


def create_database(url: str) -> bool:
    """Make a database where it is missing, without tables. Returns whether it was.

    Raises
    ------
    DatabaseStateError
        The user may not; the message has the statement with which an administrator makes it.
    UnavailableError
        The server does not answer.
    """
    parsed = parse_database_url(url)
    if has_database(url):
        return False
    if parsed.get_backend_name() == "sqlite":
        return True  # it is made with its first table
    try:
        with _connect_to_server(parsed) as connection:
            connection.exec_driver_sql(_write_creation(parsed, connection))
    except DBAPIError as error:
        with _connect_to_server(parsed) as connection:
            statement = _write_creation(parsed, connection, owned=True)
        raise DatabaseStateError(
            f"{show_url(url)}: there is no such database, and it cannot be made: {_first_line(error.orig)}. "
            f"An administrator of the server makes it with: {statement}"
        ) from error
    return True


def read_largest_packet(connection: Connection) -> int | None:
    """Read how long a statement may be with all its values [bytes]; None where that is not bounded."""
    if connection.dialect.name != "mysql":
        return None
    return int(connection.exec_driver_sql("SELECT @@max_allowed_packet").scalar_one())


def _write_creation(url: URL, connection: Connection, *, owned: bool = False) -> str:
    quote = connection.dialect.identifier_preparer.quote_identifier
    name, user = quote(str(url.database)), str(url.username or "")
    if connection.dialect.name == "postgresql":
        owner = f" OWNER {quote(user)}" if owned and user else ""
        return f"CREATE DATABASE {name}{owner} ENCODING 'UTF8' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    grant = f"; GRANT ALL ON {name}.* TO '{user}'" if owned and user else ""
    return f"CREATE DATABASE {name} CHARACTER SET utf8mb4{grant}"


def _is_listed(url: URL) -> bool:
    with _connect_to_server(url) as connection:
        if connection.dialect.name == "postgresql":
            statement = "SELECT count(*) FROM pg_database WHERE datname = :name"
        else:
            statement = "SELECT count(*) FROM information_schema.schemata WHERE schema_name = :name"
        return bool(connection.execute(text(statement), {"name": url.database}).scalar_one())


@contextmanager
def _connect_to_server(url: URL) -> Iterator[Connection]:
    database = _MAINTENANCE if url.get_backend_name() == "postgresql" else None
    engine = create_engine(
        url._replace(database=database),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"connect_timeout": _CONNECT_SECONDS},
    )
    with engine.connect() as connection:
        yield connection


def _first_line(original: Any) -> str:
    """What a server says, without its number."""
    said = original.args[-1] if getattr(original, "args", ()) else original
    return (str(said).splitlines() or ["no reason given"])[0]
