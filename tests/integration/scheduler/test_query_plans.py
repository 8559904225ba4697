"""What runs again and again must not read every attempt that there ever was."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from services.scheduler.factory import MIGRATIONS
from services.scheduler.storage.attempts import AttemptStore
from services.scheduler.storage.keys import KeyBlocks
from services.scheduler.storage.reuse import ReuseStore
from shared.database.engines import open_engine
from shared.database.migrations import upgrade_schema


class Stores:
    """The stores that ask again and again."""

    def __init__(self, connection: Connection) -> None:
        self.attempts = AttemptStore(connection, KeyBlocks())
        self.reuse = ReuseStore(connection)


@pytest.mark.parametrize(
    ("call", "index"),
    [
        (lambda stores: stores.attempts.find_expired(datetime.now(UTC), 10), "ix_attempt_lease"),
        (lambda stores: stores.attempts.find_held_by("w1"), "ix_attempt_lease"),
        (lambda stores: stores.attempts.find_queued({"null": 3, "make": 2}, 4), "ix_attempt_queue"),
        (lambda stores: stores.attempts.count_held(), "ix_attempt_lease"),
        (lambda stores: stores.attempts.release_due(datetime.now(UTC), 10), "ix_attempt_delayed"),
        (lambda stores: stores.attempts.find_overdue(datetime.now(UTC), 10), "ix_attempt_overdue"),
        (lambda stores: stores.attempts.find_next_time(), "ix_attempt_overdue"),
        (lambda stores: stores.reuse.find_undecided(0, 10), "ix_attempt_undecided"),
        (lambda stores: stores.reuse.find_accepted(["a", "b"]), "ix_attempt_fingerprint"),
    ],
)
def test_the_partial_index_is_used(call: Any, index: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    upgrade_schema(url, MIGRATIONS)
    engine = open_engine(url, writer=True, connections=1)
    said: list[str] = []
    with engine.begin() as connection:
        driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
        driver.set_trace_callback(said.append)
        call(Stores(connection))
        driver.set_trace_callback(None)
        queries = [statement for statement in said if statement.startswith("SELECT")]
        plans = [row[3] for query in queries for row in driver.execute(f"EXPLAIN QUERY PLAN {query}")]
    engine.dispose()
    assert any(f"USING INDEX {index}" in plan or f"USING COVERING INDEX {index}" in plan for plan in plans), plans
    assert not any(plan.startswith("SCAN attempt") and "INDEX" not in plan for plan in plans), plans
