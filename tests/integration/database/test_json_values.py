"""Values of JSON in conditions: the same rows on every engine, and never an error."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, select

from shared.database.engines import open_engine
from shared.database.json_values import JsonKind, compare_json
from shared.database.types import Json

STAR = Table(
    "json_star", MetaData(), Column("id", Integer, primary_key=True, autoincrement=False), Column("found", Json)
)
DOCUMENTS: list[Any] = [
    None,
    {},
    {"a": None},
    {"a": True},
    {"a": False},
    {"a": 3},
    {"a": 3.0},
    {"a": 3.5},
    {"a": -1e300},
    {"a": 2**53 + 1},
    {"a": 2**64 - 1},
    {"a": 5e-300},
    {"a": "3"},
    {"a": ""},
    {"a": "B"},
    {"a": "a"},
    {"a": "a "},
    {"a": "é"},
    {"a": "𝛱 ✓"},
    {"a": "\ufb01"},
    {"a": "true"},
    {"a": 'say "\\u0041" \n'},
    {"a": "\\u0000"},
    {"a": 1, "b": "\0", "\0": "\\\0"},
    {"a": {"b": 7}},
    {"a": {"b": {"c": "deep"}}},
    {"a": [1, {"b": 7}]},
    {"a": {"0": "zero"}},
    {"it's %s :x": 1},
    {"a.b": 2, "$": 3, "a[0]": 4},
    {"b": [[[[[["'; --"]]]]]], "a": 0},
]


@pytest.fixture
def connection(make_database: Callable[[str], str]) -> Iterator[Connection]:
    engine = open_engine(make_database("json"), writer=False)
    writer = open_engine(make_database("json"), writer=True, changes_tables=True)
    with writer.begin() as connection:
        STAR.metadata.drop_all(connection)
        STAR.metadata.create_all(connection)
        connection.execute(
            STAR.insert(), [{"id": number, "found": document} for number, document in enumerate(DOCUMENTS)]
        )
    writer.dispose()
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def look_up(document: Any, keys: Sequence[str]) -> tuple[str | None, Any]:
    """What is at a path, by Python."""
    for key in keys:
        if not isinstance(document, dict) or key not in document:
            return None, None
        document = document[key]
    names = {type(None): "null", int: "integer", float: "real", str: "text", dict: "object", list: "array"}
    return str(document).lower() if isinstance(document, bool) else names[type(document)], document


PATHS = [
    ["a"],
    ["a", "b"],
    ["a", "b", "c"],
    ["a", "0"],
    ["b"],
    ["it's %s :x"],
    ["a.b"],
    ["$"],
    ["a[0]"],
    ["nothing"],
]


WANTED: list[Any] = [None, True, False, 3, 3.0, 3.5, 0, -2, 2**53, 2**53 + 1, 2**63 - 1, 1e300, 5e-300]
WANTED += ["", "3", "a", "a ", "B", "é", "true", "\ufb00", "𝛱 ✓", 'say "\\u0041" \n', "\\u0000", "x' OR 1=1 --", "%s"]


def test_kinds(connection: Connection) -> None:
    for keys in PATHS:
        found = connection.execute(select(STAR.c.id, JsonKind(STAR.c.found, keys))).all()
        assert sorted((row[0], row[1]) for row in found) == [
            (number, look_up(document, keys)[0]) for number, document in enumerate(DOCUMENTS)
        ], keys


@pytest.mark.parametrize("keys", [["a"], ["a", "b"]], ids=".".join)
def test_comparisons(connection: Connection, keys: list[str]) -> None:
    for wanted in WANTED:
        comparisons: list[Callable[[Any, Any], Any]] = [operator.eq, operator.ne]
        if wanted is not None and not isinstance(wanted, bool):
            comparisons += [operator.lt, operator.le, operator.gt, operator.ge]
        for compare in comparisons:
            statement = select(STAR.c.id).where(compare_json(STAR.c.found, keys, compare, wanted)).order_by(STAR.c.id)
            assert list(connection.execute(statement).scalars()) == [
                number
                for number, document in enumerate(DOCUMENTS)
                if _is_same_kind(look_up(document, keys), wanted) and compare(look_up(document, keys)[1], wanted)
            ], (compare, wanted)


def _is_same_kind(found: tuple[str | None, Any], wanted: Any) -> bool:
    match wanted:
        case None:
            return found[0] == "null"
        case bool():
            return found[0] in ("true", "false")
        case str():
            return found[0] == "text"
        case _:
            return found[0] in ("integer", "real")
