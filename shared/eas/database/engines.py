"""SQLAlchemy engines for each kind of database: how a connection begins, and what its errors mean.

Whoever writes is alone: SQLite has one writer anyway, and on a server every writing transaction begins by waiting for
its turn. So what holds for one writer holds for any number of processes on one database.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import QueuePool

from eas.contracts.errors import EasError, InsufficientStorageError, InvalidInputError, UnavailableError
from eas.database import ddl  # noqa: F401 - what MySQL and MariaDB need to hear of tables
from eas.database.index_room import require_room, secure_index

if TYPE_CHECKING:  # its driver is there only where PostgreSQL is used
    from eas.database.pipeline import Pipeline

BUSY_TIMEOUT_MS = 30_000
#: How long a migration waits for another one [s].
_MIGRATION_SECONDS = 3600

#: The advisory lock of writers on PostgreSQL, in each database its own: "EAS" in ASCII.
_TURN = 0x454153

#: Under this name a connection of PostgreSQL keeps what it has still to send.
_PIPELINE = "pipeline"


#: How much of a SQLite database a service keeps in memory, unless it is told otherwise [MB].
SQLITE_CACHE_MB = 16.0


@dataclass(frozen=True)
class Patience:
    """How long servers, and those who write on them, are waited for [s].

    Parameters
    ----------
    connection
        For a server's answer to a new connection.
    idle
        A transaction that stands still for longer, its process stopped or its host gone, gives its turn back. What
        has much to do between two statements says meanwhile that it is there.
    silence
        After so long without a sign from its host a server is taken for gone; and a writer's server that hangs, after
        so long besides what may be spent waiting for the turn.
    turn
        A writer waits for so long until it may begin.
    """

    connection: int = 5
    idle: int = 4
    silence: int = 25
    turn: int = 60


PATIENCE = Patience()
#: Migrations have no other way to say that they are there.
_WITH_MIGRATIONS = Patience(idle=60)

_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
_SQLITE_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})
#: PostgreSQL's codes for a disk or memory that is full.
_POSTGRESQL_FULL = frozenset({"53100", "53200"})
#: Its classes of codes for: connection, transaction taken back, resources, operator's intervention; and its codes for
#: a lock and for a transaction that stood still for too long.
_POSTGRESQL_AWAY = frozenset({"08", "40", "53", "57"})
_POSTGRESQL_WAITED = frozenset({"55P03", "25P03"})
#: Numbers of MySQL and MariaDB for: table is full, disk is full, no space.
_MYSQL_FULL = frozenset({1021, 1114})
#: Their numbers for: too many connections, shutting down, lock wait time-out, deadlock, query interrupted, offline, and
#: lost connections, which they tell in many ways.
_MYSQL_AWAY = frozenset({1040, 1053, 1205, 1213, 1317, 1927, 2002, 2003, 2006, 2013, 2014, 2055, 3032, 4031})


def parse_database_url(text: str) -> URL:
    """Read a database URL, and name the driver that EAS uses for its kind.

    Parameters
    ----------
    text
        ``sqlite:///FILE``, ``postgresql://USER:PASSWORD@HOST:PORT/NAME`` or ``mysql://…`` (also for MariaDB). Drivers
        that are named in it (``postgresql+asyncpg``) are taken as the kind alone.

    Raises
    ------
    ValueError
        It is none of these, or does not say which database. The message does not show a password.
    """
    try:
        url = make_url(text)
        kind = url.get_backend_name()
    except (ArgumentError, ValueError):
        raise ValueError(f"database URL: {_EXPECTED}") from None
    if kind not in _DRIVERS:
        raise ValueError(f"database URL {_show(url)}: {_EXPECTED}")
    if kind == "sqlite" and (not url.database or url.database == ":memory:"):
        raise ValueError("database URL: an in-memory database cannot be shared; give a file")
    if not url.database:
        raise ValueError(f"database URL {_show(url)}: the name of the database is missing")
    return url.set(drivername=_DRIVERS[kind])


def show_url(text: str) -> str:
    """Write a database's URL for people, with nothing in it that could be secret."""
    return _show(parse_database_url(text))


def _show(url: URL) -> str:
    kind = url.get_backend_name()
    if kind == "sqlite":
        return f"sqlite:///{url.database or ''}"
    # An '@' or '/' that should have been escaped makes the end of a password look like a part of the rest.
    host = (url.host or "").rpartition("@")[2]
    user = f"{url.username}@" if url.username else ""
    port = f":{url.port}" if url.port else ""
    return f"{kind}://{user}{host}{port}/{url.database or ''}"


_EXPECTED = (
    "expected sqlite:///FILE, postgresql://USER:PASSWORD@HOST:PORT/NAME or mysql://USER:PASSWORD@HOST:PORT/NAME; "
    "in a user or password '@' is written %40, ':' %3A, '/' %2F and '%' %25"
)


def open_engine(
    text: str,
    *,
    writer: bool,
    connections: int = 1,
    changes_tables: bool = False,
    patience: Patience | None = None,
    cache_mb: float = 8,
) -> Engine:
    """Make an engine whose every commit is durable. Nothing is connected yet.

    Parameters
    ----------
    text
        The database's URL.
    writer
        Its transactions wait for their turn and may write. Others see a snapshot and cannot write at all.
    connections
        The most at once.
    changes_tables
        For migrations: SQLite then does not enforce references between rows, and on MySQL and MariaDB, where tables
        change outside of transactions, the turn is that of the connection. They wait for as long as it takes.
    patience
        With servers; None for the usual one.
    cache_mb
        How much of a SQLite database each connection may keep in memory [MB].
    """
    url = parse_database_url(text)
    patience = patience or (_WITH_MIGRATIONS if changes_tables else PATIENCE)
    match url.get_backend_name():
        case "sqlite":
            return _open_sqlite(url, writer, connections, cache_mb, foreign_keys=not changes_tables)
        case "postgresql":
            return _open_postgresql(url, writer, connections, patience, changes_tables=changes_tables)
        case _:
            return _open_mysql(url, writer, connections, patience, changes_tables=changes_tables)


def _open_sqlite(url: URL, writer: bool, connections: int, cache_mb: float, *, foreign_keys: bool) -> Engine:
    """Begin with ``BEGIN IMMEDIATE``, so that a transaction that will write never has to upgrade a read lock."""
    file = Path(str(url.database))
    file.parent.mkdir(parents=True, exist_ok=True)
    engine = _pooled(url, connections, {"check_same_thread": False})

    @event.listens_for(engine, "do_connect")
    def _look_for_room(*_: Any) -> None:
        require_room(file)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"foreign_keys={'ON' if foreign_keys else 'OFF'}",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            f"cache_size=-{max(1, round(cache_mb * 1000))}",
            "temp_store=MEMORY",
            "mmap_size=0",  # a full or damaged disk is an error then, not a signal
            *(() if writer else ("query_only=ON",)),
        ):
            connection.execute(f"PRAGMA {pragma}").close()
        secure_index(file)

    _begin_with(engine, "BEGIN IMMEDIATE" if writer else "BEGIN")
    return engine


def _open_postgresql(url: URL, writer: bool, connections: int, patience: Patience, *, changes_tables: bool) -> Engine:
    """Wait for the turn with an advisory lock of the transaction: the server gives it back whatever becomes of us."""
    options = ["-c jit=off", "-c synchronous_commit=on"]
    if writer:
        options.append(f"-c idle_in_transaction_session_timeout={patience.idle}s")
    else:
        options.append("-c default_transaction_read_only=on")
    if writer and not changes_tables:
        options.append(f"-c lock_timeout={patience.turn}s")
    arguments = {
        "connect_timeout": patience.connection,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": patience.silence * 1000,
        "application_name": "eas",
        "options": " ".join(options),
    }
    # The writer begins by itself, see below.
    level = "AUTOCOMMIT" if writer else "REPEATABLE READ"
    # By position: the driver takes a quarter longer to put named parameters in order.
    engine = _pooled(url, connections, arguments, isolation_level=level, paramstyle="format")

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        _replace_nuls(connection)

    if writer:
        _send_together(engine, None if changes_tables else patience.turn + patience.silence)
    return engine


def _send_together(engine: Engine, patience: float | None) -> None:
    """Let a writer's statements be sent together; see `eas.database.pipeline`."""
    from eas.database.pipeline import Pipeline

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: Any) -> None:
        record.info[_PIPELINE] = Pipeline(connection, patience)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        turn = f"SELECT pg_advisory_xact_lock({_TURN})"
        connection.info[_PIPELINE].begin("BEGIN ISOLATION LEVEL READ COMMITTED", turn)

    @event.listens_for(engine, "before_cursor_execute")
    def _before_others(connection: Connection, *_: Any) -> None:
        connection.info[_PIPELINE].exchange()

    @event.listens_for(engine, "commit")
    def _commit(connection: Connection) -> None:
        connection.info[_PIPELINE].commit()

    @event.listens_for(engine, "rollback")
    def _rollback(connection: Connection) -> None:
        if not connection.invalidated:  # else there is nothing left to undo
            connection.info[_PIPELINE].roll_back()


def find_pipeline(connection: Connection) -> Pipeline | None:
    """Find what a connection has still to send; None where every statement is sent at once."""
    found: Pipeline | None = connection.info.get(_PIPELINE)
    return found


def _replace_nuls(connection: Any) -> None:
    """PostgreSQL has no NUL in texts: one that a task printed is kept as U+FFFD."""
    from psycopg.types.string import StrDumper, StrDumperUnknown

    for base in (StrDumper, StrDumperUnknown):

        class Dumper(base):  # type: ignore[misc, valid-type]
            def dump(self, obj: str) -> Any:
                return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else obj)

        connection.adapters.register_dumper(str, Dumper)


def _open_mysql(url: URL, writer: bool, connections: int, patience: Patience, *, changes_tables: bool) -> Engine:
    """Wait for the turn at the one row that says which version the tables have."""
    level = "READ COMMITTED" if writer else "REPEATABLE READ"
    arguments: dict[str, Any] = {"connect_timeout": patience.connection, "charset": "utf8mb4"}
    if not changes_tables:
        arguments |= {"read_timeout": patience.turn + patience.silence, "write_timeout": patience.silence}
    engine = _pooled(url, connections, arguments, isolation_level=level)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        is_mariadb = "MariaDB" in str(connection.get_server_info())
        session = [
            "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'",
            f"innodb_lock_wait_timeout = {patience.turn}",
            "wait_timeout = 28800",
        ]
        if not writer:
            session.append("TRANSACTION READ ONLY")
        elif is_mariadb:
            session.append(f"idle_transaction_timeout = {patience.idle}")
        else:
            # MySQL cannot bound the idleness of transactions alone. A writer with nothing to write loses its
            # connection, too, and opens another one for what comes next.
            session.append(f"wait_timeout = {patience.idle}")
        if not is_mariadb:
            # Else it says for a day which key it found to be the next one.
            session.append("information_schema_stats_expiry = 0")
        with connection.cursor() as cursor:
            for setting in session:
                cursor.execute(f"SET SESSION {setting}")

    if changes_tables:
        # MySQL's locks have names of at most 64 characters, and so have its databases.
        name = "CONCAT('eas migrates ', LEFT(SHA2(DATABASE(), 256), 48))"
        _begin_with(engine, f"SELECT GET_LOCK({name}, {_MIGRATION_SECONDS})")
    elif writer:
        _begin_with(engine, "SELECT version_num FROM alembic_version FOR UPDATE")
    return engine


def _pooled(url: URL, connections: int, arguments: dict[str, Any], **options: Any) -> Engine:
    on_server = url.get_backend_name() != "sqlite"
    return create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=on_server,
        connect_args=arguments,
        **options,
    )


def _begin_with(engine: Engine, statement: str) -> None:
    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)


def translate(connection: Connection, statement: str, error: Exception) -> BaseException:
    """Make of a driver's error what SQLAlchemy would have made of it; anything else stays as it is."""
    base = connection.dialect.loaded_dbapi.Error
    if not isinstance(error, base):
        return error
    return DBAPIError.instance(statement, None, error, base, dialect=connection.dialect)


def explain_error(error: Exception, dialect: Dialect) -> Exception:
    """Translate an error of a database for the caller: returned unchanged, or as one of `EasError`.

    A server that is away or shutting down, or that took the transaction back, is trouble that passes. Values that the
    database cannot hold are the caller's fault: ours all fit.
    """
    if isinstance(error, EasError):
        return error
    if isinstance(error, OverflowError):
        return InvalidInputError(f"a number is too large: whole numbers have at most 64 bits ({error})")
    if not isinstance(error, DBAPIError):
        return error
    original = error.orig
    if _is_full(dialect.name, original):
        return InsufficientStorageError("the disk of the database is full")
    if isinstance(error, DataError) and dialect.name != "sqlite":
        return InvalidInputError(f"a value does not fit into the database: {str(original).splitlines()[0]}")
    if _is_away(dialect, error):
        return UnavailableError(f"the database is not available: {str(original).splitlines()[0]}")
    return error


def _is_full(kind: str, original: Any) -> bool:
    match kind:
        case "sqlite":
            return getattr(original, "sqlite_errorcode", None) in _SQLITE_FULL
        case "postgresql":
            return getattr(original, "sqlstate", None) in _POSTGRESQL_FULL
        case _:
            return _number(original) in _MYSQL_FULL


def _is_away(dialect: Dialect, error: DBAPIError) -> bool:
    original: Any = error.orig
    if dialect.name == "sqlite":
        return False
    if error.connection_invalidated:
        return True
    if dialect.name == "mysql":
        return _number(original) in _MYSQL_AWAY or isinstance(error, InterfaceError)
    state = getattr(original, "sqlstate", None)
    if state is None:  # not the server's word: nobody answered, or the connection broke
        return isinstance(error, OperationalError | InterfaceError)
    return state[:2] in _POSTGRESQL_AWAY or state in _POSTGRESQL_WAITED


def _number(original: Any) -> int:
    first = original.args[0] if getattr(original, "args", ()) else 0
    return first if isinstance(first, int) else 0
