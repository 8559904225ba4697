"""Values of JSON in conditions: the same rows on every engine, and never an error."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, select

from eas.database.engines import open_engine
from eas.database.json_values import JsonKind, compare_json
from eas.database.types import Json

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


#: How deep engines look into documents; all others do further than any document goes.
MOST_LEVELS = {"mariadb": 31, "mysql": 100}


def nest(levels: int, beside: Any = None) -> dict[str, Any]:
    """Make a document of so many objects and arrays within each other."""
    nested: Any = []
    for _ in range(levels - 2):
        nested = [nested, '}"]{']
    return {"a": 3, "b": nested, "c": beside}


def test_documents_that_are_too_deep_have_no_values_and_are_in_nobodys_way(
    connection: Connection, make_database: Callable[[str], str], database_kind: str
) -> None:
    many: list[Any] = [[{}, "[{\\"]] * 1000
    levels = (31, 32, 99, 100, 101, 250)
    documents = [nest(number, beside) for number in levels for beside in (None, many)]
    writer = open_engine(make_database("json"), writer=True, changes_tables=True)
    with writer.begin() as other:
        rows = [{"id": 1000 + number, "found": document} for number, document in enumerate(documents)]
        other.execute(STAR.insert(), rows)
    writer.dispose()
    seen = [number for number in levels for _ in range(2) if number <= MOST_LEVELS.get(database_kind, 250)]
    equal = select(STAR.c.id).where(compare_json(STAR.c.found, ["a"], operator.eq, 3)).order_by(STAR.c.id)
    kinds = select(STAR.c.id).where(JsonKind(STAR.c.found, ["b"]) == "array", STAR.c.id >= 1000)
    assert list(connection.execute(equal).scalars()) == [5, 6, *range(1000, 1000 + len(seen))]
    assert len(connection.execute(kinds).all()) == len(seen)


def test_a_document_that_is_too_long_to_be_measured_is_in_nobodys_way(
    connection: Connection, make_database: Callable[[str], str]
) -> None:
    writer = open_engine(make_database("json"), writer=True, changes_tables=True)
    with writer.begin() as other:
        other.execute(STAR.insert(), [{"id": 1000, "found": {"a": -2, "b": [["\\"]] * 100_000}}])
    writer.dispose()
    for wanted, found in ((3, [5, 6]), ("é", [17])):
        equal = select(STAR.c.id).where(compare_json(STAR.c.found, ["a"], operator.eq, wanted)).order_by(STAR.c.id)
        assert list(connection.execute(equal).scalars()) == found


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
