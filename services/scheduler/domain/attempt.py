"""Attempts as the logic sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts.metadata import Metadata
from shared.contracts.states import AttemptState


@dataclass(frozen=True, slots=True)
class QueuedAttempt:
    """An attempt that anyone who can run its task type may claim."""

    attempt_id: int
    task_id: int
    job_id: int
    number: int
    task_type: str


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


@dataclass(frozen=True, slots=True)
class MetDependency:
    """One satisfied dependency: the version of a file, or the metadata of a task."""

    task_id: int
    kind: str
    label: str
    version: dict[str, Any] | None
    metadata: Metadata
