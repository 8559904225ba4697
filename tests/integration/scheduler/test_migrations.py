"""An older scheduler's database is brought up to date with everything in it."""

from __future__ import annotations

from collections.abc import Callable

from eas.database.migrations import find_drift, upgrade_schema
from eas_scheduler.runtime import MIGRATIONS
from eas_scheduler.storage.schema import SchedulerRow
from tests.support.databases import Inspector

ROWS = """
INSERT INTO job (id, name, state, working_directory, document, seed, root_task_id, submitted_at, submitted_by)
    VALUES (1, 'old', 'running', '', '{}', 1, 1, 0, 'ada');
INSERT INTO task (id, job_id, parent_id, pointer, task_type, working_directory, seed, state)
    VALUES (1, 1, NULL, '[]', 'execution_chain', '', 1, 'done'), (2, 1, 1, '[]', 'null', '', 1, 'queued');
INSERT INTO attempt (id, task_id, job_id, number, task_type, state, cancel_requested, queued_at)
    VALUES (1, 2, 1, 1, 'null', 'queued', false, 0);
INSERT INTO product_promise (id, task_id, slot, directory, filename) VALUES (1, 1, 'lightcurve', '', 'a.gz');
INSERT INTO dependency (task_id, kind, label, source_id, promise_id)
    VALUES (2, 'metadata', 'x', 1, NULL), (2, 'file', 'lightcurve', 1, 1)
"""


def test_the_migrations_make_the_tables_of_the_row_classes(make_database: Callable[[str], str]) -> None:
    url = make_database("scheduler")
    upgrade_schema(url, MIGRATIONS)
    assert find_drift(url, SchedulerRow.metadata) == []


def test_no_row_is_lost_on_the_way(make_database: Callable[[str], str]) -> None:
    url = make_database("old scheduler")
    upgrade_schema(url, MIGRATIONS, "0001")
    inspector = Inspector(url)
    for row in ROWS.split(";\n"):
        inspector.execute(row)
    upgrade_schema(url, MIGRATIONS)
    tables = ("job", "task", "attempt", "dependency", "product_promise")
    counts = [inspector.fetch(f"SELECT COUNT(*) FROM {table}")[0][0] for table in tables]
    inspector.close()
    assert counts == [1, 2, 1, 2, 1]
    assert find_drift(url, SchedulerRow.metadata) == []


def test_what_an_older_scheduler_had_queued_is_claimed_by_age(make_database: Callable[[str], str]) -> None:
    url = make_database("scheduler without tags")
    upgrade_schema(url, MIGRATIONS, "0013")
    inspector = Inspector(url)
    inspector.execute(
        "INSERT INTO job (id, name, state, working_directory, document, seed, root_task_id, submitted_at, submitted_by)"
        " VALUES (1, 'old', 'running', '', '{}', 1, 1, 0, 'ada')"
    )
    inspector.execute(
        "INSERT INTO task (id, job_id, pointer, task_type, working_directory, seed, state)"
        " VALUES (1, 1, '[]', 'null', '', 1, 'queued')"
    )
    for key, state in ((5, "accepted"), (7, "queued"), (9, "queued")):
        inspector.execute(
            "INSERT INTO attempt (id, task_id, job_id, number, task_type, state, cancel_requested, queued_at)"
            f" VALUES ({key}, 1, 1, {key}, 'null', '{state}', false, 0)"
        )
    upgrade_schema(url, MIGRATIONS)
    queued = inspector.fetch("SELECT id, start_tag FROM attempt WHERE state = 'queued' ORDER BY start_tag")
    inspector.close()
    assert [tuple(row) for row in queued] == [(7, 7), (9, 9)]
