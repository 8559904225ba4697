"""What users may do to tasks, decided from the states that they are in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from eas.contracts.states import FailureReason, TaskState

#: States that a cancellation ends at once: no worker holds the task.
NOT_RUNNING = (TaskState.WAITING, TaskState.QUEUED, TaskState.BLOCKED)
#: States out of which a task can be tried again.
RETRYABLE = (TaskState.FAILED, TaskState.CANCELLED)
_REASONS_TO_CANCEL = frozenset({FailureReason.CANCELLED, FailureReason.PURGED})


@dataclass(frozen=True, slots=True)
class ControlledTask:
    """A task as far as a user's control of it is concerned."""

    task_id: int
    job_id: int
    task_type: str
    state: TaskState
    attempts: int
    unmet: int
    reason: FailureReason | None = None
    execution: Mapping[str, Any] | None = None

    @property
    def purged(self) -> bool:
        """Whether an operator took it out of its queue."""
        return self.state is TaskState.CANCELLED and self.reason is FailureReason.PURGED


@dataclass(frozen=True, slots=True)
class ControlledJob:
    """A job as far as a user's control of it is concerned."""

    job_id: int
    root_task_id: int
    paused: bool
    ended: bool


def choose_states(reasons: Collection[FailureReason]) -> tuple[TaskState, ...]:
    """Choose the states of the tasks that a retry for these reasons means: cancelled ones only where that is named."""
    return RETRYABLE if _REASONS_TO_CANCEL.intersection(reasons) else (TaskState.FAILED,)


def is_rescheduled(task: ControlledTask, *, failed: bool) -> bool:
    """Tell whether rescheduling gives a task a fresh attempt: never one that is open, or that a user cancelled."""
    return task.purged or (failed and task.state is TaskState.FAILED)
