"""The index of words of database servers: words in a table beside the records, split as SQLite's tokeniser does.

A server's own ideas of words, stop words and languages have no part in it, so searches find the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Protocol

from sqlalchemy import ColumnElement, Connection, Table, delete, insert, literal, select

from eas.contracts.logs import LogQuery, RecordOrder
from eas_logging.domain.words import Phrase, split_search, split_words
from eas_logging.storage.conditions import RECORD, record_conditions
from eas_logging.storage.schema import state_table

_STATE = state_table
_INDEXED = "indexed"
_ADDED = ("message", "traceback", "job_id", "task_id", "attempt_id", "level", "host")
#: How many records are read at once, to be split into words: some are large.
_AT_ONCE = 1000
#: How many records are looked at, at least, where the index cannot be sure.
_LOOK_AT = 200


@dataclass(frozen=True)
class Words:
    """What the index has of a record: the words of its texts, and those that say whose it is."""

    record_id: int
    message: list[str]
    traceback: list[str]
    scope: list[str]


@dataclass(frozen=True)
class Match:
    """The condition for words to match, and where not all that meets it does: those are looked at word by word."""

    condition: ColumnElement[bool]
    is_unsure: ColumnElement[bool] | None = None


class WordTable(Protocol):
    """How an engine keeps words."""

    #: With the column `record_id`.
    table: Table

    def add(self, connection: Connection, records: Sequence[Words]) -> None:
        """Add records."""

    def match(self, phrases: Sequence[Phrase], scope: Sequence[Sequence[str]]) -> Match:
        """Make the condition that all phrases stand in texts, and one of each row of words in the scope."""


class WordIndex:
    """`TextIndex` of servers."""

    def __init__(self, words: WordTable) -> None:
        self._words = words

    def advance(self, connection: Connection, most: int) -> int:
        """Index up to `most` records that are not yet, in order of arrival, and tell how many there were."""
        last = first = _read_indexed(connection)
        columns = [RECORD.c.record_id, *(RECORD.c[name] for name in _ADDED)]
        count = 0
        while count < most:
            step = min(_AT_ONCE, most - count)
            statement = select(*columns).where(RECORD.c.record_id > last).order_by(RECORD.c.record_id).limit(step)
            rows = connection.execute(statement).all()
            if rows:
                self._words.add(connection, [_split(*row) for row in rows])
                count, last = count + len(rows), rows[-1].record_id
            if len(rows) < step:
                break
        if last > first:
            connection.execute(delete(_STATE).where(_STATE.c.name == _INDEXED))
            connection.execute(insert(_STATE).values(name=_INDEXED, value=last))
        return count

    def remove(self, connection: Connection, record_ids: Sequence[int]) -> None:
        """Forget records, which are still there."""
        table = self._words.table
        connection.execute(delete(table).where(table.c.record_id.in_(record_ids)))

    def merge(self, connection: Connection, pages: int, *, begins: bool) -> bool:
        """Do nothing: servers give back by themselves what forgotten records took."""
        return False

    def find(
        self, connection: Connection, query: LogQuery, levels: Sequence[int] | None, *, until: int | None = None
    ) -> list[int]:
        """Find ids of records in the order of arrival, oldest or newest first."""
        phrases = [] if query.text is None else split_search(query.text)
        if query.text is not None and not phrases:
            return []
        match = self._words.match(phrases, list_scope(query, levels))
        record_id = self._words.table.c.record_id
        newest_first = query.order is RecordOrder.DESCENDING
        statement = select(record_id, literal(False) if match.is_unsure is None else match.is_unsure)
        statement = statement.where(match.condition).order_by(record_id.desc() if newest_first else record_id)
        if until is not None:
            statement = statement.where(record_id <= until)
        if more := record_conditions(query):
            statement = statement.join(RECORD, RECORD.c.record_id == record_id).where(*more)
        found: list[int] = []
        after = query.after
        while True:
            wanted = query.limit - len(found)
            if match.is_unsure is not None:
                wanted = max(wanted, _LOOK_AT)
            page = statement.limit(wanted)
            if after:
                page = page.where(record_id < after if newest_first else record_id > after)
            rows = [(int(row[0]), bool(row[1])) for row in connection.execute(page)]
            wrong = _find_wrong(connection, [key for key, is_unsure in rows if is_unsure], phrases)
            found += [key for key, _ in rows if key not in wrong]
            if len(rows) < wanted or len(found) >= query.limit:
                return found[: query.limit]
            after = rows[-1][0]


def list_scope(query: LogQuery, levels: Sequence[int] | None) -> list[list[str]]:
    """List the words for whose records are wanted: one of each row."""
    wanted = (("j", query.job_id), ("t", query.task_id), ("a", query.attempt_id))
    scope = [[f"{letter}{number}"] for letter, number in wanted if number is not None]
    if query.host is not None:
        scope.append([_write_host(query.host)])
    if levels is not None:
        scope.append([f"l{level}" for level in levels])
    return scope


def shorten(word: str, most: int) -> str:
    """Make a word of at most `most` characters, which begins as the word does and is no other's."""
    if len(word) <= most:
        return word
    return word[: most - 32] + md5(word.encode(), usedforsecurity=False).hexdigest()


def _split(
    record_id: int, message: str, traceback: str | None, job: int, task: int, attempt: int, level: int, host: str
) -> Words:
    scope = [f"j{job}", f"t{task}", f"a{attempt}", f"l{level}", _write_host(host)]
    return Words(record_id, split_words(message), split_words(traceback) if traceback else [], scope)


def _write_host(host: str) -> str:
    """Write a host's name as a word; one with a NUL as PostgreSQL has it, which has none."""
    return f"h{host.replace(chr(0), chr(0xFFFD)).encode().hex()}"


def _find_wrong(connection: Connection, record_ids: Sequence[int], phrases: Sequence[Phrase]) -> set[int]:
    """Find out which of these records do not have all phrases."""
    if not record_ids:
        return set()
    texts = select(RECORD.c.record_id, RECORD.c.message, RECORD.c.traceback).where(RECORD.c.record_id.in_(record_ids))
    wrong = set()
    for record_id, *columns in connection.execute(texts):
        split = [split_words(text) for text in columns if text]
        if not all(any(phrase.stands_in(words) for words in split) for phrase in phrases):
            wrong.add(int(record_id))
    return wrong


def _read_indexed(connection: Connection) -> int:
    found = connection.execute(select(_STATE.c.value).where(_STATE.c.name == _INDEXED)).scalar_one_or_none()
    return int(found or 0)
