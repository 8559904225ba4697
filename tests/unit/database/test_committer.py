"""The committer: durable groups, and a command that fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, OperationalError

from eas.contracts.errors import InvalidInputError
from eas.database.committer import Database, DatabaseClosedError
from eas.database.engines import parse_database_url

FIND = text("SELECT id FROM item WHERE id = :id")


def create_table(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE item (id INTEGER PRIMARY KEY)"))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    found = Database(f"sqlite:///{tmp_path}/deep/test.db")
    await found.start()
    await found.write(create_table)
    yield found
    await found.stop()


def insert(number: int) -> Callable[[Connection], int]:
    def command(connection: Connection) -> int:
        connection.execute(text("INSERT INTO item VALUES (:id)"), {"id": number})
        return number

    return command


def numbers(connection: Connection) -> list[int]:
    return list(connection.execute(text("SELECT id FROM item ORDER BY id")).scalars())


async def test_a_lone_command_that_raises_leaves_nothing(database: Database) -> None:
    def command(connection: Connection) -> None:
        connection.execute(text("INSERT INTO item VALUES (1)"))
        raise KeyError("changed my mind")

    with pytest.raises(KeyError, match="changed my mind"):
        await database.write(command)
    assert await database.read(numbers) == []
    assert await database.write(insert(2)) == 2
    assert await database.read(numbers) == [2]


async def test_in_a_group_only_the_failing_command_is_rolled_back(database: Database) -> None:
    calls = [database.write(insert(number)) for number in (1, 2, 2, 3)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, int, IntegrityError, int]
    assert await database.read(numbers) == [1, 2, 3]


async def test_where_the_database_takes_the_transaction_back_all_of_a_group_fail(database: Database) -> None:
    def command(connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")  # as SQLite may on a full disk
        raise OSError("no room")

    calls = [database.write(insert(1)), database.write(command), database.write(insert(2))]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [OSError] * 3
    assert await database.read(numbers) == []
    assert await database.write(insert(3)) == 3


async def test_a_caller_that_goes_away_does_not_undo_its_command(database: Database) -> None:
    call = asyncio.create_task(database.write(insert(7)))
    await asyncio.sleep(0)
    call.cancel()
    await database.write(insert(8))
    assert await database.read(numbers) == [7, 8]


async def test_a_query_cannot_write(database: Database) -> None:
    with pytest.raises(OperationalError, match="readonly"):
        await database.read(insert(1))


async def test_stop_commits_what_was_accepted_and_then_refuses(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/stop.db")
    await database.start()
    await database.write(create_table)
    calls = [asyncio.ensure_future(database.write(insert(number))) for number in range(5)]
    await asyncio.sleep(0)
    await database.stop()
    assert await asyncio.gather(*calls) == list(range(5))
    with pytest.raises(DatabaseClosedError):
        await database.write(insert(9))


async def test_commits_are_durable_and_foreign_keys_hold(database: Database) -> None:
    def pragmas(connection: Connection) -> list[object]:
        names = ("synchronous", "journal_mode", "foreign_keys")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names]

    assert await database.write(pragmas) == [2, "wal", 1]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("oracle://scott:tiger@localhost/eas", "expected sqlite:///FILE"),
        ("data/eas.db", "expected sqlite:///FILE"),
        ("postgresql://eas:ti@ger:x/@localhost:port/eas", "'@' is written %40"),
        ("sqlite://", "give a file"),
        ("postgresql://eas:tiger@localhost", "name of the database is missing"),
    ],
)
def test_other_urls_are_refused_with_words_and_without_passwords(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refusal:
        Database(url)
    assert "tiger" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgres://eas@host/eas", "postgresql+psycopg"),
        ("postgresql+asyncpg://eas@host/eas", "postgresql+psycopg"),
        ("mariadb://eas@host/eas", "mysql+pymysql"),
        ("mysql+asyncmy://eas@host:3307/eas", "mysql+pymysql"),
        ("sqlite:///eas.db", "sqlite"),
    ],
)
def test_a_url_says_which_kind_of_database_and_not_which_driver(url: str, driver: str) -> None:
    assert parse_database_url(url).drivername == driver


async def test_numbers_beyond_64_bits_are_the_callers_fault(database: Database) -> None:
    for number in (2**63, -(2**70)):
        with pytest.raises(InvalidInputError, match="64 bits"):
            await database.write(insert(number))
        with pytest.raises(InvalidInputError, match="64 bits"):
            await database.read(lambda connection: connection.execute(FIND, {"id": number}).all())  # noqa: B023
    outcomes = await asyncio.gather(*(database.write(insert(number)) for number in (1, 2**64)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, InvalidInputError]
    assert await database.write(insert(2**63 - 1)) == 2**63 - 1


async def test_all_connections_together_keep_no_more_in_memory_than_was_said(tmp_path: Path) -> None:
    def cache_kb(connection: Connection) -> int:
        size: int = connection.execute(text("PRAGMA cache_size")).scalar_one()
        return -size  # a negative number is a size in KiB

    database = Database(f"sqlite:///{tmp_path}/test.db", readers=4, cache_mb=20)
    await database.start()
    writer, reader = await database.write(cache_kb), await database.read(cache_kb)
    await database.stop()
    assert 0 < reader < writer
    assert writer + 4 * reader <= 20_000
