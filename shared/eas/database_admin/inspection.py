"""Looks whether a database is as it should be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from eas.contracts.errors import EasError
from eas.database.contents import count_rows, count_things, list_tables, refuse_other_service
from eas.database.description import DatabaseDescription
from eas.database.engines import open_engine, show_url
from eas.database.errors import InterruptedRestoreError
from eas.database.migrations import find_drift, has_interrupted_restore, list_revisions, read_revision
from eas.database.next_keys import find_used_keys
from eas.database.references import find_broken_references
from eas.database.servers import explained, has_database, read_largest_packet, require_database

#: How many rows at fault are named.
_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    name
        What it is.
    problem
        What is wrong with it, and what was expected; None if it is well.
    """

    name: str
    problem: str | None = None


@dataclass(frozen=True)
class Inspection:
    """What was found out about a database."""

    service: str
    place: str
    findings: tuple[Finding, ...]
    counts: dict[str, int]

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return all(found.problem is None for found in self.findings)

    @property
    def is_readable(self) -> bool:
        """Whether it was reached and its tables are of the newest revision."""
        passed = {found.name for found in self.findings if found.problem is None}
        return {"reached", "revision", "tables"} <= passed


def inspect_database(url: str, description: DatabaseDescription) -> Inspection:
    """Look at a database from the outside to the inside, as far as that makes sense. Changes nothing."""
    place = show_url(url)
    findings: list[Finding] = []
    counts: dict[str, int] = {}
    try:
        require_database(url)
        engine = open_engine(url, writer=False)
        try:
            with explained(url), engine.connect() as connection, connection.begin():
                findings.append(Finding("reached"))
                findings += _look_at_server(connection, description)
                refuse_other_service(connection, description, place)
                revision = _look_at_revision(connection, description, place)
                findings.append(revision)
                if revision.problem is None:
                    counts = count_things(connection, description)
                    findings += _look_at_rows(connection, description)
            if revision.problem is None:
                with explained(url):
                    findings.append(_look_at_tables(url, description))
        finally:
            engine.dispose()
    except EasError as error:
        findings.append(Finding("reached" if not findings else "inspected", error.message))
    return Inspection(description.service, place, tuple(findings), counts)


def find_contents(url: str, description: DatabaseDescription) -> str | None:
    """Say in words what a database has; None where there is no such database, or no row in it.

    Raises
    ------
    DatabaseStateError, UnavailableError
        What the database says.
    """
    if not has_database(url):
        return None
    engine = open_engine(url, writer=False)
    try:
        with explained(url), engine.connect() as connection, connection.begin():
            counts = count_rows(connection, list_tables(connection, description))
            counted = {word: counts.get(name, 0) for word, name in description.counted.items()}
            if not any(counts.values()):
                return None
            return ", ".join(f"{count} {word}" for word, count in counted.items())
    finally:
        engine.dispose()


def _look_at_server(connection: Connection, description: DatabaseDescription) -> Iterator[Finding]:
    if connection.dialect.name == "postgresql":
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        yield Finding("encoding", None if encoding == "UTF8" else f"the encoding is {encoding}; expected UTF8")
    most = read_largest_packet(connection)
    if most is not None and description.largest_value is not None:
        # Each character that is quoted in a statement takes two.
        needed = 2 * description.largest_value
        problem = (
            f"the server's max_allowed_packet is {most} bytes, and values have up to {description.largest_value}: "
            f"expected at least {needed}, or {description.largest_value_setting} of at most {most // 2}"
        )
        yield Finding("largest packet", None if most >= needed else problem)


def _look_at_revision(connection: Connection, description: DatabaseDescription, place: str) -> Finding:
    known = list_revisions(description.migrations)
    revision = read_revision(connection)
    problem = None
    if has_interrupted_restore(connection):
        problem = InterruptedRestoreError(place).message
    elif revision is None:
        problem = "there are no tables; `eas db create` makes them"
    elif revision not in known:
        problem = f"the revision is {revision}, of a newer EAS; expected {known[0]}"
    elif revision != known[0]:
        problem = f"the revision is {revision}; expected {known[0]}, to which `eas db upgrade` brings it"
    return Finding("revision", problem)


def _look_at_rows(connection: Connection, description: DatabaseDescription) -> Iterator[Finding]:
    names = list_tables(connection, description)
    yield Finding("references", "; ".join(find_broken_references(connection, names)) or None)
    yield Finding("next keys", "; ".join(find_used_keys(connection, names)) or None)
    for check in description.checks:
        keys = [str(row[0]) for row in connection.exec_driver_sql(check.faults).fetchmany(_NAMED + 1)]
        more = ", …" if len(keys) > _NAMED else ""
        yield Finding(check.name, f"{check.problem}: {', '.join(keys[:_NAMED])}{more}" if keys else None)


def _look_at_tables(url: str, description: DatabaseDescription) -> Finding:
    metadata = description.list_metadata(url) if description.list_metadata else description.metadata
    drift = find_drift(url, metadata)
    return Finding(
        "tables", f"they are not as this EAS makes them: {'; '.join(map(str, drift[:_NAMED]))}" if drift else None
    )
