"""The index of words of each kind of database, and its tables."""

from __future__ import annotations

from sqlalchemy import MetaData

from eas.database.engines import parse_database_url
from eas_logging.storage.schema import LoggingRow
from eas_logging.storage.text_index import Fts5Index, TextIndex
from eas_logging.storage.word_index import WordIndex
from eas_logging.storage.word_tables import MYSQL_TEXT, POSTGRESQL_TEXT, MysqlWords, PostgresqlWords


def make_text_index(url: str) -> TextIndex:
    """Make the index of words for the database at `url`."""
    match parse_database_url(url).get_backend_name():
        case "sqlite":
            return Fts5Index()
        case "postgresql":
            return WordIndex(PostgresqlWords())
        case _:
            return WordIndex(MysqlWords())


def list_metadata(url: str) -> list[MetaData]:
    """List all tables of the database at `url`, but the virtual ones of SQLite."""
    match parse_database_url(url).get_backend_name():
        case "sqlite":
            return [LoggingRow.metadata]
        case "postgresql":
            return [LoggingRow.metadata, POSTGRESQL_TEXT.metadata]
        case _:
            return [LoggingRow.metadata, MYSQL_TEXT.metadata]
