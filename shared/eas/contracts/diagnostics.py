"""Wire models of the scheduler's diagnostics: why a task stands where it does, tables about jobs, and live events."""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field

from eas.contracts.reuse import ReuseView
from eas.contracts.states import AttemptState, FailureReason, JobState, TaskState

#: What one cell of a table may hold.
Cell = Annotated[bool | int | float | str | None, Field(union_mode="smart")]

Outcome = Literal["PASS", "FAIL", "UNDEFINED"]


@dataclass(frozen=True)
class FlatTable:
    """Rows under one heading, for terminals and spreadsheets."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def write_csv(self) -> str:
        """Write RFC 4180 CSV with a header line; times in ISO 8601, nothing for None."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(self.columns)
        writer.writerows([_csv_cell(cell) for cell in row] for row in self.rows)
        return text.getvalue()


def _csv_cell(cell: Any) -> Any:
    match cell:
        case bool():
            return str(cell).lower()
        case datetime():
            return cell.isoformat()
        case _:
            return cell


def sorting_key(cell: Cell) -> tuple[int, float, str]:
    """Give cells of any type one order: numbers by value, then words, then nothing."""
    match cell:
        case None:
            return (2, 0.0, "")
        case bool() | int() | float():
            return (0, float(cell), "")
        case _:
            return (1, 0.0, str(cell))


@dataclass(frozen=True)
class JobFilter:
    """Which tasks a table is about; None asks for all.

    Parameters
    ----------
    job_id
        Only this job.
    job_name
        Only jobs of this name.
    task_type
        Only tasks of this type.
    """

    job_id: int | None = None
    job_name: str | None = None
    task_type: str | None = None


# --- why --------------------------------------------------------------------------------------------------------


class WhyCode(StrEnum):
    """Why a task stands where it does. Stable: scripts read them."""

    WAITING_FOR_TASKS = "waiting_for_tasks"
    WAITING_FOR_WORKER = "waiting_for_worker"
    WAITING_FOR_ROOM = "waiting_for_room"
    WAITING_FOR_TIME = "waiting_for_time"
    WAITING_FOR_SCHEDULER = "waiting_for_scheduler"
    JOB_PAUSED = "job_paused"
    RUNNING = "running"
    RAN = "ran"
    RAN_AGAIN = "ran_again"
    ADOPTED = "adopted"
    EXCUSED = "excused"
    BLOCKED = "blocked"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RelatedTask(BaseModel):
    """Another task that decides about this one."""

    task_id: int
    job_id: int
    task_type: str
    name: str | None = None
    state: TaskState
    reason: FailureReason | None = None
    message: str | None = None


class UnmetDependency(BaseModel):
    """Something that a task waits for: the file or the metadata of another."""

    kind: Literal["file", "metadata"]
    label: str = Field(description="The slot, or the name under which the metadata are asked for.")
    filename: str | None = None
    source: RelatedTask


class EarlierAttempt(BaseModel):
    """An attempt that was not the last word."""

    attempt_id: int
    number: int
    state: AttemptState
    reason: FailureReason | None = None
    message: str | None = None


class QueueStanding(BaseModel):
    """Where a queued attempt stands, and who could take it."""

    queued_since: datetime
    position: int | None = Field(description="1 is the next; null beyond the first ten thousand.")
    workers: int = Field(description="Workers that are here and run this task type.")
    idle_workers: int = Field(description="Those of them with a free slot.")


class WhyView(BaseModel):
    """Why a task stands where it does, for programs and, in `words`, for people."""

    task_id: int
    job_id: int
    task_type: str
    name: str | None
    state: TaskState
    code: WhyCode
    words: str
    waits_for: list[UnmetDependency] = Field(default_factory=list, description="A hundred at most.")
    unmet: int = 0
    queue: QueueStanding | None = None
    not_before: datetime | None = Field(default=None, description="It is kept on hold until then.")
    overdue_at: datetime | None = Field(default=None, description="It fails if it is still queued then.")
    attempt_id: int | None = None
    worker_id: str | None = None
    running_since: datetime | None = None
    lease_expires_at: datetime | None = None
    reason: FailureReason | None = None
    message: str | None = None
    retry: str | None = Field(default=None, description="Why no further attempt was made.")
    changed_settings: list[str] = Field(default_factory=list, description="Settings that a retry changed.")
    changed_execution: list[str] = Field(default_factory=list, description="Rules that a retry changed.")
    reuse: ReuseView | None = Field(default=None, description="What it adopted, or why it adopted nothing.")
    cause: RelatedTask | None = None
    earlier: list[EarlierAttempt] = Field(default_factory=list)


# --- tables -----------------------------------------------------------------------------------------------------


class TableView(BaseModel, ABC):
    """An answer that can be written as one table."""

    @abstractmethod
    def flatten(self) -> FlatTable:
        """Make one table of it."""

    @property
    def following(self) -> str | None:
        """Where the next page begins; None on the last."""
        return None


class TypeProgress(BaseModel):
    """Tasks of one type by state; each task is counted once."""

    task_type: str
    waiting: int = 0
    queued: int = 0
    running: int = 0
    stalled: int = Field(default=0, description="Running, but its worker has missed its heartbeats.")
    done: int = 0
    failed: int = 0
    blocked: int = 0
    cancelled: int = 0


class ProgressTable(TableView):
    """One row a task type."""

    items: list[TypeProgress]

    def flatten(self) -> FlatTable:
        """Make one table of it."""
        return _flatten(TypeProgress, self.items)


class ResultTable(BaseModel):
    """Rows of one job and task type: what tasks inherited, and then what became of them."""

    job_id: int
    job_name: str | None
    task_type: str
    columns: list[str]
    rows: list[list[Cell]]


class ResultTables(TableView):
    """One page of result tables; rows are sorted within it. `next_after` is the `after` of the following page."""

    tables: list[ResultTable]
    next_after: str | None = None

    def flatten(self) -> FlatTable:
        """Make one table of all, with empty cells where a table lacks a column."""
        parameters: dict[str, None] = {}
        own: dict[str, None] = {}
        for table in self.tables:
            names = parameter_columns(table)
            parameters |= dict.fromkeys(names)
            own |= dict.fromkeys(table.columns[len(names) :])
        columns = [*sorted(parameters), *own]
        rows = [
            [table.job_id, table.job_name, table.task_type, *_spread(table.columns, row, columns)]
            for table in self.tables
            for row in table.rows
        ]
        return FlatTable(["job_id", "job_name", "task_type", *columns], rows)

    @property
    def following(self) -> str | None:
        """Where the next page begins; None on the last."""
        return self.next_after


#: The columns that follow the inherited ones.
OUTCOME_COLUMNS = ("outcome", "task_id", "attempt_id")
TIMING_COLUMNS = (
    "state",
    "wall_time",
    "cpu_time",
    "cpu_time_with_children",
    "queue_time",
    "peak_memory",
    "read_bytes",
    "written_bytes",
    "task_id",
    "attempt_id",
)


def parameter_columns(table: ResultTable) -> list[str]:
    """List the columns of a table that its tasks inherited."""
    own = len(OUTCOME_COLUMNS) if tuple(table.columns[-3:]) == OUTCOME_COLUMNS else len(TIMING_COLUMNS)
    return table.columns[:-own]


def _spread(columns: Sequence[str], row: Sequence[Cell], wanted: Sequence[str]) -> list[Cell]:
    by_name = dict(zip(columns, row, strict=True))
    return [by_name.get(name) for name in wanted]


def join_tables(pages: Sequence[ResultTables]) -> ResultTables:
    """Put pages of result tables together: one table for each job and task type, sorted anew."""
    parts: dict[tuple[int, str], list[ResultTable]] = {}
    for page in pages:
        for table in page.tables:
            parts.setdefault((table.job_id, table.task_type), []).append(table)
    return ResultTables(tables=[_join(tables) for tables in parts.values()])


def _join(tables: Sequence[ResultTable]) -> ResultTable:
    first = tables[0]
    own = first.columns[len(parameter_columns(first)) :]
    parameters = sorted({name for table in tables for name in parameter_columns(table)})
    rows = [
        [*_spread(parameter_columns(table), row[: -len(own)], parameters), *row[-len(own) :]]
        for table in tables
        for row in table.rows
    ]
    rows.sort(key=lambda row: [sorting_key(cell) for cell in row])
    return first.model_copy(update={"columns": [*parameters, *own], "rows": rows})


class AttemptTrouble(BaseModel):
    """An attempt that did not end well."""

    attempt_id: int
    task_id: int
    job_id: int
    job_name: str | None
    task_type: str
    task_name: str | None
    number: int
    state: AttemptState
    reason: FailureReason | None
    message: str | None = Field(description="Its first 500 characters; of a traceback, the error.")
    worker_id: str | None
    ended_at: datetime | None


class TroublePage(TableView):
    """Attempts that did not end well, newest last. `next_before` is the `before` of the page of older ones."""

    items: list[AttemptTrouble]
    next_before: int | None = None

    def flatten(self) -> FlatTable:
        """Make one table of it."""
        return _flatten(AttemptTrouble, self.items)

    @property
    def following(self) -> str | None:
        """Where the page of older ones begins; None on the last."""
        return None if self.next_before is None else str(self.next_before)


class QueueLength(BaseModel):
    """How much of one task type waits for workers."""

    task_type: str
    waiting: int = Field(description="What workers may take now.")
    on_hold: int = Field(
        default=0, description="Queued, but kept on hold: its job is paused, or it waits before another try."
    )
    oldest_queued_at: datetime | None = Field(description="Of what workers may take; null where that is nothing.")
    oldest_age: float | None = Field(description="[s]")
    doorbells: int | None = Field(
        default=None, description="Messages in the broker's queue; null where there is no broker, or it is away."
    )


class QueueTable(TableView):
    """Queues that are not empty."""

    items: list[QueueLength]

    def with_doorbells(self, doorbells: Mapping[str, int]) -> Self:
        """Add what waits at a broker, by task type."""
        items = [item.model_copy(update={"doorbells": doorbells.get(item.task_type)}) for item in self.items]
        return self.model_copy(update={"items": items})

    def flatten(self) -> FlatTable:
        """Make one table of it."""
        return _flatten(QueueLength, self.items)


class QueueEntry(BaseModel):
    """One attempt in a queue."""

    attempt_id: int
    task_id: int
    job_id: int
    job_name: str | None
    task_name: str | None
    number: int
    priority: int
    queued_at: datetime
    age: float = Field(description="[s]")


class QueueContent(TableView):
    """The first attempts of one queue, in the order in which they will be claimed."""

    task_type: str
    waiting: int
    attempt_ids: list[int] = Field(description="A hundred at most.")
    items: list[QueueEntry] = Field(default_factory=list, description="The same attempts, with more about each.")

    def flatten(self) -> FlatTable:
        """Make one table of it."""
        return _flatten(QueueEntry, self.items)


class TimelineEntry(BaseModel):
    """When a worker had an attempt."""

    worker_id: str
    host: str | None
    attempt_id: int
    task_id: int
    job_id: int
    task_type: str
    state: AttemptState
    started_at: datetime
    ended_at: datetime | None = Field(description="Null while it runs.")
    duration: float = Field(description="Up to now while it runs [s].")


class Timeline(TableView):
    """Attempts by worker and start."""

    items: list[TimelineEntry]

    def flatten(self) -> FlatTable:
        """Make one table of it."""
        return _flatten(TimelineEntry, self.items)


class HostView(BaseModel):
    """A machine that runs workers."""

    host: str
    workers: int
    slots: int
    running: int
    last_heard_at: datetime


class HostTable(TableView):
    """Machines with workers that are here."""

    items: list[HostView]

    def flatten(self) -> FlatTable:
        """Make one table of it."""
        return _flatten(HostView, self.items)


def _flatten(model: type[BaseModel], items: Sequence[BaseModel]) -> FlatTable:
    columns = list(model.model_fields)
    return FlatTable(columns, [[getattr(item, name) for name in columns] for item in items])


# --- live events ------------------------------------------------------------------------------------------------


class StepReason(StrEnum):
    """Why a step was taken that no failure explains."""

    EXCUSED = "excused"
    CHANGED_SETTINGS = "changed_settings"
    CHANGED_RULES = "changed_rules"
    OVERRULED = "overruled"


class StateChange(BaseModel):
    """One step of one attempt. `event_id` grows with every commit and is the event's id in the stream."""

    event_id: int
    job_id: int
    task_id: int
    attempt_id: int | None
    task_type: str | None
    task_name: str | None
    before: str | None
    after: str
    reason: FailureReason | StepReason | None
    at: datetime


class JobEnd(BaseModel):
    """The last event of a job's stream."""

    job_id: int
    state: JobState
