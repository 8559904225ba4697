"""What runs again and again must not read every attempt that there ever was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from services.scheduler.factory import MIGRATIONS
from services.scheduler.storage.attempts import AttemptStore
from services.scheduler.storage.keys import KeyBlocks
from shared.database.engine import create_sqlite_engine
from shared.database.migrations import upgrade_schema


@pytest.mark.parametrize(
    ("call", "index"),
    [
        (lambda store: store.find_expired(datetime.now(UTC), 10), "ix_attempt_lease"),
        (lambda store: store.find_held_by("w1"), "ix_attempt_lease"),
        (lambda store: store.find_queued({"null": 3, "make": 2}, 4), "ix_attempt_queue"),
    ],
)
def test_the_partial_index_is_used(call: Any, index: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    upgrade_schema(url, MIGRATIONS)
    engine = create_sqlite_engine(url, writer=True, connections=1)
    plans: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def explain(_connection: Any, cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans.extend(row[3] for row in rows)

    with engine.begin() as connection:
        call(AttemptStore(connection, KeyBlocks()))
    engine.dispose()
    assert any(f"USING INDEX {index}" in plan or f"USING COVERING INDEX {index}" in plan for plan in plans), plans
    assert not any(plan.startswith("SCAN attempt") and "INDEX" not in plan for plan in plans), plans
