"""A database server whose disk is full says so, and goes on once there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from eas.contracts.errors import InsufficientStorageError
from eas.database.committer import Database
from tests.support.databases import Inspector
from tests.support.mariadb import MariadbServer
from tests.support.mysql import MysqlServer, needs_mysql
from tests.support.postgresql import PostgresqlServer
from tests.support.private_server import open_server

MEGABYTE = 2**20
#: All tables in one file that does not grow.
ONE_FILE = {"innodb_data_file_path": "ibdata1:12M", "innodb_file_per_table": "off"}


@contextmanager
def small_disk(megabytes: int, owner: str) -> Iterator[Path]:
    """Mount a file system of its own."""
    folder = Path(tempfile.mkdtemp(prefix="eas-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(folder)]
    try:
        if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root may mount a small disk, and not in every container")
        try:
            shutil.chown(folder, owner)
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    finally:
        folder.rmdir()


#: A database's URL, and what makes room on its disk, if anything can.
Small = tuple[str, Callable[[], object] | None]


@contextmanager
def small_postgresql() -> Iterator[Small]:
    with small_disk(16, PostgresqlServer.ACCOUNT) as disk, open_server(PostgresqlServer) as server:
        server.query(f"CREATE TABLESPACE small LOCATION '{disk}'")
        grow = ["mount", "-o", "remount,size=64m", str(disk)]
        yield server.make_database("TABLESPACE small"), lambda: subprocess.run(grow, check=True)


@contextmanager
def small_mariadb() -> Iterator[Small]:
    with open_server(lambda: MariadbServer(durable=False, **ONE_FILE)) as server:
        yield server.make_database(), None  # which cannot even drop a table then


@contextmanager
def small_mysql() -> Iterator[Small]:
    with open_server(lambda: MysqlServer(durable=False, **ONE_FILE)) as server:
        yield server.make_database(), None


@pytest.mark.parametrize("open_small", [small_postgresql, small_mariadb, pytest.param(small_mysql, marks=needs_mysql)])
async def test_a_full_disk_is_told_apart_and_passes(
    open_small: Callable[[], AbstractContextManager[Small]],
) -> None:
    def count(connection: Connection) -> int:
        return int(connection.execute(text("SELECT count(*) FROM heap")).scalar_one())

    def add(number: int) -> Callable[[Connection], int]:
        def command(connection: Connection) -> int:
            # Text that does not shrink: PostgreSQL would pack it.
            values = {"number": number, "content": os.urandom(MEGABYTE // 40).hex()}
            connection.execute(text("INSERT INTO heap VALUES (:number, :content)"), values)
            return number

        return command

    with open_small() as (url, make_room):
        inspector = Inspector(url)
        inspector.execute("CREATE TABLE heap (number INTEGER PRIMARY KEY, content TEXT)")
        inspector.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        inspector.close()
        database = Database(url)
        await database.start()
        try:
            added = 0
            with suppress(InsufficientStorageError):
                while added < 1000:
                    await database.write(add(added))
                    added += 1
            assert 0 < added < 1000
            assert await database.read(count) == added
            with pytest.raises(InsufficientStorageError):
                await database.write(add(1000))
            if make_room is not None:
                make_room()
                assert await database.write(add(1000)) == 1000
        finally:
            await database.stop()
