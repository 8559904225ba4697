"""The scheduler's tables. Rows never leave this folder.

Tasks, attempts and the edges between them are written in bulk, so their keys are handed out by `KeyBlocks` rather than
by the engine.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from eas.database.ddl import partial_index
from eas.database.tables import find_table
from eas.database.types import Json, Key, UtcTime

_LONG_TEXT = Text(length=2**31 - 1)


#: The conditions of the partial indexes on attempts. Queries have them word for word, or the engines do not use them.
IS_CLAIMABLE = text("attempt.state = 'queued' AND NOT attempt.on_hold")
IS_LEASED = text("attempt.state IN ('running', 'checking')")
IS_DELAYED = text("attempt.state = 'queued' AND attempt.on_hold AND attempt.not_before IS NOT NULL")
IS_UNRUNG = text("attempt.state = 'queued' AND NOT attempt.on_hold AND attempt.rung_at IS NULL")
IS_UNDECIDED = text("attempt.state = 'queued' AND attempt.undecided")
MAY_BE_OVERDUE = text("attempt.state = 'queued' AND NOT attempt.on_hold AND attempt.overdue_at IS NOT NULL")


class SchedulerRow(SQLModel, registry=registry()):
    """Base of the scheduler's rows, with its own set of tables."""


def _key(**options: Any) -> Any:
    return Field(default=None, sa_column=Column(Key, primary_key=True, **options))


def _reference(target: str, *, nullable: bool = False) -> Any:
    column = Column(Key, ForeignKey(target, ondelete="CASCADE"), nullable=nullable)
    return Field(default=None, sa_column=column)


def _time(*, nullable: bool = True) -> Any:
    return Field(default=None, sa_column=Column(UtcTime, nullable=nullable))


def _json(*, nullable: bool = True) -> Any:
    return Field(default=None, sa_column=Column(Json, nullable=nullable))


def _flag() -> Any:
    return Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))


def _count() -> Any:
    return Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))


class KeySequenceRow(SchedulerRow, table=True):
    """The next free key of a table whose keys are handed out in blocks."""

    __tablename__ = "key_sequence"
    name: str = Field(sa_column=Column(String(32), primary_key=True))
    next_key: int = Field(sa_column=Column(Key, nullable=False))


class TaskTypeRow(SchedulerRow, table=True):
    """What workers announced of a task type."""

    __tablename__ = "task_type"
    name: str = Field(sa_column=Column(String(64), primary_key=True))
    version: str = Field(sa_column=Column(String(64), nullable=False))
    description: dict[str, Any] = _json(nullable=False)
    announced_at: datetime = _time(nullable=False)


class TaskTypeReleaseRow(SchedulerRow, table=True):
    """A version of a task type, and since when it was the registered one. None is ever changed or removed."""

    __tablename__ = "task_type_release"
    __table_args__: ClassVar[Any] = (Index("ix_task_type_release_name", "name", "id"),)
    id: int = _key()
    name: str = Field(sa_column=Column(String(64), nullable=False))
    version: str = Field(sa_column=Column(String(64), nullable=False))
    announced_at: datetime = _time(nullable=False)


class TaskTypeRulesRow(SchedulerRow, table=True):
    """What an operator has set for the attempts of a task type."""

    __tablename__ = "task_type_rules"
    name: str = Field(sa_column=Column(String(64), primary_key=True))
    rules: dict[str, Any] = _json(nullable=False)
    set_at: datetime = _time(nullable=False)
    set_by: str = Field(sa_column=Column(String(256), nullable=False))


class ContainerRow(SchedulerRow, table=True):
    """A kind of worker: the resources that it asks for, and those that it was given."""

    __tablename__ = "container"
    name: str = Field(sa_column=Column(String(64), primary_key=True))
    requested_cpu: float
    requested_gpu: int
    requested_memory_gb: float
    assigned_cpu: float
    assigned_gpu: int
    assigned_memory_gb: float


class ContainerTaskTypeRow(SchedulerRow, table=True):
    """A task type that a kind of worker can run."""

    __tablename__ = "container_task_type"
    container: str = Field(
        sa_column=Column(String(64), ForeignKey("container.name", ondelete="CASCADE"), primary_key=True)
    )
    task_type: str = Field(sa_column=Column(String(64), primary_key=True))


class LeadershipRow(SchedulerRow, table=True):
    """Which of several schedulers does what only one may do."""

    __tablename__ = "leadership"
    name: str = Field(sa_column=Column(String(32), primary_key=True))
    holder: str = Field(sa_column=Column(String(128), nullable=False))
    fence: int = Field(sa_column=Column(Key, nullable=False))
    expires_at: datetime = _time(nullable=False)


class WorkerRow(SchedulerRow, table=True):
    """A worker that announced itself."""

    __tablename__ = "worker"
    worker_id: str = Field(sa_column=Column(String(64), primary_key=True))
    host: str = Field(sa_column=Column(String(256), nullable=False))
    process_id: int
    slots: int
    announced_at: datetime = _time(nullable=False)
    last_heard_at: datetime = _time(nullable=False)
    gone: bool = False
    task_types: list[str] | None = _json()
    container: str | None = Field(default=None, sa_column=Column(String(64)))
    draining: bool = _flag()
    paused: str | None = Field(default=None, sa_column=Column(String(512)))
    clock_offset: float | None = None


class WorkerLossRow(SchedulerRow, table=True):
    """A worker was lost, with all that it held then."""

    __tablename__ = "worker_loss"
    __table_args__: ClassVar[Any] = (Index("ix_worker_loss_worker", "worker_id", "at"),)
    id: int = _key()
    worker_id: str = Field(sa_column=Column(String(64), nullable=False))
    at: datetime = _time(nullable=False)


class JobRow(SchedulerRow, table=True):
    """A submitted job: its document as it came, and the counts of its tasks by state."""

    __tablename__ = "job"
    __table_args__: ClassVar[Any] = (
        Index("ix_job_name", "name"),
        Index("ux_job_idempotency_key", "idempotency_key", unique=True),
    )
    id: int = _key()
    name: str | None = Field(default=None, sa_column=Column(String(256)))
    state: str = Field(sa_column=Column(String(16), nullable=False))
    working_directory: str = Field(sa_column=Column(String(1024), nullable=False))
    document: dict[str, Any] = _json(nullable=False)
    seed: int = Field(sa_column=Column(Key, nullable=False))
    root_task_id: int = Field(sa_column=Column(Key, nullable=False))
    submitted_at: datetime = _time(nullable=False)
    submitted_by: str = Field(sa_column=Column(String(256), nullable=False))
    finished_at: datetime | None = _time()
    paused: bool = _flag()
    rerun: bool = _flag()
    reuse: bool = _flag()
    idempotency_key: str | None = Field(default=None, sa_column=Column(String(128)))
    waiting: int = _count()
    queued: int = _count()
    running: int = _count()
    done: int = _count()
    failed: int = _count()
    blocked: int = _count()
    cancelled: int = _count()


class TaskRow(SchedulerRow, table=True):
    """One unit of work. Its description is the part of the job's document at `pointer`."""

    __tablename__ = "task"
    __table_args__: ClassVar[Any] = (
        Index("ix_task_children", "parent_id", "position"),
        Index("ix_task_job", "job_id"),
        Index("ix_task_progress", "job_id", "task_type", "state"),
    )
    id: int = _key(autoincrement=False)
    job_id: int = _reference("job.id")
    parent_id: int | None = _reference("task.id", nullable=True)
    position: int = _count()
    level: int = _count()
    pointer: list[str | int] = _json(nullable=False)
    task_type: str = Field(sa_column=Column(String(64), nullable=False))
    name: str | None = Field(default=None, sa_column=Column(String(256)))
    job_name: str | None = Field(default=None, sa_column=Column(String(256)))
    working_directory: str = Field(sa_column=Column(String(1024), nullable=False))
    task_metadata: dict[str, Any] | None = Field(default=None, sa_column=Column("metadata", Json))
    seed: int = Field(sa_column=Column(Key, nullable=False))
    state: str = Field(sa_column=Column(String(16), nullable=False))
    unmet: int = _count()
    children: int = _count()
    iteration: int = _count()
    attempts: int = _count()
    strikes: int = _count()
    losses: int = _count()
    accepted_attempt_id: int | None = Field(default=None, sa_column=Column(Key))
    blocked_by: int | None = Field(default=None, sa_column=Column(Key))
    reason: str | None = Field(default=None, sa_column=Column(String(32)))
    message: str | None = Field(default=None, sa_column=Column(_LONG_TEXT))
    excuse: str | None = Field(default=None, sa_column=Column(_LONG_TEXT))
    changed_settings: dict[str, Any] | None = _json()
    changed_execution: dict[str, Any] | None = _json()
    changed_by: str | None = Field(default=None, sa_column=Column(String(256)))
    changed_at: datetime | None = _time()
    execution: dict[str, Any] | None = _json()


class ProductPromiseRow(SchedulerRow, table=True):
    """A file that a task promises, and, once its attempt is accepted, the version that its readers get.

    A re-run promises the file again: each of its promises is a generation, and the newest has the name.
    """

    __tablename__ = "product_promise"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("directory", "filename", "generation", name="uq_product_promise_name"),
        Index("ix_product_promise_task", "task_id"),
    )
    id: int = _key(autoincrement=False)
    task_id: int = _reference("task.id")
    slot: str = Field(sa_column=Column(String(256), nullable=False))
    directory: str = Field(sa_column=Column(String(512), nullable=False))
    filename: str = Field(sa_column=Column(String(256).with_variant(String(255), "mysql"), nullable=False))
    generation: int = Field(default=1, sa_column=Column(Integer, nullable=False, server_default="1"))
    version: dict[str, Any] | None = _json()


class DependencyRow(SchedulerRow, table=True):
    """An edge: a task needs a file (label: the slot) or the metadata (label: the name) of another."""

    __tablename__ = "dependency"
    __table_args__: ClassVar[Any] = (Index("ix_dependency_source", "source_id"),)
    task_id: int = Field(sa_column=Column(Key, ForeignKey("task.id", ondelete="CASCADE"), primary_key=True))
    kind: str = Field(sa_column=Column(String(8), primary_key=True))
    label: str = Field(sa_column=Column(String(256), primary_key=True))
    source_id: int = _reference("task.id")
    promise_id: int | None = _reference("product_promise.id", nullable=True)


class AttemptRow(SchedulerRow, table=True):
    """One try at running a task. Its key is the fence: nothing is taken from an attempt that is no longer open."""

    __tablename__ = "attempt"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("task_id", "number", name="uq_attempt_number"),
        Index("ix_attempt_job", "job_id"),
        *partial_index("ix_attempt_undecided", ["id"], "state = 'queued' AND undecided", ["state", "undecided", "id"]),
        *partial_index("ix_attempt_fingerprint", ["fingerprint"], "fingerprint IS NOT NULL", ["fingerprint", "id"]),
        *partial_index(
            "ix_attempt_trouble",
            ["job_id", "id"],
            "state IN ('failed', 'lost', 'rejected')",
            ["job_id", "state", "id"],
        ),
        *partial_index(
            "ix_attempt_queue",
            ["task_type", "priority", "start_tag", "id"],
            "state = 'queued' AND NOT on_hold",
            ["state", "on_hold", "task_type", "priority", "start_tag", "id"],
        ),
        *partial_index(
            "ix_attempt_lease",
            ["lease_expires_at"],
            "state IN ('running', 'checking')",
            ["state", "lease_expires_at"],
        ),
        *partial_index(
            "ix_attempt_delayed",
            ["not_before"],
            "state = 'queued' AND on_hold AND not_before IS NOT NULL",
            ["state", "on_hold", "not_before"],
        ),
        *partial_index(
            "ix_attempt_overdue",
            ["overdue_at"],
            "state = 'queued' AND NOT on_hold AND overdue_at IS NOT NULL",
            ["state", "on_hold", "overdue_at"],
        ),
        *partial_index(
            "ix_attempt_unrung",
            ["task_type", "id"],
            "state = 'queued' AND NOT on_hold AND rung_at IS NULL",
            ["state", "on_hold", "task_type", "rung_at", "id"],
        ),
        Index(
            "ix_attempt_rung",
            "task_type",
            "rung_at",
            sqlite_where=text("state = 'queued' AND NOT on_hold AND rung_at IS NOT NULL"),
            postgresql_where=text("state = 'queued' AND NOT on_hold AND rung_at IS NOT NULL"),
        ),
    )
    id: int = _key(autoincrement=False)
    task_id: int = _reference("task.id")
    job_id: int = _reference("job.id")
    number: int
    task_type: str = Field(sa_column=Column(String(64), nullable=False))
    priority: int = _count()
    start_tag: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    state: str = Field(sa_column=Column(String(16), nullable=False))
    worker_id: str | None = Field(default=None, sa_column=Column(String(64)))
    lease_token: str | None = Field(default=None, sa_column=Column(String(32)))
    lease_expires_at: datetime | None = _time()
    cancel_requested: bool = False
    on_hold: bool = _flag()
    queued_at: datetime = _time(nullable=False)
    not_before: datetime | None = _time()
    overdue_at: datetime | None = _time()
    rung_at: datetime | None = _time()
    run_timeout: float | None = None
    memory_gb: float | None = None
    claimed_at: datetime | None = _time()
    started_at: datetime | None = _time()
    ended_at: datetime | None = _time()
    wall_time: float | None = None
    cpu_time: float | None = None
    cpu_time_with_children: float | None = None
    peak_memory: int | None = Field(default=None, sa_column=Column(BigInteger))
    read_bytes: int | None = Field(default=None, sa_column=Column(BigInteger))
    written_bytes: int | None = Field(default=None, sa_column=Column(BigInteger))
    reason: str | None = Field(default=None, sa_column=Column(String(32)))
    message: str | None = Field(default=None, sa_column=Column(_LONG_TEXT))
    settings: dict[str, Any] | None = _json()
    result: dict[str, Any] | None = Field(default=None, sa_column=Column("metadata", Json))
    inputs: dict[str, Any] | None = _json()
    outputs: list[dict[str, Any]] | None = _json()
    undecided: bool = _flag()
    fingerprint: str | None = Field(default=None, sa_column=Column(String(32)))
    fingerprint_parts: str | None = Field(default=None, sa_column=Column(String(128)))
    adopted_from: int | None = Field(default=None, sa_column=Column(Key))
    reuse: dict[str, Any] | None = _json()


class TransitionRow(SchedulerRow, table=True):
    """Every step of every attempt, in the order in which they were committed."""

    __tablename__ = "transition"
    __table_args__: ClassVar[Any] = (Index("ix_transition_job", "job_id", "id"),)
    id: int = _key()
    job_id: int = Field(sa_column=Column(Key, nullable=False))
    task_id: int = Field(sa_column=Column(Key, nullable=False))
    attempt_id: int | None = Field(default=None, sa_column=Column(Key))
    state_before: str | None = Field(default=None, sa_column=Column(String(16)))
    state_after: str = Field(sa_column=Column(String(16), nullable=False))
    reason: str | None = Field(default=None, sa_column=Column(String(32)))
    at: datetime = _time(nullable=False)


class OutboxRow(SchedulerRow, table=True):
    """Something that the product store must hear; written with what it speaks of, removed once it was heard."""

    __tablename__ = "outbox"
    id: int = _key()
    kind: str = Field(sa_column=Column(String(32), nullable=False))
    payload: dict[str, Any] = _json(nullable=False)
    created_at: datetime = _time(nullable=False)


class DeadLetterRow(SchedulerRow, table=True):
    """A message for the product store that could not be delivered for good, with the reason."""

    __tablename__ = "dead_letter"
    id: int = _key()
    kind: str = Field(sa_column=Column(String(32), nullable=False))
    payload: dict[str, Any] = _json(nullable=False)
    reason: str = Field(sa_column=Column(_LONG_TEXT, nullable=False))
    created_at: datetime = _time(nullable=False)
    died_at: datetime = _time(nullable=False)


#: The tables, for queries.
key_sequence_table = find_table(KeySequenceRow)
task_type_table = find_table(TaskTypeRow)
task_type_release_table = find_table(TaskTypeReleaseRow)
task_type_rules_table = find_table(TaskTypeRulesRow)
container_table = find_table(ContainerRow)
container_task_type_table = find_table(ContainerTaskTypeRow)
leadership_table = find_table(LeadershipRow)
worker_table = find_table(WorkerRow)
worker_loss_table = find_table(WorkerLossRow)
job_table = find_table(JobRow)
task_table = find_table(TaskRow)
product_promise_table = find_table(ProductPromiseRow)
dependency_table = find_table(DependencyRow)
attempt_table = find_table(AttemptRow)
transition_table = find_table(TransitionRow)
outbox_table = find_table(OutboxRow)
dead_letter_table = find_table(DeadLetterRow)
