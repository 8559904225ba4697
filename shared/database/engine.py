"""A service's database: one committer that gathers writes into transactions, and a pool for reads.

Commands and queries are plain functions of a connection. They run off the event loop, so nothing inside a transaction
can await, and a transaction never waits for anything but the database.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from shared.contracts.errors import InvalidInputError

T = TypeVar("T")

MAX_GROUP = 256
BUSY_TIMEOUT_MS = 30_000


class DatabaseClosedError(RuntimeError):
    """The database was asked for something before `start` or after `stop`."""


@dataclass
class _Command:
    run: Callable[[Connection], Any]
    future: asyncio.Future[Any]
    outcome: Any = field(default=None)
    error: BaseException | None = None


def _too_large(error: OverflowError) -> InvalidInputError:
    """Say of a number that the database cannot hold that the caller is at fault: ours all fit."""
    return InvalidInputError(f"a number is too large: whole numbers have at most 64 bits ({error})")


def create_sqlite_engine(url: str, *, writer: bool, connections: int, foreign_keys: bool = True) -> Engine:
    """Make an engine on a SQLite file whose every commit is durable.

    The writer begins with ``BEGIN IMMEDIATE``, so that a transaction that will write never has to upgrade a read lock;
    readers cannot write at all.
    """
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=connections, max_overflow=0, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"foreign_keys={'ON' if foreign_keys else 'OFF'}",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "cache_size=-65536",
            "temp_store=MEMORY",
            *(() if writer else ("query_only=ON",)),
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


class Database:
    """One service's database.

    Parameters
    ----------
    url
        ``sqlite:///path``. The parent folder is made where it is missing.
    readers
        How many queries may run at once.
    """

    def __init__(self, url: str, *, readers: int = 4) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            raise ValueError(f"database URL {parsed.render_as_string()}: only sqlite:///FILE is supported")
        if not parsed.database or parsed.database == ":memory:":
            raise ValueError("database URL: an in-memory database cannot be shared; give a file")
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self.url = url
        self._writer = create_sqlite_engine(url, writer=True, connections=1)
        self._readers = create_sqlite_engine(url, writer=False, connections=readers)
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="committer")
        self._read_threads = ThreadPoolExecutor(readers, thread_name_prefix="reader")
        self._pending: list[_Command] = []
        self._wake = asyncio.Event()
        self._committer: asyncio.Task[None] | None = None
        self._connection: Connection | None = None

    async def start(self) -> None:
        """Begin to commit. The tables must exist."""
        # Threads that talk to SQLite release the interpreter lock at every statement and would otherwise wait up to
        # 5 ms to get it back from a busy event loop.
        sys.setswitchinterval(min(sys.getswitchinterval(), 0.0005))
        self._committer = asyncio.create_task(self._commit_groups(), name="committer")

    async def stop(self) -> None:
        """Commit what was accepted, then close."""
        if self._committer is not None:
            committer, self._committer = self._committer, None
            self._wake.set()
            await committer
        self._write_thread.shutdown()
        self._disconnect()
        self._read_threads.shutdown()
        self._writer.dispose()
        self._readers.dispose()

    async def write(self, command: Callable[[Connection], T]) -> T:
        """Run `command` in a transaction and return its result once that is committed and durable.

        Commands that arrive while another group commits share the next transaction. One that raises is rolled back
        alone; its error reaches its own caller only. A caller that is cancelled does not undo its command.
        """
        if self._committer is None:
            raise DatabaseClosedError("the database is not started")
        entry = _Command(command, asyncio.get_running_loop().create_future())
        self._pending.append(entry)
        self._wake.set()
        result: T = await entry.future
        return result

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` on a read-only snapshot and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, self._run_query, query)

    def _run_query(self, query: Callable[[Connection], T]) -> T:
        try:
            with self._readers.begin() as connection:
                return query(connection)
        except OverflowError as error:
            raise _too_large(error) from error

    async def _commit_groups(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending or self._committer is not None:
            if not self._pending:
                await self._wake.wait()
                self._wake.clear()
                continue
            group, self._pending = self._pending[:MAX_GROUP], self._pending[MAX_GROUP:]
            try:
                await loop.run_in_executor(self._write_thread, self._run_group, group)
            except BaseException as error:
                for entry in group:
                    entry.error = entry.error or error
            for entry in group:
                if entry.future.done():
                    continue
                if entry.error is not None:
                    entry.future.set_exception(entry.error)
                else:
                    entry.future.set_result(entry.outcome)

    def _run_group(self, group: list[_Command]) -> None:
        if self._connection is None:
            self._connection = self._writer.connect()
        try:
            self._commit(self._connection, group)
        except BaseException:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        """Close the writing connection, whatever state it is in; the next group opens another."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    @staticmethod
    def _commit(connection: Connection, group: list[_Command]) -> None:
        with connection.begin() as transaction:
            if len(group) == 1:
                # Alone in its transaction, a failed command takes the transaction with it: no savepoint needed.
                entry = group[0]
                try:
                    entry.outcome = entry.run(connection)
                except Exception as error:
                    entry.error = _too_large(error) if isinstance(error, OverflowError) else error
                    transaction.rollback()
                return
            for entry in group:
                _run_nested(connection, entry)


def _run_nested(connection: Connection, entry: _Command) -> None:
    """Run a command in a savepoint, written by hand: SQLAlchemy's costs five times as much."""
    connection.exec_driver_sql("SAVEPOINT command")
    try:
        entry.outcome = entry.run(connection)
    except Exception as error:
        entry.error = _too_large(error) if isinstance(error, OverflowError) else error
        try:
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT command")
        except DBAPIError:
            # The database has taken the whole transaction back, as it may on a full disk: all fail for the same reason.
            raise error from None
    connection.exec_driver_sql("RELEASE SAVEPOINT command")
