"""What a child process is given to do, and what it answers. Both cross a process boundary as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from signal import SIGABRT, SIGBUS
from typing import Any, Literal

from eas.contracts.metadata import Metadata
from eas.contracts.states import FailureReason
from eas_worker.domain.limits import AttemptLimits, Cause

AnsweredState = Literal["accepted", "rejected", "failed"]


@dataclass(frozen=True, slots=True)
class AssignedInput:
    """An input file, already in the working directory."""

    path: str
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assignment:
    """One attempt, ready to run: its inputs are in place below `directory`.

    `clock_ahead` says how far this host's clock is ahead of the scheduler's, for the times of log records [s].
    """

    attempt_id: int
    task_id: int
    job_id: int
    task_type: str
    directory: str
    settings: dict[str, Any] = field(default_factory=dict)
    metadata: Metadata = field(default_factory=dict)
    inputs: dict[str, AssignedInput] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    seed: int = 0
    limits: AttemptLimits | None = None
    clock_ahead: float = 0.0


@dataclass(frozen=True, slots=True)
class AnsweredOutput:
    """A file that the task made, with quality control's word on it. `path` lies inside the working directory."""

    slot: str
    path: str
    filename: str
    mime_type: str
    metadata: Metadata = field(default_factory=dict)
    passed_qc: bool = True
    qc_reason: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """How the attempt went, as the child saw it.

    Parameters
    ----------
    started_at, checking_at, ended_at
        Seconds since the epoch: when the code started, when quality control took over, when all was over.
    wall_time, cpu_time, cpu_time_with_children
        Of the code itself, without quality control [s].
    peak_memory
        The most memory that its process, or all its processes together, were seen to hold [bytes].
    read_bytes, written_bytes
        Of all its processes that have ended, from and to files and pipes.
    """

    attempt_id: int
    state: AnsweredState
    started_at: float
    ended_at: float
    checking_at: float | None = None
    wall_time: float = 0.0
    cpu_time: float = 0.0
    cpu_time_with_children: float = 0.0
    peak_memory: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None
    reason: FailureReason | None = None
    message: str | None = None
    metadata: Metadata = field(default_factory=dict)
    outputs: list[AnsweredOutput] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CheckingNotice:
    """The code of an attempt has ended and its quality control has begun."""

    attempt_id: int


#: Exit status of a child that met a fault of the worker's own, not of an attempt's code.
WORKER_FAULT = 113


@dataclass(frozen=True, slots=True)
class Departure:
    """How a child process ended.

    Parameters
    ----------
    signal, status
        By which signal, or with which exit status.
    peak_memory
        The most memory that the attempt it was running was seen to hold [bytes].
    cause
        What the attempt did that it was killed for.
    """

    signal: int | None
    status: int | None
    peak_memory: int | None = None
    cause: Cause | None = None

    @property
    def may_be_for_want_of_room(self) -> bool:
        """Whether it may have ended because the disk was full: by itself, for a reason that nobody named."""
        if self.cause is not None:
            return False
        return self.signal in (SIGBUS, SIGABRT) if self.status is None else self.status != 0

    @property
    def is_retirement(self) -> bool:
        """Whether it ended in good order, to be replaced by a fresh one."""
        return self.status == 0

    def __str__(self) -> str:
        if self.signal is not None:
            return f"was killed by signal {self.signal}"
        if self.status is not None:
            return f"ended with exit status {self.status}"
        return "vanished"
