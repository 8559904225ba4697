"""What retention removes leaves the text index, too, once it is enough."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eas.contracts.log_retention import RetentionPolicy, RetentionRule
from eas.contracts.logs import LogQuery
from eas.database.committer import Database
from eas.database.migrations import upgrade_schema
from eas_logging.logic.retention import Retention
from eas_logging.runtime import MIGRATIONS
from eas_logging.storage.records import RecordCatalog
from eas_logging.storage.retention import RecordRemoval
from eas_logging.storage.text_index import Fts5Index
from tests.integration.log_service.conftest import MakeRecord

GOES, STAYS = 5400, 600


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path}/logging.db"
    upgrade_schema(url, MIGRATIONS)
    found = Database(url)
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def catalog(database: Database, make_record: MakeRecord) -> RecordCatalog:
    """Records of which nine in ten are old, indexed in several parts."""
    found = RecordCatalog(database, Fts5Index())
    old = datetime.now(UTC) - timedelta(days=10)
    for start in range(0, GOES + STAYS, 1000):
        records = [
            make_record(number, message=f"merged word{number}", time=old if number % 10 < 9 else datetime.now(UTC))
            for number in range(start, start + 1000)
        ]
        await found.add(records)
        await found.index_some(1000)
    return found


def index_size(path: Path) -> int:
    with closing(sqlite3.connect(path / "logging.db")) as connection:
        return int(connection.execute("SELECT sum(length(block)) FROM log_text_data").fetchone()[0])


@pytest.mark.parametrize(("merge_after", "is_merged"), [(GOES, True), (GOES + 1, False)])
async def test_the_index_is_merged_when_enough_has_gone(
    database: Database, catalog: RecordCatalog, tmp_path: Path, merge_after: int, is_merged: bool
) -> None:
    before = index_size(tmp_path)
    retention = Retention(RecordRemoval(database, Fts5Index()), every_seconds=3600, merge_after=merge_after)
    await retention.set_policy(RetentionPolicy(rules=[RetentionRule(max_level=50, older_than_days=1)]))
    assert sum((await retention.apply()).expired.values()) == GOES
    assert (index_size(tmp_path) < before / 4) == is_merged
    found = await catalog.find(LogQuery(text="merged", limit=5000))
    assert [record.sequence for record in found] == list(range(9, GOES + STAYS, 10))
    with closing(sqlite3.connect(tmp_path / "logging.db")) as connection:
        connection.execute("INSERT INTO log_text (log_text, rank) VALUES ('integrity-check', 1)")
