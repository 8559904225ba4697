"""Prepared statements mean what SQLAlchemy would have made of them, for any number of keys and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Connection, Integer, MetaData, String, Table, bindparam, func, select, update
from sqlalchemy.exc import IntegrityError

from eas.database.engines import open_engine
from eas.database.prepared import MOST_KEYS, Prepared, PreparedForKeys, PreparedInsertion, prepare_insert
from eas.database.types import Json, UtcTime

STAR = Table(
    "star",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String(32), nullable=False, unique=True),
    Column("planets", Json),
    Column("seen_at", UtcTime),
    Column("bright", Boolean, nullable=False, server_default="1"),
)
NIGHT = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)
ADD = prepare_insert(STAR, "id", "name", "planets", "seen_at")
FIND = PreparedForKeys(
    lambda keys: select(STAR.c.id, STAR.c.planets, STAR.c.seen_at, STAR.c.bright).where(STAR.c.id.in_(keys))
)
DIM = PreparedForKeys(
    lambda keys: (
        update(STAR).where(STAR.c.id.in_(keys), STAR.c.bright == bindparam("before")).values(bright=bindparam("after"))
    )
)


@pytest.fixture
def connection(make_database: Callable[[str], str]) -> Iterator[Connection]:
    url = make_database("stars")
    tables = open_engine(url, writer=True, changes_tables=True)
    with tables.begin() as connection:
        STAR.metadata.drop_all(connection)
        STAR.metadata.create_all(connection)
        if connection.dialect.name == "mysql":  # where a writer waits for its turn
            connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32))")
    tables.dispose()
    engine = open_engine(url, writer=True)
    with engine.connect() as connection:
        connection.begin()
        yield connection
    engine.dispose()


def stars(count: int) -> list[dict[str, Any]]:
    return [
        {"id": key, "name": f"star {key}", "planets": {"b": key} if key % 2 else None, "seen_at": NIGHT}
        for key in range(1, count + 1)
    ]


def test_values_come_back_as_they_were_given(connection: Connection) -> None:
    ADD.send(connection, stars(2))
    assert [tuple(row) for row in FIND.fetch(connection, [1, 2])] == [
        (1, {"b": 1}, NIGHT, True),
        (2, None, NIGHT, True),
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 31, 32, 33, MOST_KEYS, MOST_KEYS + 1, 3 * MOST_KEYS])
def test_any_number_of_keys_means_as_many_rows(connection: Connection, count: int) -> None:
    ADD.send(connection, stars(3 * MOST_KEYS + 10))
    keys = list(range(1, count + 1))
    assert sorted(row[0] for row in FIND.fetch(connection, keys)) == keys
    assert DIM.execute(connection, keys, {"before": True, "after": False}) == count
    assert DIM.execute(connection, keys, {"before": True, "after": False}) == 0


def test_a_check_hears_of_all_rows_that_were_changed(connection: Connection) -> None:
    changed: list[int] = []
    ADD.send(connection, [], changed.append)
    ADD.send(connection, stars(200), changed.append)
    DIM.send(connection, range(1, 3 * MOST_KEYS), {"before": True, "after": False}, changed.append)
    assert len(FIND.fetch(connection, [200])) == 1
    assert changed == [0, 200, 200]


def test_types_hold_for_comparisons_and_fixed_values(connection: Connection) -> None:
    ADD.send(connection, stars(3))
    later = Prepared(select(func.count()).where(STAR.c.seen_at > bindparam("at"), STAR.c.bright.is_(True)))
    assert later.fetch(connection, {"at": NIGHT - timedelta(seconds=1)})[0][0] == 3
    assert later.fetch(connection, {"at": NIGHT})[0][0] == 0
    forget = Prepared(update(STAR).where(STAR.c.id == bindparam("key")).values(planets=None, seen_at=NIGHT))
    forget.send(connection, [{"key": 3}, {"key": 99}])
    assert FIND.fetch(connection, [3])[0][1] is None


def test_what_is_left_out_is_null_and_not_the_value_of_the_row_before(connection: Connection) -> None:
    rows = [{"id": 1, "name": "a", "planets": [1], "seen_at": NIGHT}, {"id": 2, "name": "b"}]
    ADD.send(connection, rows)
    assert [tuple(row[1:3]) for row in FIND.fetch(connection, [1, 2])] == [([1], NIGHT), (None, None)]


def test_errors_are_those_of_sqlalchemy(connection: Connection) -> None:
    ADD.send(connection, stars(1))
    with pytest.raises(ValueError, match="naive"):
        ADD.execute(connection, {"id": 7, "name": "x", "seen_at": datetime(2026, 1, 1)})
    with pytest.raises(IntegrityError, match=r"UNIQUE|duplicate|Duplicate"):
        ADD.execute(connection, stars(1)[0])


def test_answers_may_be_taken_in_any_order(connection: Connection) -> None:
    first = FIND.ask(connection, [1])
    ADD.send(connection, stars(3))
    second, third = FIND.ask(connection, [1, 2]), FIND.ask(connection, [3])
    assert [len(answer()) for answer in (third, first, second)] == [1, 0, 2]


def test_an_insertion_tells_the_key_that_the_database_made(connection: Connection) -> None:
    insertion = PreparedInsertion(STAR, STAR.c.id, "name", "planets", "seen_at")
    keys = [
        insertion.execute(connection, {"name": name, "planets": {"b": 1}, "seen_at": NIGHT})
        for name in ("Sirius", "Vega")
    ]
    by_name = Prepared(select(STAR).where(STAR.c.name == bindparam("name")))
    (row,) = by_name.fetch_named(connection, {"name": "Vega"})
    assert (row.id, row.planets, row.seen_at, row.bright) == (keys[1], {"b": 1}, NIGHT, True)
    assert by_name.fetch_named(connection, {"name": "Mizar"}) == []
    with pytest.raises(IntegrityError):
        insertion.execute(connection, {"name": "Vega", "planets": None, "seen_at": None})
