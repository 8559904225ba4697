"""Words in PostgreSQL (a `tsvector` with a GIN index) and in MariaDB and MySQL (an InnoDB full-text index)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Index,
    MetaData,
    Table,
    Text,
    and_,
    cast,
    func,
    literal,
    or_,
    text,
    true,
)
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR

from eas.database.types import Key
from eas.database.upserts import BulkInsertion
from eas_logging.domain.words import Phrase
from eas_logging.storage.word_index import Match, Words, shorten

POSTGRESQL_TEXT = Table(
    "log_text",
    MetaData(),
    Column("record_id", Key, primary_key=True, autoincrement=False),
    Column("is_long", Boolean, nullable=False),
    Column("words", TSVECTOR, nullable=False),
    Index("ix_log_text_words", "words", postgresql_using="gin"),
)
MYSQL_TEXT = Table(
    "log_text",
    MetaData(),
    Column("record_id", Key, primary_key=True, autoincrement=False),
    Column("words", LONGTEXT(charset="ascii", collation="ascii_bin"), nullable=False),
    Index("ix_log_text_words", "words", mysql_prefix="FULLTEXT"),
)


class PostgresqlWords:
    """Words with their places.

    A `tsvector` has places up to 16383, and 255 of one word. A record that is longer has none there: where the order of
    words matters, it is looked at itself. Words that say whose a record is begin with a colon, as no word of a text.
    """

    table = POSTGRESQL_TEXT

    _LAST_PLACE = 16_383
    _MOST_PLACES = 255
    #: A word has 2046 bytes at most.
    _LONGEST = 400

    def __init__(self) -> None:
        self._insertion = BulkInsertion(self.table, ["record_id", "is_long", "words"])

    def add(self, connection: Connection, records: Sequence[Words]) -> None:
        """Add records."""
        self._insertion.add(connection, [(record.record_id, *self._write(record)) for record in records])

    def match(self, phrases: Sequence[Phrase], scope: Sequence[Sequence[str]]) -> Match:
        """Make the condition that all phrases stand in texts, and one of each row of words in the scope."""
        whose = [f"({' | '.join(self._quote(f':{word}') for word in words)})" for words in scope]
        loose, exact = (" & ".join([*whose, *self._write_phrases(phrases, step)]) for step in ("&", "<->"))
        condition = self._holds(exact)
        if any(phrase.is_beginning and len(phrase.words[-1]) > self._LONGEST - 32 for phrase in phrases):
            return Match(self._holds(loose), true())
        if loose == exact:
            return Match(condition)
        is_long = self.table.c.is_long
        return Match(or_(condition, and_(is_long, self._holds(loose))), is_long)

    def _holds(self, query: str) -> ColumnElement[bool]:
        return self.table.c.words.op("@@", is_comparison=True)(cast(literal(query, Text()), TSQUERY))

    def _write_phrases(self, phrases: Sequence[Phrase], step: str) -> list[str]:
        written = []
        for phrase in phrases:
            words = [self._quote(word) for word in phrase.words]
            if phrase.is_beginning:
                words[-1] = f"'{phrase.words[-1][: self._LONGEST - 32]}':*"
            written.append(f"({f' {step} '.join(words)})")
        return written

    def _write(self, record: Words) -> tuple[bool, str]:
        places: dict[str, list[int]] = {}
        # A place is left free between the texts, so that no phrase goes from one to the other.
        for place, word in enumerate(chain(record.message, [""], record.traceback), 1):
            places.setdefault(word, []).append(place)
        places.pop("", None)
        is_long = len(record.message) + len(record.traceback) + 1 > self._LAST_PLACE or any(
            len(found) > self._MOST_PLACES for found in places.values()
        )
        words = (
            map(self._quote, places)
            if is_long
            else (f"{self._quote(word)}:{','.join(map(str, found))}" for word, found in places.items())
        )
        return is_long, " ".join(chain(words, (self._quote(f":{word}") for word in record.scope)))

    def _quote(self, word: str) -> str:
        return f"'{shorten(word, self._LONGEST)}'"


class MysqlWords:
    """Words in an ASCII alphabet of our own, so that no setting of the server for words has a say.

    A word of a text begins with ``xx``, one that says whose a record is with ``ss``: so none is too short or a stop
    word. What is no ASCII letter or digit is its number between underscores. The full-text index knows no phrases with
    beginnings, so phrases are looked up in the text that it was made of.
    """

    table = MYSQL_TEXT

    #: InnoDB indexes words of up to 84 characters.
    _LONGEST = 80

    def __init__(self) -> None:
        self._insertion = BulkInsertion(self.table, ["record_id", "words"])

    def add(self, connection: Connection, records: Sequence[Words]) -> None:
        """Add records."""
        self._insertion.add(connection, [(record.record_id, self._write(record)) for record in records])

    def match(self, phrases: Sequence[Phrase], scope: Sequence[Sequence[str]]) -> Match:
        """Make the condition that all phrases stand in texts, and one of each row of words in the scope."""
        wanted = [f"+({' '.join(shorten(f'ss{word}', self._LONGEST) for word in words)})" for words in scope]
        conditions: list[ColumnElement[bool]] = []
        is_unsure = False
        for phrase in phrases:
            words = [self._encode(word) for word in phrase.words]
            if phrase.is_beginning:
                beginning = f"xx{_write_ascii(phrase.words[-1])}"
                words[-1] = beginning[: self._LONGEST - 32]
                is_unsure |= words[-1] != beginning
            wanted += [f"+{word}" for word in words]
            if phrase.is_beginning:
                wanted[-1] += "*"
            if len(words) > 1:
                together = f" {' '.join(words)}{'' if phrase.is_beginning else ' '}"
                conditions.append(func.instr(self.table.c.words, together) > 0)
        matching = text("MATCH (log_text.words) AGAINST (:wanted IN BOOLEAN MODE)").bindparams(wanted=" ".join(wanted))
        return Match(and_(matching, *conditions), true() if is_unsure else None)

    def _write(self, record: Words) -> str:
        texts = (" ".join(map(self._encode, words)) for words in (record.message, record.traceback))
        return f" {' . '.join(texts)} . {' '.join(shorten(f'ss{word}', self._LONGEST) for word in record.scope)} "

    def _encode(self, word: str) -> str:
        return shorten(f"xx{_write_ascii(word)}", self._LONGEST)


_NO_ASCII = re.compile(r"[^a-z0-9]")


def _write_ascii(word: str) -> str:
    return word if word.isascii() else _NO_ASCII.sub(lambda found: f"_{ord(found[0]):x}_", word)
