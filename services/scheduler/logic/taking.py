"""The moment when attempts leave their queues: a worker has them from then on, or the scheduler itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from services.scheduler.domain.attempt import QueuedAttempt
from services.scheduler.logic.ports import UnitOfWork
from shared.contracts.states import AttemptState, TaskState

#: Who holds attempts that the scheduler ends itself, such as those of flow-control tasks.
SCHEDULER = "scheduler"


def take_attempts(
    unit: UnitOfWork,
    attempts: Sequence[QueuedAttempt],
    worker_id: str,
    lease_token: str,
    lease: timedelta,
) -> None:
    """Queued to running, for attempts and their tasks."""
    unit.attempts.mark_running(
        [attempt.attempt_id for attempt in attempts],
        worker_id=worker_id,
        lease_token=lease_token,
        expires_at=unit.changes.at + lease,
        at=unit.changes.at,
    )
    unit.tasks.mark_running([attempt.task_id for attempt in attempts])
    for attempt in attempts:
        unit.changes.note_attempt(
            attempt.job_id, attempt.task_id, attempt.attempt_id, AttemptState.QUEUED, AttemptState.RUNNING
        )
        unit.changes.note_task(attempt.job_id, TaskState.QUEUED, TaskState.RUNNING)
        unit.changes.queued[attempt.task_type] -= 1
