"""A service's database: one committer that gathers writes into transactions, and a pool for reads.

Commands and queries are plain functions of a connection. They run off the event loop, so nothing inside a transaction
can await, and a transaction never waits for anything but the database.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, RootTransaction
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from eas.contracts.errors import UnavailableError
from eas.database.engines import PATIENCE, SQLITE_CACHE_MB, Patience, explain_error, find_pipeline, open_engine

if TYPE_CHECKING:  # its driver is there only where PostgreSQL is used
    from eas.database.pipeline import Pipeline

T = TypeVar("T")

MAX_GROUP = 256


class DatabaseClosedError(RuntimeError):
    """The database was asked for something before `start` or after `stop`."""


@dataclass
class _Command:
    run: Callable[[Connection], Any]
    future: asyncio.Future[Any]
    when_committed: Callable[[], None] | None = None
    outcome: Any = field(default=None)
    error: BaseException | None = None


class Database:
    """One service's database.

    Parameters
    ----------
    url
        See `eas.database.engines.parse_database_url`. A file's parent folder is made where it is missing.
    readers
        How many queries may run at once.
    patience
        With servers.
    cache_mb
        How much of a SQLite database all connections together may keep in memory [MB]. The operating system keeps
        the file besides, as far as there is room.
    """

    def __init__(
        self, url: str, *, readers: int = 4, patience: Patience = PATIENCE, cache_mb: float = SQLITE_CACHE_MB
    ) -> None:
        self.url = url
        share = cache_mb / 2  # the writer has the other half
        self._writer = open_engine(url, writer=True, patience=patience, cache_mb=share)
        self._readers = open_engine(url, writer=False, connections=readers, patience=patience, cache_mb=share / readers)
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="committer")
        self._read_threads = ThreadPoolExecutor(readers, thread_name_prefix="reader")
        self._pending: list[_Command] = []
        self._wake = asyncio.Event()
        self._committer: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._when_lost: list[Callable[[], None]] = []

    @property
    def is_file(self) -> bool:
        """Whether it is a file of this process alone, not on a server."""
        return self._writer.dialect.name == "sqlite"

    def when_lost(self, action: Callable[[], None]) -> None:
        """Have something done, in the committer's thread, when a whole group may not have been committed."""
        self._when_lost.append(action)

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

    async def write(self, command: Callable[[Connection], T], *, when_committed: Callable[[], None] | None = None) -> T:
        """Run `command` in a transaction and return its result once that is committed and durable.

        Commands that arrive while another group commits share the next transaction. One that raises is rolled back
        alone; its error reaches its own caller only. A caller that is cancelled does not undo its command.

        Parameters
        ----------
        command
            Runs in the committer's thread.
        when_committed
            Called on the event loop after the commit, before the result is returned, and even if the caller was
            cancelled meanwhile. It must not raise.
        """
        if self._committer is None:
            raise DatabaseClosedError("the database is not started")
        entry = _Command(command, asyncio.get_running_loop().create_future(), when_committed)
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
        except Exception as error:
            found = explain_error(error, self._readers.dialect)
            if found is error:
                raise
            raise found from error

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
                if entry.error is None and entry.when_committed is not None:
                    entry.when_committed()
                if entry.future.done():
                    continue
                if entry.error is not None:
                    entry.future.set_exception(entry.error)
                else:
                    entry.future.set_result(entry.outcome)

    def _run_group(self, group: list[_Command]) -> None:
        try:
            connection, transaction = self._begin()
            self._commit(connection, transaction, group)
        except BaseException as error:
            self._disconnect()
            for action in self._when_lost:
                action()
            if not isinstance(error, Exception):
                raise
            found = explain_error(error, self._writer.dialect)
            if found is error:
                raise
            raise found from error
        if any(isinstance(entry.error, UnavailableError) for entry in group):
            self._disconnect()

    def _begin(self) -> tuple[Connection, RootTransaction]:
        """Begin a transaction. A connection that broke while nothing was done with it is replaced."""
        if self._connection is not None:
            try:
                return self._connection, self._connection.begin()
            except DBAPIError:
                self._disconnect()
        self._connection = self._writer.connect()
        return self._connection, self._connection.begin()

    def _disconnect(self) -> None:
        """Close the writing connection, whatever state it is in; the next group opens another."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(DBAPIError):
                connection.invalidate()
            with suppress(DBAPIError):
                connection.close()

    @staticmethod
    def _commit(connection: Connection, transaction: RootTransaction, group: list[_Command]) -> None:
        with transaction:
            if len(group) == 1:
                # Alone in its transaction, a failed command takes the transaction with it: no savepoint needed.
                entry = group[0]
                try:
                    entry.outcome = entry.run(connection)
                except Exception as error:
                    entry.error = explain_error(error, connection.dialect)
                    transaction.rollback()
                return
            for entry in group:
                _run_nested(connection, entry)


def _run_nested(connection: Connection, entry: _Command) -> None:
    """Run a command in a savepoint, written by hand: SQLAlchemy's costs five times as much."""
    pipeline = find_pipeline(connection)
    if pipeline is not None:
        _run_nested_in(pipeline, connection, entry)
        return
    connection.exec_driver_sql("SAVEPOINT command")
    try:
        entry.outcome = entry.run(connection)
    except Exception as error:
        entry.error = explain_error(error, connection.dialect)
        try:
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT command")
        except SQLAlchemyError:
            # The database has taken the whole transaction back, as it may on a full disk, or the connection is lost:
            # all fail for the same reason.
            raise error from None
    connection.exec_driver_sql("RELEASE SAVEPOINT command")


def _run_nested_in(pipeline: Pipeline, connection: Connection, entry: _Command) -> None:
    """Run a command in a savepoint whose statements are sent together with those of the command."""
    begin = pipeline.put("SAVEPOINT command")
    try:
        entry.outcome = entry.run(connection)
        pipeline.finish(begin)
    except Exception as error:
        entry.error = explain_error(error, connection.dialect)
        if pipeline.take_back(begin):
            return
        if begin.result is None or pipeline.is_broken:
            raise  # the transaction could not even begin, or is lost: so are all commands of the group
        pipeline.put("ROLLBACK TO SAVEPOINT command")
    pipeline.put("RELEASE SAVEPOINT command")
