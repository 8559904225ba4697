"""Statements to PostgreSQL that are sent together mean the same as if each had been waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, Text, bindparam, select, text, update
from sqlalchemy.exc import IntegrityError

from eas.contracts.errors import UnavailableError
from eas.database.committer import Database
from eas.database.prepared import Prepared, prepare_insert
from tests.support.postgresql import PostgresqlServer

STAR = Table("sent_star", MetaData(), Column("id", BigInteger, primary_key=True), Column("name", Text, nullable=False))
ADD = prepare_insert(STAR, "id", "name")
RENAME = Prepared(update(STAR).where(STAR.c.id == bindparam("key")).values(name=bindparam("to")).returning(STAR.c.name))
FIND = Prepared(select(STAR.c.id, STAR.c.name).where(STAR.c.id == bindparam("key")))


@pytest.fixture
async def database(postgresql_server: PostgresqlServer) -> AsyncIterator[Database]:
    found = Database(postgresql_server.make_database())
    await found.start()
    await found.write(STAR.metadata.create_all)
    yield found
    await found.stop()


def add(*numbers: int, name: str = "Vega") -> Callable[[Connection], int]:
    def command(connection: Connection) -> int:
        ADD.send(connection, [{"id": number, "name": name} for number in numbers])
        return numbers[0]

    return command


def numbers(connection: Connection) -> list[int]:
    return list(connection.execute(text("SELECT id FROM sent_star ORDER BY id")).scalars())


async def test_what_was_sent_is_there_for_every_statement_after_it(database: Database) -> None:
    def command(connection: Connection) -> list[Any]:
        add(1)(connection)
        return [numbers(connection), FIND.fetch(connection, {"key": 1}), numbers(connection)]

    assert await database.write(command) == [[1], [(1, "Vega")], [1]]
    assert await database.read(numbers) == [1]


async def test_an_error_is_raised_by_the_commit_at_the_latest(database: Database) -> None:
    await database.write(add(1))
    with pytest.raises(IntegrityError, match="duplicate key"):
        await database.write(add(1))
    with pytest.raises(IntegrityError, match="duplicate key"):
        await database.write(lambda connection: (add(1)(connection), numbers(connection)))
    await database.write(add(2))
    assert await database.read(numbers) == [1, 2]


async def test_what_a_check_says_to_the_number_of_rows_ends_the_transaction(database: Database) -> None:
    def refuse(changed: int) -> None:
        raise ValueError(f"{changed} rows")

    def command(connection: Connection) -> None:
        add(1)(connection)
        ADD.send(connection, [{"id": number, "name": "Sirius"} for number in range(2, 100)], refuse)

    with pytest.raises(ValueError, match="98 rows"):
        await database.write(command)
    assert await database.read(numbers) == []


async def test_a_command_that_swallows_an_error_is_not_committed(database: Database) -> None:
    def command(connection: Connection) -> None:
        add(1)(connection)
        with pytest.raises(IntegrityError):
            RENAME.fetch(connection, {"key": 1, "to": None})

    with pytest.raises(RuntimeError, match="taken the transaction back"):
        await database.write(command)
    assert await database.read(numbers) == []


async def test_in_a_group_each_error_is_of_its_own_command(database: Database) -> None:
    def change_its_mind(connection: Connection) -> None:
        add(7)(connection)
        raise KeyError("before anything was sent")

    def change_its_mind_late(connection: Connection) -> None:
        add(8)(connection)
        assert numbers(connection) == [1, 2, 8]
        raise KeyError("after all was sent")

    def nothing(_: Connection) -> int:
        return 0

    commands = (add(1), add(1), change_its_mind, add(2), change_its_mind_late, nothing, add(3, 2), numbers, add(4))
    outcomes = await asyncio.gather(*(database.write(command) for command in commands), return_exceptions=True)
    kinds = [int, IntegrityError, KeyError, int, KeyError, int, IntegrityError, list, int]
    assert [type(outcome) for outcome in outcomes] == kinds
    assert outcomes[7] == [1, 2]
    assert await database.read(numbers) == [1, 2, 4]


async def test_more_than_fits_into_any_buffer_goes_both_ways(database: Database) -> None:
    long = "x" * 100_000

    def command(connection: Connection) -> set[int]:
        ADD.send(connection, [{"id": number, "name": "?"} for number in range(300)])
        answers = [RENAME.ask(connection, {"key": number, "to": f"{number} {long}"}) for number in range(300)]
        return {len(row[0]) - len(f"{number} ") for number, answer in enumerate(answers) for row in answer()}

    assert await database.write(command) == {100_000}


async def test_signs_that_mean_something_to_drivers_are_kept(database: Database) -> None:
    odd = "100 % of $1, %s, %(key)s and 'it' \\ \N{GREEK SMALL LETTER ALPHA}"
    odd_ones = Prepared(select(STAR.c.id).where(STAR.c.id % 2 == 1))

    def command(connection: Connection) -> list[Any]:
        add(1, name=odd)(connection)
        add(2, name="nul\0")(connection)
        return [odd_ones.fetch(connection), FIND.fetch(connection, {"key": 2})]

    assert await database.write(command) == [[(1,)], [(2, "nul\N{REPLACEMENT CHARACTER}")]]
    assert await database.read(lambda connection: FIND.fetch(connection, {"key": 1})) == [(1, odd)]


async def test_a_value_that_cannot_be_sent_does_no_harm(database: Database) -> None:
    def command(connection: Connection) -> None:
        add(1)(connection)
        add(2, name="half of a pair \ud800")(connection)

    outcomes = await asyncio.gather(
        *(database.write(one) for one in (command, add(3), command)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [UnicodeEncodeError, int, UnicodeEncodeError]
    with pytest.raises(UnicodeEncodeError):
        await database.write(command)
    assert await database.read(numbers) == [3]


async def test_a_table_may_change_under_a_prepared_statement(database: Database) -> None:
    every = Prepared(select(STAR))
    await database.write(add(1))
    assert await database.write(every.fetch) == [(1, "Vega")]
    await database.write(lambda connection: connection.execute(text("ALTER TABLE sent_star ALTER id TYPE integer")))
    with pytest.raises(Exception, match="cached plan"):
        await database.write(every.fetch)
    assert await database.write(every.fetch) == [(1, "Vega")]


async def test_a_connection_that_broke_is_replaced_and_one_that_breaks_is_told_of(
    database: Database, postgresql_server: PostgresqlServer
) -> None:
    end_others = (
        "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
        f" WHERE datname = '{database.url.rpartition('/')[2]}' AND pid <> pg_backend_pid()"
    )
    await database.write(add(1))
    postgresql_server.query(end_others)
    assert await database.write(add(2)) == 2

    def command(connection: Connection) -> None:
        add(3)(connection)
        assert numbers(connection) == [1, 2, 3]
        postgresql_server.query(end_others)
        add(4)(connection)

    with pytest.raises(UnavailableError, match="database is not available"):
        await database.write(command)
    assert await database.write(add(5)) == 5
    assert await database.read(numbers) == [1, 2, 5]
