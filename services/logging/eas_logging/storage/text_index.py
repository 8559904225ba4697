"""The index of words in messages and tracebacks: SQLite's FTS5.

It holds no texts. Besides their words it has, for each record, its job, task, attempt, level and host as words of a
column of their own, so that a common word within one attempt is found as quickly as a rare word among all: the index
walks through both lists at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection, bindparam, delete, func, insert, select, text

from eas.contracts.logs import LogQuery, RecordOrder
from eas_logging.domain.search_text import SearchTerm, parse_search
from eas_logging.storage.conditions import RECORD, record_conditions
from eas_logging.storage.schema import state_table

_STATE = state_table
_INDEXED = "indexed"
_ADD = text(
    "INSERT INTO log_text (rowid, message, traceback, scope) "
    "SELECT record_id, message, traceback, scope FROM log_text_source "
    "WHERE record_id > :after AND record_id <= :until ORDER BY record_id"
)
_REMOVE = text(
    "INSERT INTO log_text (log_text, rowid, message, traceback, scope) "
    "SELECT 'delete', record_id, message, traceback, scope FROM log_text_source "
    "WHERE record_id IN :found AND record_id <= :indexed"
).bindparams(bindparam("found", expanding=True))


# A negative number begins to make one part of all that the index consists of, a positive one goes on [pages].
_MERGE = text("INSERT INTO log_text (log_text, rank) VALUES ('merge', :pages)")


class TextIndex(Protocol):
    """Finds records by words. Each engine has its own way."""

    def advance(self, connection: Connection, most: int) -> int:
        """Index up to `most` records that are not yet, in order of arrival, and tell how many there were."""

    def remove(self, connection: Connection, record_ids: Sequence[int]) -> None:
        """Forget records, which are still there."""

    def merge(self, connection: Connection, pages: int, *, begins: bool) -> bool:
        """Do a part of the work of giving back what forgotten records took, and tell whether there is more."""

    def find(
        self, connection: Connection, query: LogQuery, levels: Sequence[int] | None, *, until: int | None = None
    ) -> list[int]:
        """Find ids of records in the order of arrival, oldest or newest first.

        Parameters
        ----------
        connection
            Of the database.
        query
            What is wanted; at most its `limit`, after its `after`.
        levels
            The levels that exist and are wanted; None means any.
        until
            The last record id to look at; None means all.
        """


class Fts5Index:
    """`TextIndex` of SQLite."""

    def advance(self, connection: Connection, most: int) -> int:
        """Index up to `most` records that are not yet, in order of arrival, and tell how many there were."""
        indexed = _read_indexed(connection)
        waiting = select(RECORD.c.record_id).where(RECORD.c.record_id > indexed).order_by(RECORD.c.record_id)
        step = waiting.limit(most).subquery()
        count, last = connection.execute(select(func.count(), func.max(step.c.record_id))).one()
        if not count:
            return 0
        connection.execute(_ADD, {"after": indexed, "until": last})
        connection.execute(delete(_STATE).where(_STATE.c.name == _INDEXED))
        connection.execute(insert(_STATE).values(name=_INDEXED, value=last))
        return int(count)

    def remove(self, connection: Connection, record_ids: Sequence[int]) -> None:
        """Forget records, which are still there."""
        connection.execute(_REMOVE, {"found": list(record_ids), "indexed": _read_indexed(connection)})

    def merge(self, connection: Connection, pages: int, *, begins: bool) -> bool:
        """Do a part of the work of giving back what forgotten records took, and tell whether there is more.

        Until then the lists of words have them twice, as there and as gone, and a search goes through both.
        """
        before = _count_changes(connection)
        connection.execute(_MERGE, {"pages": -pages if begins else pages})
        # SQLite's own way to tell: a merge that had something to do changed more than its own row.
        return _count_changes(connection) - before >= 2

    def find(
        self, connection: Connection, query: LogQuery, levels: Sequence[int] | None, *, until: int | None = None
    ) -> list[int]:
        """Find ids of records in the order of arrival, oldest or newest first."""
        newest_first = query.order is RecordOrder.DESCENDING
        conditions = ["log_text MATCH :match"]
        if query.after:
            conditions.append("log_text.rowid < :after" if newest_first else "log_text.rowid > :after")
        if until is not None:
            conditions.append("log_text.rowid <= :until")
        matching = text(
            f"SELECT rowid AS record_id FROM log_text WHERE {' AND '.join(conditions)} "  # noqa: S608 - fixed words
            f"ORDER BY rowid {'DESC' if newest_first else 'ASC'}"
        )
        values = {"match": write_match(query, levels), "after": query.after, "until": until}
        bound = matching.bindparams(**{name: value for name, value in values.items() if f":{name}" in matching.text})
        matched = bound.columns(RECORD.c.record_id).subquery("matched")
        statement = select(matched.c.record_id).limit(query.limit)
        if more := record_conditions(query):
            # The unary plus keeps SQLite from starting with the records: the index is what is narrow and in order.
            statement = statement.join(RECORD, RECORD.c.record_id == matched.c.record_id + 0).where(*more)
        order = matched.c.record_id.desc() if newest_first else matched.c.record_id
        return list(connection.execute(statement.order_by(order)).scalars())


def write_match(query: LogQuery, levels: Sequence[int] | None) -> str:
    """Write a query in FTS5's language."""
    scope = [
        f'"{letter}{wanted}"'
        for letter, wanted in (("j", query.job_id), ("t", query.task_id), ("a", query.attempt_id))
        if wanted is not None
    ]
    if query.host is not None:
        scope.append(f'"h{query.host.encode().hex()}"')
    if levels is not None:
        scope.append("(" + " OR ".join(f'"l{level}"' for level in levels) + ")")
    parts = [f"scope : ({' AND '.join(scope)})"] if scope else []
    if query.text is not None:
        terms = " AND ".join(_write_term(term) for term in parse_search(query.text))
        parts.append(f"{{message traceback}} : ({terms})")
    return " AND ".join(f"({part})" for part in parts)


def _write_term(term: SearchTerm) -> str:
    words = term.words.replace('"', '""')
    return f'"{words}"*' if term.is_beginning else f'"{words}"'


def _count_changes(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT total_changes()").scalar_one())


def pass_over(connection: Connection) -> int:
    """Move the mark of how far the index has come past the next record, of whatever engine. Returns its id."""
    following = select(func.min(RECORD.c.record_id)).where(RECORD.c.record_id > _read_indexed(connection))
    record_id = int(connection.execute(following).scalar_one() or 0)
    connection.execute(delete(_STATE).where(_STATE.c.name == _INDEXED))
    connection.execute(insert(_STATE).values(name=_INDEXED, value=record_id))
    return record_id


def _read_indexed(connection: Connection) -> int:
    found = connection.execute(select(_STATE.c.value).where(_STATE.c.name == _INDEXED)).scalar_one_or_none()
    return int(found or 0)
