"""Databases of each kind for tests of what is stored."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, inspect, text

from eas.database.engines import parse_database_url
from tests.support.mariadb import MariadbServer
from tests.support.mysql import MysqlServer, find_mysqld
from tests.support.postgresql import PostgresqlServer

DatabaseServer = PostgresqlServer | MariadbServer | MysqlServer

#: The servers of all kinds.
SERVERS: dict[str, Callable[[], DatabaseServer]] = {
    "postgresql": PostgresqlServer,
    "mariadb": MariadbServer,
    "mysql": MysqlServer,
}

# Debian's stable releases have no MySQL, so it is no fault if it is not there.
_ALL = "sqlite,postgresql,mariadb,mysql" if find_mysqld() else "sqlite,postgresql,mariadb"

#: The kinds that all that is stored must be the same on; fewer for a quick look, as in ``EAS_TEST_DATABASES=sqlite``.
KINDS = tuple(os.environ.get("EAS_TEST_DATABASES", _ALL).split(","))

#: Those that are servers.
SERVER_KINDS = tuple(kind for kind in KINDS if kind in SERVERS)

_KEPT = frozenset({"alembic_version"})


class DatabasePool:
    """Databases of one server, emptied after use and given out again: to make the tables takes longest.

    Parameters
    ----------
    make
        Makes an empty database and returns its URL.
    """

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make
        self._free: dict[str, list[str]] = {}

    def take(self, service: str) -> str:
        """Give out an empty database, with the tables of this service or with none yet."""
        free = self._free.setdefault(service, [])
        return free.pop() if free else self._make()

    def give_back(self, service: str, url: str) -> None:
        """Empty a database and keep it for the next."""
        engine = create_engine(parse_database_url(url))
        try:
            with engine.begin() as connection:
                _empty(connection)
        finally:
            engine.dispose()
        self._free[service].append(url)


def _empty(connection: Connection) -> None:
    tables = [name for name in inspect(connection).get_table_names() if name not in _KEPT]
    if not tables:
        return
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
        return
    connection.exec_driver_sql("SET SESSION lock_wait_timeout = 20")  # a test that failed may hold a transaction
    connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 0")
    for name in tables:
        connection.exec_driver_sql(f"TRUNCATE TABLE {name}")
    connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 1")


class Inspector:
    """Looks into a database past the service whose it is.

    Parameters
    ----------
    url
        Of the database.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine: Engine = create_engine(parse_database_url(url))

    def fetch(self, statement: str, **values: Any) -> Sequence[Any]:
        """Fetch rows."""
        with self._engine.begin() as connection:
            return connection.execute(text(statement), values).all()

    def execute(self, statement: str, **values: Any) -> None:
        """Change something behind the service's back."""
        with self._engine.begin() as connection:
            connection.execute(text(statement), values)

    @contextmanager
    def holding_up(self, table: str) -> Iterator[None]:
        """Let whoever wants to change a row of this table wait until the block ends. Only on servers."""
        with self._engine.begin() as connection:
            connection.execute(text(f"SELECT * FROM {table} FOR UPDATE"))
            yield

    def wait_until_held_up(self, table: str) -> None:
        """Wait until somebody waits to change a row of this table. Only on servers."""
        if self._engine.dialect.name == "postgresql":
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE :query"
        else:
            lasting = "time_ms > 200" if getattr(self._engine.dialect, "is_mariadb", False) else "time > 0"
            waiting = f"SELECT count(*) FROM information_schema.processlist WHERE {lasting} AND info LIKE :query"
        deadline = time.monotonic() + 30
        while not self.fetch(waiting, query=f"UPDATE {table} %")[0][0]:
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.02)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
