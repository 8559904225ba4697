"""What a service says of its database, so that it can be made, moved and checked by those who know no service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import MetaData


@dataclass(frozen=True)
class RowCheck:
    """Something that must hold among the rows.

    Parameters
    ----------
    name
        What is checked.
    faults
        A query for the keys of rows for which it does not hold, in SQL that all engines understand.
    problem
        What is wrong with those, to be followed by their keys.
    """

    name: str
    faults: str
    problem: str


@dataclass(frozen=True)
class DatabaseDescription:
    """What a service says of its database.

    Parameters
    ----------
    service
        Its name.
    variable
        The environment variable that holds the database's URL.
    migrations
        The folder with ``env.py`` and ``versions``.
    metadata
        The tables that have what the service knows, as the newest migration leaves them.
    list_metadata
        Lists all tables of the database at a URL, where engines differ in those that are derived.
    counted
        What there is to count, as words for people, and the tables that have a row for each.
    derived
        Tables that follow from the others: those whose names begin so are not dumped, and the service makes them anew.
    forgotten
        Rows that say how far derived tables are made, as table, column and value: not dumped either.
    checks
        What must hold among the rows.
    largest_value
        The longest value that is written [bytes], where it is long.
    largest_value_setting
        The environment variable that says so.
    """

    service: str
    variable: str
    migrations: Path
    metadata: MetaData
    counted: Mapping[str, str]
    derived: Sequence[str] = ()
    forgotten: Sequence[tuple[str, str, str]] = ()
    checks: Sequence[RowCheck] = ()
    list_metadata: Callable[[str], Sequence[MetaData]] | None = None
    largest_value: int | None = None
    largest_value_setting: str = ""
