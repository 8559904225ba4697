"""Compares the databases of the services with each other. Changes nothing.

Each database is read in portions, whatever is in it, so that memory does not grow with it. What names something is read
before what is named, so that a suite at work does not look inconsistent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, Row, bindparam, inspect, text

from eas.contracts.ids import HIGHEST_ID
from eas.database.contents import RESTORED_MARKER
from eas.database.engines import open_engine
from eas.database.next_keys import read_next_key
from eas.database.servers import explained
from eas.database.types import count_microseconds

_PORTION = 500
#: How many things at fault are named.
_NAMED = 5
#: A verdict may be on its way for so long.
_ON_THE_WAY = timedelta(minutes=1)

_MADE = text(
    "SELECT attempt.id, attempt.state, attempt.outputs, attempt.adopted_from, attempt.ended_at,"
    " task.state AS task_state, task.accepted_attempt_id FROM attempt JOIN task ON task.id = attempt.task_id"
    " WHERE attempt.outputs IS NOT NULL AND attempt.id > :after ORDER BY attempt.id LIMIT :most"
)
_VERSIONS = text("SELECT version_id, attempt_id, passed_qc FROM version WHERE version_id IN :ids")
_STORED = text(
    "SELECT version_id AS id, attempt_id FROM version WHERE version_id > :after ORDER BY version_id LIMIT :most"
)
_LOGGED = text(
    "SELECT DISTINCT attempt_id AS id FROM log_record WHERE attempt_id > :after ORDER BY attempt_id LIMIT :most"
)
_ATTEMPTS = text("SELECT id FROM attempt WHERE id IN :ids")
_WAITING = text("SELECT COUNT(*) FROM (SELECT id FROM outbox LIMIT 1) AS waiting")


@dataclass
class SuiteFinding:
    """One thing that was compared.

    Parameters
    ----------
    name
        What it is.
    fault
        What is wrong if there are any, and what to do next.
    is_fault
        Whether it is a fault, or only to be known.
    count
        How many there are.
    named
        The first of them.
    """

    name: str
    fault: str
    is_fault: bool = True
    count: int = 0
    named: list[int] = field(default_factory=list)

    def add(self, key: int) -> None:
        """Add one."""
        self.count += 1
        if len(self.named) < _NAMED:
            self.named.append(key)

    @property
    def words(self) -> str | None:
        """Say it; None where there is nothing to say."""
        if not self.count:
            return None
        more = ", …" if self.count > len(self.named) else ""
        return f"{self.count} {self.fault.format(ids=', '.join(map(str, self.named)) + more)}"


def check_suite(urls: Mapping[str, str]) -> list[SuiteFinding]:
    """Compare the databases of scheduler, product store and log service.

    Parameters
    ----------
    urls
        Of the databases, by service; all of them have the tables of the newest revision.

    Raises
    ------
    DatabaseStateError, UnavailableError
        What a database says.
    """
    with _reader(urls["scheduler"]) as jobs, _reader(urls["product_store"]) as store, _reader(urls["logging"]) as logs:
        return [
            *_check_versions(jobs, store),
            _check_attempts(
                jobs,
                store,
                _STORED,
                SuiteFinding(
                    "attempts of versions",
                    "versions are of attempts that the scheduler does not know: {ids}. The scheduler was restored to "
                    "an earlier moment, or they were uploaded by hand. They can be read; nothing has to be done",
                    is_fault=False,
                ),
            ),
            _check_attempts(
                jobs,
                logs,
                _LOGGED,
                SuiteFinding(
                    "attempts of log records",
                    "attempts have log records, and the scheduler does not know them: {ids}. The scheduler was "
                    "restored to an earlier moment; nothing has to be done",
                    is_fault=False,
                ),
            ),
            *_check_ids(jobs, store, logs),
        ]


class _Reader:
    """Reads a database, each time as it is then."""

    def __init__(self, url: str, engine: Engine) -> None:
        self._url = url
        self._engine = engine

    @contextmanager
    def open(self) -> Iterator[Connection]:
        with explained(self._url), self._engine.connect() as connection, connection.begin():
            yield connection

    def fetch(self, statement: Any, **values: Any) -> Sequence[Row[Any]]:
        with self.open() as connection:
            return connection.execute(statement, values).all()

    def find(self, statement: Any, ids: Sequence[int]) -> dict[int, Row[Any]]:
        """Find rows by their first column."""
        bound = statement.bindparams(bindparam("ids", expanding=True))
        return {row[0]: row for row in self.fetch(bound, ids=list(ids))} if ids else {}

    def go_through(self, statement: Any) -> Iterator[Sequence[Row[Any]]]:
        """Read rows by their id, in portions."""
        after = 0
        while rows := self.fetch(statement, after=after, most=_PORTION):
            yield rows
            after = rows[-1].id

    def find_highest(self, *columns: tuple[str, str]) -> int:
        with self.open() as connection:
            return max(
                connection.execute(
                    text(f"SELECT MAX({column}) FROM {table} WHERE {column} < :highest"),  # noqa: S608 - names of ours
                    {"highest": HIGHEST_ID},
                ).scalar_one()
                or 0
                for table, column in columns
            )

    def is_marked(self) -> bool:
        with self.open() as connection:
            return inspect(connection).has_table(RESTORED_MARKER)


@contextmanager
def _reader(url: str) -> Iterator[_Reader]:
    engine = open_engine(url, writer=False)
    try:
        yield _Reader(url, engine)
    finally:
        engine.dispose()


def _check_versions(jobs: _Reader, store: _Reader) -> list[SuiteFinding]:
    """Look at the versions that the scheduler names."""
    missing = SuiteFinding(
        "versions",
        "versions that the scheduler names are not in the product store: {ids}. The product store was restored to an "
        "earlier moment; `eas submit FILE --rerun` makes them again, or restore a newer dump of the product store",
    )
    joined = SuiteFinding(
        "makers of versions",
        "versions are of other attempts than the scheduler says: {ids}. Their ids were given twice, by an EAS that did "
        "not compare ids after a restore; submit their jobs again with --rerun",
    )
    differ = SuiteFinding(
        "verdicts",
        "versions that the scheduler accepted have no such verdict in the product store: {ids}. The product store was "
        "restored to an earlier moment, or has not heard of them; `eas products accept VERSION` says it again",
    )
    waiting = bool(jobs.fetch(_WAITING)[0][0])
    before = count_microseconds(datetime.now(UTC) - _ON_THE_WAY)
    for attempts in jobs.go_through(_MADE):
        outputs = [(row, output["version_id"]) for row in attempts for output in orjson.loads(row.outputs)]
        known = store.find(_VERSIONS, sorted({version_id for _, version_id in outputs}))
        for row, version_id in outputs:
            version = known.get(version_id)
            if version is None:
                missing.add(version_id)
                continue
            if row.adopted_from is None and version.attempt_id != row.id:
                joined.add(version_id)
            counts = row.state == "accepted" and row.task_state == "done" and row.accepted_attempt_id == row.id
            is_told = not waiting and row.ended_at is not None and row.ended_at < before
            if counts and not version.passed_qc and (version.passed_qc is not None or is_told):
                differ.add(version_id)
    return [missing, joined, differ]


def _check_attempts(jobs: _Reader, other: _Reader, statement: Any, finding: SuiteFinding) -> SuiteFinding:
    """Look for the attempts that another service names."""
    for rows in other.go_through(statement):
        attempts = {row.id: getattr(row, "attempt_id", row.id) for row in rows}
        known = jobs.find(_ATTEMPTS, sorted(set(attempts.values())))
        for key, attempt_id in attempts.items():
            if attempt_id not in known:
                finding.add(key)
    return finding


def _check_ids(jobs: _Reader, store: _Reader, logs: _Reader) -> list[SuiteFinding]:
    """See that ids go on behind all that other services know."""
    seen = {
        "task": max(
            store.find_highest(("version", "task_id"), ("product", "generator_task_id")),
            logs.find_highest(("log_record", "task_id")),
        ),
        "attempt": max(
            store.find_highest(("version", "attempt_id")),
            logs.find_highest(("log_record", "attempt_id"), ("log_tally", "attempt_id")),
        ),
    }
    told = jobs.fetch(text("SELECT next_key FROM key_sequence WHERE name = 'version'"))
    with store.open() as connection:
        next_version = read_next_key(connection, "version", "version_id")
    newest = store.find_highest(("version", "version_id"))
    sequences = {row.name: row.next_key - 1 for row in jobs.fetch(text("SELECT name, next_key FROM key_sequence"))}
    findings = []
    for name, highest in seen.items():
        finding = SuiteFinding(
            f"{name} ids",
            f"service has seen a {name} that the scheduler has not given yet: {{ids}}. The scheduler is of an earlier "
            "moment; it raises its ids at its next start, before it gives any",
            is_fault=not jobs.is_marked(),
        )
        if highest > max(sequences.get(name, 0), jobs.find_highest((name, "id"))):
            finding.add(highest)
        findings.append(finding)
    versions = SuiteFinding(
        "version ids",
        "version is known to the scheduler and would be given again by the product store: {ids}. The product store is "
        "of an earlier moment; start it again while the scheduler runs, and it raises its ids before it gives any",
        is_fault=not store.is_marked(),
    )
    heard = told[0][0] - 1 if told else 0
    if heard > max(newest, (next_version or 1) - 1):
        versions.add(heard)
    return [*findings, versions]
