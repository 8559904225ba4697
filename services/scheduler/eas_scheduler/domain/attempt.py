"""Attempts as the logic sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eas.contracts.metadata import Metadata
from eas.contracts.states import AttemptState


@dataclass(frozen=True, slots=True)
class QueuedAttempt:
    """An attempt that anyone who can run its task type may claim.

    Parameters
    ----------
    priority
        Attempts of a higher one are claimed first.
    not_before
        It is kept on hold until then.
    overdue_at
        If it is still queued then, its task fails.
    memory_gb
        What it may use; None where there is no limit [GB].
    undecided
        It is kept on hold until the scheduler has looked for an equal attempt whose outputs it can adopt.
    start_tag
        Its place among attempts of the same priority: the lowest is claimed first. None: it gets one when it is
        inserted.
    """

    attempt_id: int
    task_id: int
    job_id: int
    number: int
    task_type: str
    priority: int = 0
    not_before: datetime | None = None
    overdue_at: datetime | None = None
    memory_gb: float | None = None
    undecided: bool = False
    start_tag: int | None = None


@dataclass(frozen=True, slots=True)
class KnownAttempt:
    """An attempt with what is needed to judge a report of it."""

    attempt_id: int
    task_id: int
    job_id: int
    number: int
    task_type: str
    state: AttemptState
    worker_id: str | None
    lease_token: str | None
    cancel_requested: bool
    strikes: int
    losses: int
    memory_gb: float | None
    execution: Mapping[str, Any] | None
    priority: int = 0
    start_tag: int = 0


@dataclass(frozen=True, slots=True)
class TaskToRun:
    """What the scheduler knows of a task whose attempt is being claimed or expanded."""

    task_id: int
    job_id: int
    task_type: str
    name: str | None
    job_name: str | None
    working_directory: str
    pointer: tuple[str | int, ...]
    level: int
    metadata: Metadata
    seed: int
    parent_id: int | None
    iteration: int
    changed_settings: Mapping[str, Any]
    rerun: bool
    execution: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class MetDependency:
    """One satisfied dependency: the version of a file, or the metadata of a task."""

    task_id: int
    kind: str
    label: str
    version: dict[str, Any] | None
    metadata: Metadata
