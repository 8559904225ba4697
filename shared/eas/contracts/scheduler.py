"""Wire models of the scheduler: jobs, tasks, attempts, workers and task types."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from eas.contracts.containers import ResourcesView
from eas.contracts.diagnostics import FlatTable, TableView
from eas.contracts.execution import ExecutionRules, TaskTypeRules
from eas.contracts.metadata import Metadata
from eas.contracts.products import Directory, Filename, Identifier, MimeType, SemanticType
from eas.contracts.reuse import ReuseView
from eas.contracts.states import AttemptState, FailureReason, JobState, TaskState
from eas.contracts.texts import Message, Name, Reason
from eas.contracts.values import CheckedObject, Finite, Natural

# --- jobs and tasks ---------------------------------------------------------------------------------------------


class TaskCounts(BaseModel):
    """How many tasks of a job are in each state."""

    waiting: int = 0
    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    blocked: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All tasks."""
        return self.waiting + self.open + self.done + self.failed + self.blocked + self.cancelled

    @property
    def open(self) -> int:
        """Tasks that are queued or running."""
        return self.queued + self.running


class JobView(BaseModel):
    """A submitted job with its roll-up."""

    job_id: int
    name: str | None
    state: JobState
    working_directory: str
    counts: TaskCounts
    root_task_id: int
    submitted_at: datetime
    submitted_by: str
    finished_at: datetime | None = None
    paused: bool = Field(default=False, description="Nothing more of it is handed out.")
    rerun: bool = Field(default=False, description="It makes new versions of products that other jobs promised.")
    reuse: bool = Field(default=False, description="Its tasks adopt what equal attempts made, instead of running.")
    warnings: list[str] = Field(
        default_factory=list, description="What may not be meant, as its plan says; only in the answer to a submission."
    )


class TaskRetryRequest(BaseModel):
    """What is to be different when a task is tried again."""

    settings: CheckedObject = Field(
        default_factory=dict,
        description="Task-specific keys, to be used instead of the job's own from now on. Null takes a change back.",
    )
    execution: ExecutionRules | None = Field(
        default=None, description="Rules to be used instead of the job's own from now on."
    )


class RetryRequest(TaskRetryRequest):
    """Which tasks of a job are tried again: by default all that failed."""

    task_ids: list[Identifier] = Field(
        default_factory=list, description="Only these; cancelled tasks have to be named."
    )
    reasons: list[FailureReason] = Field(default_factory=list, description="Only what ended for one of these.")


class ExcuseRequest(BaseModel):
    """Why a failed task may count as done."""

    excuse: str = Field(min_length=1, max_length=4096)


class DeferredPlace(BaseModel):
    """A place in a job document that is expanded only when what it depends on is known."""

    where: str = Field(description="JSON path.")
    task_type: str
    tasks: int = Field(description="How many tasks of the plan are to be expanded there.")


class EstimateView(BaseModel):
    """An estimate for all tasks of a job that are of one type and whose settings are known."""

    task_type: str
    quantity: str
    unit: str
    tasks: int = Field(description="How many tasks it is known of.")
    largest: float = Field(description="Of a single task.")
    total: float = Field(description="Of all of them.")
    where: str = Field(description="JSON path of the task with the largest value.")
    condition: str = Field(default="", description="What it takes for granted.")


class JobPlan(BaseModel):
    """What submitting a job would make now."""

    tasks: int
    products: int = Field(description="New ones.")
    new_versions: int = Field(default=0, description="Products that exist and get new versions.")
    task_types: dict[str, int] = Field(description="Task type to number of tasks.")
    deferred: list[DeferredPlace]
    estimates: list[EstimateView] = Field(default_factory=list, description="What the settings tell beforehand.")
    warnings: list[str] = Field(default_factory=list, description="What may not be meant, such as a search of days.")


class JobPage(BaseModel):
    """Jobs, newest first. `next_before` is the `before` of the following page."""

    items: list[JobView]
    next_before: int | None = None


class TaskLine(BaseModel):
    """One line of a task tree."""

    task_id: int
    parent_id: int | None
    level: int
    task_type: str
    name: str | None
    state: TaskState
    metadata: Metadata = Field(default_factory=dict, description="What the task inherits: loop variables.")
    attempts: int = 0
    reason: FailureReason | None = None
    message: str | None = None
    excuse: str | None = Field(default=None, description="Why the task counts as done although it failed.")
    children: int = 0


class TaskPage(TableView):
    """Lines of a task tree in pre-order. `next_after` is the `after` of the following page."""

    items: list[TaskLine]
    next_after: str | None = None

    def flatten(self) -> FlatTable:
        """Make one table of it: the columns of a line, and then one for each thing that tasks inherit."""
        own = [name for name in TaskLine.model_fields if name != "metadata"]
        inherited = sorted({name for line in self.items for name in line.metadata})
        rows = [
            [*(getattr(line, name) for name in own), *(line.metadata.get(name) for name in inherited)]
            for line in self.items
        ]
        return FlatTable([*own, *inherited], rows)

    @property
    def following(self) -> str | None:
        """Where the next page begins; None on the last."""
        return self.next_after


class OutputVersion(BaseModel):
    """A product version that an attempt made, as the product store registered it."""

    slot: SemanticType
    version_id: Identifier
    directory: Directory
    filename: Filename
    md5: str
    sha256: str
    size: Natural
    mime_type: str = "application/octet-stream"
    metadata: Metadata = Field(default_factory=dict)
    passed_qc: bool | None = None
    qc_reason: Reason = ""


class AttemptView(BaseModel):
    """One try at running a task."""

    attempt_id: int
    task_id: int
    number: int
    state: AttemptState
    worker_id: str | None = None
    queued_at: datetime
    claimed_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    lease_expires_at: datetime | None = None
    wall_time: float | None = Field(default=None, description="[s]")
    cpu_time: float | None = Field(default=None, description="[s]")
    cpu_time_with_children: float | None = Field(default=None, description="[s]")
    peak_memory: int | None = Field(default=None, description="[bytes]")
    read_bytes: int | None = Field(default=None, description="From files and pipes [bytes].")
    written_bytes: int | None = Field(default=None, description="To files and pipes [bytes].")
    reason: FailureReason | None = None
    message: str | None = None
    not_before: datetime | None = Field(default=None, description="It is kept on hold until then.")
    run_timeout: float | None = Field(default=None, description="[s]")
    memory_gb: float | None = Field(default=None, description="[GB]")
    settings: dict[str, Any] | None = Field(default=None, description="As evaluated for this attempt.")
    metadata: Metadata = Field(default_factory=dict)
    inputs: dict[str, OutputVersion] = Field(default_factory=dict)
    outputs: list[OutputVersion] = Field(default_factory=list)
    fingerprint: str | None = Field(default=None, description="Attempts of the same one make the same outputs.")
    adopted_from: int | None = Field(default=None, description="The attempt whose outputs it has.")
    reuse: ReuseView | None = Field(default=None, description="In a job with re-use: what was found, what differed.")


class TaskView(BaseModel):
    """A task with everything known about it."""

    task_id: int
    job_id: int
    parent_id: int | None
    task_type: str
    name: str | None
    job_name: str | None
    working_directory: str
    state: TaskState
    description: dict[str, Any]
    metadata: Metadata
    seed: int
    changed_settings: dict[str, Any] = Field(
        default_factory=dict, description="Used instead of the description's, as retries asked for."
    )
    changed_execution: ExecutionRules = Field(
        default_factory=ExecutionRules, description="What of `execution` retries asked for."
    )
    changed_by: str | None = Field(default=None, description="Who changed settings or rules last.")
    changed_at: datetime | None = None
    execution: ExecutionRules = Field(default_factory=ExecutionRules)
    unmet_dependencies: int
    inputs: dict[str, str]
    outputs: dict[str, str]
    requires_metadata_from: dict[str, int] = Field(description="Name to id of the task it comes from.")
    blocked_by: int | None = None
    excuse: str | None = Field(default=None, description="Why the task counts as done although it failed.")
    adopted_from: int | None = Field(default=None, description="The attempt whose outputs it has.")
    attempts: list[AttemptView]


class ResultView(BaseModel):
    """The outcome of one finished task that reports metadata."""

    task_id: int
    task_type: str
    name: str | None
    state: TaskState
    outcome: str | None
    inherited: Metadata
    metadata: Metadata
    outputs: list[OutputVersion] = Field(default_factory=list)


class ResultPage(BaseModel):
    """Results by task id. `next_after` is the `after` of the following page."""

    items: list[ResultView]
    next_after: int | None = None


# --- workers and task types -------------------------------------------------------------------------------------


class SlotDescription(BaseModel):
    """An input or output slot of a task type."""

    name: str
    required: bool = True
    mime_type: str = "application/octet-stream"


class EstimateDescription(BaseModel):
    """What of a task can be told from its settings before it runs, such as its run time."""

    quantity: str = Field(description="Such as: processor time.")
    unit: str = Field(default="s", description="Of the value.")
    expression: str = Field(
        description="An expression of the job language that gives a number. Its `metadata` are the task's settings, "
        "defaults among them."
    )
    condition: str = Field(default="", description="What it takes for granted, such as: for a sample every 10 minutes.")
    advice: str = Field(default="", description="What makes it less.")
    warn_above: float | None = Field(default=None, description="A task of a larger value is warned of.")


class TaskTypeDescription(BaseModel):
    """What a worker says of a task type that it can run."""

    name: str
    version: str
    settings_schema: dict[str, Any] = Field(description="JSON Schema of the task-specific keys.")
    inputs: list[SlotDescription] = Field(default_factory=list)
    outputs: list[SlotDescription] = Field(default_factory=list)
    open_outputs: bool = False
    uses_seed: bool = Field(default=True, description="False where it draws no random numbers.")
    estimates: list[EstimateDescription] = Field(default_factory=list, description="What its settings tell beforehand.")


class _AnnouncedSlot(BaseModel):
    name: SemanticType
    mime_type: MimeType


class _AnnouncedTaskType(BaseModel):
    """What others bear of a description: the scheduler's columns, the queues' names, the product store's plans."""

    name: Name
    version: Name
    settings_schema: CheckedObject
    inputs: list[_AnnouncedSlot]
    outputs: list[_AnnouncedSlot]


def find_description_fault(description: TaskTypeDescription) -> str | None:
    """Say in words why a task type cannot be announced; None where it can."""
    try:
        _AnnouncedTaskType.model_validate(description.model_dump())
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        return f"task type {description.name!r:.80}: {place}: {fault['msg']}"
    return None


def _check_descriptions(descriptions: list[TaskTypeDescription]) -> list[TaskTypeDescription]:
    faults = [fault for found in descriptions if (fault := find_description_fault(found)) is not None]
    if faults:
        raise PydanticCustomError("invalid_task_type", "{faults}", {"faults": "; ".join(faults[:20])})
    return descriptions


class WorkerAnnouncement(BaseModel):
    """A worker's first word: who it is, where, and what it can run."""

    worker_id: Name
    host: str = Field(max_length=256)
    process_id: Natural
    slots: int = Field(ge=1, le=1_000_000)
    task_types: Annotated[list[TaskTypeDescription], AfterValidator(_check_descriptions)]
    container: str | None = Field(
        default=None, min_length=1, max_length=64, description="The kind of worker that it is."
    )
    resources: ResourcesView | None = Field(
        default=None, description="What it has; taken for what its container asks for where that is not known."
    )


class WorkerWelcome(BaseModel):
    """The scheduler's answer to an announcement."""

    lease_seconds: float
    heartbeat_seconds: float
    resources: ResourcesView | None = Field(default=None, description="What each worker of its container was given.")
    time: datetime | None = Field(
        default=None, description="The scheduler's clock in the middle of the time that the request took it."
    )


class WorkerView(BaseModel):
    """A worker that has announced itself."""

    worker_id: str
    host: str
    process_id: int
    slots: int
    announced_at: datetime
    last_heard_at: datetime
    running: int
    gone: bool
    container: str | None = None
    paused: str | None = Field(default=None, description="Why it takes nothing at present; null where it does.")
    clock_offset: float | None = Field(
        default=None, description="How far its clock is ahead of the scheduler's, as it measured [s]."
    )


class TaskTypeView(BaseModel):
    """A registered task type."""

    name: str
    version: str
    inputs: list[SlotDescription]
    outputs: list[SlotDescription]
    settings_schema: dict[str, Any]
    rules: TaskTypeRules = Field(default_factory=TaskTypeRules, description="What an operator has set for it.")
    built_in: bool = Field(default=False, description="Flow control, which the scheduler runs itself.")
    announced: bool = Field(default=True, description="False where no worker has offered it yet; its tasks wait.")


# --- claim, report, heartbeat -----------------------------------------------------------------------------------


class ClaimRequest(BaseModel):
    """Ask for work. Waits up to `wait` seconds for the first attempt."""

    worker_id: str
    per_type: dict[str, Natural] = Field(description="Task type to the most attempts of it that are wanted.")
    total: int = Field(default=1, ge=0, le=1000, description="The most attempts in all.")
    share_room: bool = Field(
        default=False,
        description="Each number in `per_type` would fill the worker's whole room; an attempt takes that part of it.",
    )
    wait: float = Field(default=0.0, ge=0, le=60, description="[s]")


class ClaimedAttempt(BaseModel):
    """All that a worker needs to run one attempt."""

    model_config = ConfigDict(frozen=True)

    attempt_id: int
    lease_token: str
    task_id: int
    job_id: int
    number: int
    task_type: str
    task_name: str | None = None
    job_name: str | None = None
    working_directory: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    metadata: Metadata = Field(default_factory=dict)
    inputs: dict[str, OutputVersion] = Field(default_factory=dict)
    outputs: dict[str, str] = Field(default_factory=dict, description="Slot to filename.")
    seed: int = 0
    rerun: bool = Field(default=False, description="Its products may be new versions of what other jobs promised.")
    run_timeout: float | None = Field(default=None, description="It is to be ended when it has run for so long [s].")
    memory_gb: float | None = Field(default=None, description="It is to be ended when it needs more [GB].")
    cpu_timeout: float | None = Field(default=None, description="Most processor time of all its processes [s].")
    disk_gb: float | None = Field(default=None, description="Most that it may write [GB].")
    max_processes: int | None = Field(default=None, description="Most processes and threads at the same time.")


class ClaimResponse(BaseModel):
    """The attempts that now belong to the worker until their leases expire."""

    attempts: list[ClaimedAttempt] = Field(default_factory=list)
    lease_seconds: float = Field(default=30.0, description="Counted from now.")


class AttemptReport(BaseModel):
    """How an attempt ended. An over-long message is cut; metadata that cannot be stored make a failure of it."""

    attempt_id: Identifier
    lease_token: str
    state: Literal["accepted", "rejected", "failed", "lost", "cancelled"]
    reason: FailureReason | None = None
    message: Message | None = None
    started_at: datetime | None = None
    checking_at: datetime | None = None
    ended_at: datetime | None = None
    wall_time: Finite | None = None
    cpu_time: Finite | None = None
    cpu_time_with_children: Finite | None = None
    peak_memory: Natural | None = Field(default=None, description="The most memory that it held [bytes].")
    read_bytes: Natural | None = Field(default=None, description="What it read, from files and pipes [bytes].")
    written_bytes: Natural | None = Field(default=None, description="What it wrote, to files and pipes [bytes].")
    metadata: Metadata = Field(default_factory=dict)
    outputs: list[OutputVersion] = Field(default_factory=list)


class ReportRequest(BaseModel):
    """Reports of one worker, and, in the same round trip, a wish for more work."""

    worker_id: str
    reports: list[AttemptReport]
    claim: ClaimRequest | None = None


class ReportResult(BaseModel):
    """Whether a report was recorded; `slug` is `attempt_closed` where the attempt was no longer the worker's."""

    attempt_id: int
    recorded: bool
    slug: str | None = None
    message: str | None = None


class ReportResponse(BaseModel):
    """One result for each report, and the newly claimed attempts: null for a worker that has to announce itself."""

    results: list[ReportResult]
    claimed: ClaimResponse | None = None


class LeasedAttempt(BaseModel):
    """An attempt that a worker says it holds."""

    attempt_id: Identifier
    lease_token: str
    phase: Literal["running", "checking"] = "running"


class HeartbeatRequest(BaseModel):
    """One beat for all that a worker holds."""

    worker_id: str
    attempts: list[LeasedAttempt] = Field(default_factory=list)
    paused: str | None = Field(default=None, max_length=512, description="Why it takes nothing at present.")
    clock_offset: float | None = Field(
        default=None,
        ge=-1e10,
        le=1e10,
        allow_inf_nan=False,
        description="How far its clock is ahead of the scheduler's, by earlier answers [s].",
    )


class HeartbeatResponse(BaseModel):
    """What to go on with, what to stop, and what is no longer the worker's."""

    renewed: list[int]
    cancel: list[int]
    closed: list[int]
    lease_seconds: float
    drain: bool = Field(default=False, description="The worker is to finish or hand back what it has, and stop.")
    time: datetime | None = Field(
        default=None, description="The scheduler's clock in the middle of the time that the request took it."
    )
