"""What runs again and again must not read every attempt that there ever was."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from eas.database.engines import open_engine
from eas.database.migrations import upgrade_schema
from eas_scheduler.runtime import MIGRATIONS
from eas_scheduler.storage.attempts import AttemptStore
from eas_scheduler.storage.keys import KeyBlocks
from eas_scheduler.storage.queue_order import Queue, find_first_tags
from eas_scheduler.storage.reuse import ReuseStore
from tests.support.databases import SERVER_KINDS


class Stores:
    """The stores that ask again and again."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.attempts = AttemptStore(connection, KeyBlocks())
        self.reuse = ReuseStore(connection)


CALLS: list[tuple[Callable[[Stores], Any], str]] = [
    (lambda stores: stores.attempts.find_expired(datetime.now(UTC), 10), "ix_attempt_lease"),
    (lambda stores: stores.attempts.find_leased_by("w1"), "ix_attempt_lease"),
    (lambda stores: stores.attempts.find_queued({"null": 3, "make": 2}, 4), "ix_attempt_queue"),
    (lambda stores: find_first_tags(stores.connection, [Queue(1, "null", 0)]), "ix_attempt_queue"),
    (lambda stores: find_first_tags(stores.connection, [Queue(1, "find", 0)]), "ix_attempt_queue"),
    (lambda stores: stores.attempts.count_leased(), "ix_attempt_lease"),
    (lambda stores: stores.attempts.release_due(datetime.now(UTC), 10), "ix_attempt_delayed"),
    (lambda stores: stores.attempts.find_overdue(datetime.now(UTC), 10), "ix_attempt_overdue"),
    (lambda stores: stores.attempts.find_next_time(), "ix_attempt_overdue"),
    (lambda stores: stores.reuse.find_undecided(0, 10), "ix_attempt_undecided"),
    (lambda stores: stores.reuse.find_accepted(["a", "b"]), "ix_attempt_fingerprint"),
]


@pytest.mark.parametrize(("call", "index"), CALLS)
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
        queries = [statement for statement in said if statement.startswith(("SELECT", "WITH"))]
        plans = [row[3] for query in queries for row in driver.execute(f"EXPLAIN QUERY PLAN {query}")]
    engine.dispose()
    assert any(f"USING INDEX {index}" in plan or f"USING COVERING INDEX {index}" in plan for plan in plans), plans
    assert not any(plan.startswith("SCAN attempt") and "INDEX" not in plan for plan in plans), plans


#: They count the rows that a connection reads.
COUNTING = [kind for kind in SERVER_KINDS if kind in ("mariadb", "mysql")]
MANY = 5000


@pytest.mark.parametrize("database_kind", COUNTING, indirect=True)
def test_few_rows_are_read_on_servers(database_url: str) -> None:
    upgrade_schema(database_url, MIGRATIONS)
    changing = open_engine(database_url, writer=True, changes_tables=True)
    with changing.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO job (id, state, working_directory, document, seed, root_task_id, submitted_at, submitted_by)"
            " VALUES (1, 'running', '', '{}', 1, 1, 0, 'ada')"
        )
        keys = [(key,) for key in range(1, MANY + 1)]
        connection.exec_driver_sql(
            "INSERT INTO task (id, job_id, pointer, task_type, working_directory, seed, state)"
            " VALUES (%s, 1, '[]', 'null', '', 1, 'done')",
            keys,
        )
        connection.exec_driver_sql(
            "INSERT INTO attempt (id, task_id, job_id, number, task_type, priority, state, queued_at, cancel_requested)"
            " VALUES (%s, 1, 1, %s, 'null', 0, 'accepted', 0, false)",
            [(key, key) for (key,) in keys],
        )
        connection.exec_driver_sql(
            "INSERT INTO attempt (id, task_id, job_id, number, task_type, priority, start_tag, state, queued_at,"
            " cancel_requested) VALUES (%s, 2, 1, %s, %s, 0, %s, 'queued', 0, false)",
            [(MANY + key, key, "null" if key % 2 else "make", key) for (key,) in keys],
        )
        connection.exec_driver_sql(
            "INSERT INTO task_type (name, version, description, announced_at) VALUES ('null', '1', '{}', 0),"
            " ('make', '1', '{}', 0), ('find', '1', '{}', 0)"
        )
        connection.exec_driver_sql("ANALYZE TABLE attempt, task, job").close()
    changing.dispose()
    engine = open_engine(database_url, writer=True)
    read: dict[str, int] = {}
    for call, index in CALLS:
        with engine.begin() as connection:
            stores = Stores(connection)
            before = count_read_rows(connection)
            call(stores)
            read[index] = max(read.get(index, 0), count_read_rows(connection) - before)
    engine.dispose()
    assert max(read.values()) < MANY / 10, read


def count_read_rows(connection: Connection) -> int:
    """Count the rows that a connection has ever read."""
    counts = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'").all()
    return sum(int(count) for _, count in counts)
