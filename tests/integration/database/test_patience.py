"""Nobody waits for ever: not for a server that hangs, not for a turn, and not for one who has it and stands still."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, func, select, text
from sqlalchemy.dialects.mysql import LONGTEXT

from eas.contracts.errors import UnavailableError
from eas.database.committer import Database
from eas.database.engines import Patience
from eas.database.prepared import prepare_insert
from tests.support.databases import SERVER_KINDS, SERVERS, DatabaseServer
from tests.support.patience import PATIENCE_S
from tests.support.postgresql import PostgresqlServer
from tests.support.private_server import open_server

LONG_TEXT = Text().with_variant(LONGTEXT, "mysql")
READ_TURN = text("SELECT version_num FROM alembic_version")


@pytest.fixture(scope="module", params=SERVER_KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    with open_server(SERVERS[request.param]) as found:
        yield found


@pytest.fixture
def url(server: DatabaseServer) -> str:
    found = server.make_database()
    name = found.rpartition("/")[2]
    server.query(
        "CREATE TABLE alembic_version (version_num VARCHAR(32)); INSERT INTO alembic_version VALUES ('1')", name
    )
    if isinstance(server, PostgresqlServer):
        server.query("GRANT ALL ON alembic_version TO eas", name)
    return found


@pytest.fixture
async def impatient(url: str) -> AsyncIterator[Database]:
    found = Database(url, patience=Patience(connection=1, idle=1, silence=1, turn=1))
    await found.start()
    await read_again(found)
    yield found
    await found.stop()


@pytest.fixture
async def other(url: str) -> AsyncIterator[Database]:
    found = Database(url)
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def idling(url: str) -> AsyncIterator[Database]:
    """Loses its turn when it stands still; waits as long as any other for the server and for its turn."""
    found = Database(url, patience=Patience(idle=1))
    await found.start()
    yield found
    await found.stop()


def read(connection: Connection) -> str:
    found: str = connection.execute(READ_TURN).scalar_one()
    return found


async def read_again(database: Database) -> str:
    """Repeat until it succeeds. On a busy machine the server may need longer than an impatient writer waits."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(UnavailableError):
                return await database.write(read)
            await asyncio.sleep(0.05)


async def test_a_writers_server_that_hangs_is_taken_for_gone(impatient: Database, server: DatabaseServer) -> None:
    server.suspend()
    try:
        for _ in range(2):
            with pytest.raises(UnavailableError):
                await impatient.write(read)
    finally:
        server.resume()
    assert await read_again(impatient) == "1"


@asynccontextmanager
async def turn_of(database: Database) -> AsyncIterator[None]:
    """Let a writer of this database have the turn for as long as the block lasts."""
    begun, over = threading.Event(), threading.Event()

    def linger(connection: Connection) -> str:
        found = read(connection)
        begun.set()
        assert over.wait(120)
        return found

    lingering = asyncio.ensure_future(database.write(linger))
    await asyncio.to_thread(begun.wait)
    try:
        yield
    finally:
        over.set()
    assert await lingering == "1"


async def test_a_writer_whose_turn_does_not_come_gives_up(impatient: Database, other: Database) -> None:
    async with turn_of(other):
        with pytest.raises(UnavailableError):
            await impatient.write(read)
    assert await read_again(impatient) == "1"


async def test_a_writer_that_stands_still_loses_its_turn(idling: Database, other: Database) -> None:
    begun, over = threading.Event(), threading.Event()

    def stand_still(connection: Connection) -> None:
        read(connection)
        begun.set()
        assert over.wait(120)
        read(connection)

    standing = asyncio.ensure_future(idling.write(stand_still))
    await asyncio.to_thread(begun.wait)
    assert await other.write(read) == "1"
    over.set()
    with pytest.raises(UnavailableError):
        await standing
    assert await read_again(idling) == "1"


async def test_a_turn_that_does_not_come_is_missed_by_all_of_a_group(impatient: Database, other: Database) -> None:
    async with turn_of(other):
        outcomes = await asyncio.gather(*(impatient.write(read) for _ in range(4)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UnavailableError] * 4
    assert await read_again(impatient) == "1"


async def test_a_connection_that_is_lost_is_lost_for_all_of_a_group(
    impatient: Database, server: DatabaseServer
) -> None:
    is_postgresql = isinstance(server, PostgresqlServer)

    def lose(connection: Connection) -> str:
        ask = "SELECT pg_backend_pid()" if is_postgresql else "SELECT connection_id()"
        own = connection.execute(text(ask)).scalar_one()
        server.query(f"SELECT pg_terminate_backend({own}, 5000)" if is_postgresql else f"KILL {own}")
        return read(connection)

    outcomes = await asyncio.gather(*(impatient.write(one) for one in (read, lose, read)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UnavailableError] * 3
    assert await read_again(impatient) == "1"


async def test_much_that_waits_to_be_sent_is_no_silence(url: str, other: Database) -> None:
    sender = Database(url, patience=Patience(silence=2))
    await sender.start()
    begun = threading.Event()
    table = Table("heap", MetaData(), Column("number", Integer, primary_key=True), Column("content", LONG_TEXT))
    await other.write(table.metadata.create_all)
    add = prepare_insert(table, "number", "content")

    def linger(connection: Connection) -> None:
        read(connection)
        begun.set()
        for _ in range(6):
            time.sleep(1)
            read(connection)

    def send(connection: Connection) -> int:
        add.send(connection, ({"number": number, "content": "x" * 200_000} for number in range(1, 51)))
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    try:
        lingering = asyncio.ensure_future(other.write(linger))
        await asyncio.to_thread(begun.wait)
        assert await sender.write(send) == 50
        await lingering
    finally:
        await sender.stop()


async def test_a_reader_may_stand_still(impatient: Database) -> None:
    """It has nobody's turn; whoever dumps a database may have to wait for a slow disk."""

    def stand_still(connection: Connection) -> str:
        read(connection)
        time.sleep(2.5)
        return read(connection)

    assert await impatient.read(stand_still) == "1"
