"""Patterns match on every kind of database what SQLite's GLOB matches."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, String, bindparam, literal, select

from eas.database.engines import open_engine
from eas.database.globs import match_glob

LETTERS = "aAbzZ-]^[\\*?.+(){}|$%/'_#& \n\u00e9\u00c9\u03b1\u540d\ue000\U0001f680"
texts = st.text(st.sampled_from(LETTERS), max_size=8)
sets = st.one_of(
    st.sampled_from(
        ["[a-z]", "[^a-z]", "[]a]", "[^]]", "[]-a]", "[a-]", "[-a]", "[z-a]", "[^z-a]", "[a-a-z]", "[é-名]"]
    ),
    st.text(st.sampled_from(LETTERS), max_size=4).map("[{}]".format),
)
patterns = st.lists(st.one_of(st.sampled_from(["*", "?", "a", "-"]), sets, texts), max_size=5).map("".join)


@pytest.fixture
def connection(database_kind: str, make_database: Callable[[str], str]) -> Iterator[Connection]:
    engine = open_engine(make_database("globs"), writer=False)
    with engine.connect() as found:
        yield found
    engine.dispose()


def match_on_sqlite(names: Sequence[str], pattern: str) -> list[bool]:
    with closing(sqlite3.connect(":memory:")) as database:
        return [bool(database.execute("SELECT ? GLOB ?", (name, pattern)).fetchone()[0]) for name in names]


def match(connection: Connection, names: Sequence[str], pattern: str) -> list[bool]:
    columns = (match_glob(bindparam(None, name, String()), pattern).label(f"c{n}") for n, name in enumerate(names))
    return list(connection.execute(select(*columns)).one())


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(["", "a", "*"], "[*]")
@example(["]", "a", "b"], "[^]a]")
@example(["ab\ncd", "AB\nCD"], "a*d")
@example(["a[b", "a"], "a[b")
@example(["x" * 250, "x" * 250 + "y"], "*x*x*x*x")
@example(["a\\b", "ab"], "a\\b")
@example(["\U0001f680", "\ue000"], "?")
@given(st.lists(texts, min_size=1, max_size=6), patterns)
def test_the_same_matches_everywhere(connection: Connection, names: list[str], pattern: str) -> None:
    # A name that was made to fit, by what wild cards stand for, finds more mistakes than names by chance.
    fitting = pattern.replace("*", "ab").replace("?", "z").replace("[a-z]", "b")
    assert match(connection, [*names, fitting], pattern) == match_on_sqlite([*names, fitting], pattern)


def test_many_stars_do_not_take_for_ever(connection: Connection) -> None:
    assert match(connection, ["ab" * 120 + "c"], "*a" * 40 + "*b*d*") == [False]


def test_what_does_not_match_is_found_with_not(connection: Connection) -> None:
    assert connection.execute(select(~match_glob(literal("a"), "[^b"))).scalar_one()
    assert not connection.execute(select(~match_glob(literal("a"), "?"))).scalar_one()
