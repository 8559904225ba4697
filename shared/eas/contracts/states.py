"""The words for what state a task, an attempt or a job is in, and why an attempt failed. Stable: scripts read them."""

from __future__ import annotations

from enum import StrEnum


class AttemptState(StrEnum):
    """Where one try at running a task stands. See the table in `eas_scheduler.domain.lifecycle`."""

    QUEUED = "queued"
    RUNNING = "running"
    CHECKING = "checking"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"
    LOST = "lost"
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    """Where a task stands; it follows from its attempts and its dependencies."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"


class JobState(StrEnum):
    """Where a job stands; it follows from the counts of its tasks."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class FailureReason(StrEnum):
    """Why an attempt did not end well."""

    SCIENCE = "science"
    INPUT = "input"
    MISSING = "missing"
    QUALITY = "quality"
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    OVER_LIMIT = "over_limit"
    EVICTED = "evicted"
    LOST = "lost"
    INFRASTRUCTURE = "infrastructure"
    CANCELLED = "cancelled"
    PURGED = "purged"


class LogLevel(StrEnum):
    """Severity names; the numbers are those of the standard library's `logging`."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"
