"""What others must know of the scheduler's database to make, move and check it."""

from __future__ import annotations

from pathlib import Path

from eas.contracts.states import TaskState
from eas.database.description import DatabaseDescription, RowCheck
from eas_scheduler.storage.schema import SchedulerRow

_COUNTS = ", ".join(f"SUM(CASE WHEN state = '{state}' THEN 1 ELSE 0 END) AS {state}_tasks" for state in TaskState)
_DIFFER = " OR ".join(f"job.{state} <> COALESCE(counted.{state}_tasks, 0)" for state in TaskState)

_WRONG_COUNTS = RowCheck(
    "counts",
    f"SELECT job.id FROM job LEFT JOIN (SELECT job_id, {_COUNTS} FROM task GROUP BY job_id) counted "  # noqa: S608
    f"ON counted.job_id = job.id WHERE {_DIFFER} ORDER BY job.id",
    "jobs whose counts are not those of their tasks",
)
_WITHOUT_ATTEMPT = RowCheck(
    "accepted attempts",
    "SELECT task.id FROM task LEFT JOIN attempt ON attempt.id = task.accepted_attempt_id "
    "WHERE task.accepted_attempt_id IS NOT NULL AND attempt.id IS NULL ORDER BY task.id",
    "tasks whose accepted attempt is gone",
)

DATABASE = DatabaseDescription(
    service="scheduler",
    variable="EAS_SCHEDULER_DATABASE_URL",
    migrations=Path(__file__).parent / "migrations",
    metadata=SchedulerRow.metadata,
    counted={"jobs": "job", "tasks": "task", "attempts": "attempt"},
    checks=(_WRONG_COUNTS, _WITHOUT_ATTEMPT),
    largest_value_setting="EAS_SCHEDULER_MAX_DOCUMENT_BYTES",
)
