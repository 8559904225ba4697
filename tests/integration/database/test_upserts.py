"""Rows that may be there already: each is added once, and those that were new are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import BigInteger, Boolean, Column, Connection, Integer, MetaData, String, Table, Text, select
from sqlalchemy.exc import IntegrityError

from eas.database.engines import open_engine
from eas.database.upserts import BulkInsertion, insert_if_absent, insert_or_update

STAR = Table(
    "upsert_star",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(64)),
    Column("remark", Text),
    Column("seen", BigInteger),
    Column("bright", Boolean),
)
NAMES = ["id", "name", "remark", "seen", "bright"]


@pytest.fixture
def connection(make_database: Callable[[str], str]) -> Iterator[Connection]:
    engine = open_engine(make_database("upserts"), writer=True, changes_tables=True)
    with engine.connect() as connection:
        with connection.begin():
            STAR.metadata.drop_all(connection)
            STAR.metadata.create_all(connection)
        connection.begin()
        yield connection
    engine.dispose()


def fetch(connection: Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(select(STAR).order_by(STAR.c.id))]


def test_values_arrive_as_they_are(connection: Connection) -> None:
    hostile = ['"', "\\", '\\"', "{a,b}", "NULL", "", " ", "null", "é 𝛱 \n\t", "%s %(x)s", "'); --", ",", "x" * 70_000]
    rows = [(number, text[:64], text, 2**62 + number, number % 2 == 0) for number, text in enumerate(hostile)]
    rows.append((len(rows), None, None, None, None))  # type: ignore[arg-type]
    assert BulkInsertion(STAR, NAMES, ["id"]).add(connection, rows) == len(rows)
    assert fetch(connection) == rows


@pytest.mark.parametrize("count", [1, 200, 1037])
def test_new_rows_are_counted_and_others_stay(connection: Connection, count: int) -> None:
    insertion = BulkInsertion(STAR, NAMES, ["id"])
    assert insertion.add(connection, []) == 0
    assert insertion.add(connection, [(0, "first", None, 1, True)]) == 1
    rows = [(number, f"star {number}", "x", number, False) for number in range(count)]
    assert insertion.add(connection, rows + rows[:2]) == count - 1
    assert insertion.add(connection, rows) == 0
    assert fetch(connection) == [(0, "first", None, 1, True), *rows[1:]]


def test_without_keys_a_row_that_is_there_is_an_error(connection: Connection) -> None:
    insertion = BulkInsertion(STAR, ["id", "name"])
    assert insertion.add(connection, [(1, "a"), (2, "b")]) == 2
    with pytest.raises(IntegrityError):
        insertion.add(connection, [(3, "c"), (2, "b")])


def test_a_row_is_added_or_changed(connection: Connection) -> None:
    def add_up(there: Any, comes: Any) -> dict[str, Any]:
        return {"seen": there.seen + comes.seen}

    addition = insert_if_absent(connection.dialect, STAR, ["id"])
    counted = {"preserve_rowcount": True}
    for seen, is_new in ((1, True), (5, False)):
        assert connection.execute(addition, {"id": 1, "seen": seen}, execution_options=counted).rowcount == is_new
    change = insert_or_update(connection.dialect, STAR, ["id"], add_up)
    connection.execute(change, [{"id": 1, "seen": 10}, {"id": 2, "seen": 3}, {"id": 1, "seen": 100}])
    assert [(row[0], row[3]) for row in fetch(connection)] == [(1, 111), (2, 3)]
