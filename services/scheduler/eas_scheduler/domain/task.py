"""Tasks, promises and edges as the logic sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from eas.contracts.metadata import Metadata
from eas.contracts.states import TaskState

FILE: Literal["file"] = "file"
METADATA: Literal["metadata"] = "metadata"


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task about to be inserted, in the state in which it starts."""

    task_id: int
    job_id: int
    parent_id: int | None
    position: int
    level: int
    pointer: tuple[str | int, ...]
    task_type: str
    name: str | None
    job_name: str | None
    working_directory: str
    metadata: Metadata
    seed: int
    state: TaskState
    unmet: int
    children: int
    attempts: int
    accepted_attempt_id: int | None
    iteration: int = 0
    execution: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Promise:
    """A product that a task promises; `version` is what its readers get once it exists."""

    promise_id: int
    task_id: int
    slot: str
    directory: str
    filename: str
    version: dict[str, Any] | None = None
    generation: int = 1


@dataclass(frozen=True, slots=True)
class KnownPromise(Promise):
    """One generation of a product, with whose it is and how its task stands."""

    job_id: int = 0
    state: TaskState = TaskState.WAITING
    task_type: str = ""


@dataclass(frozen=True, slots=True)
class NewDependency:
    """An edge about to be inserted."""

    task_id: int
    kind: Literal["file", "metadata"]
    label: str
    source_id: int
    promise_id: int | None = None


@dataclass(frozen=True, slots=True)
class ReadyTask:
    """A waiting task whose last dependency was just met."""

    task_id: int
    job_id: int
    task_type: str
    execution: Mapping[str, Any] | None = None
    reuse: bool = False
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class BlockedTask:
    """A task that cannot run because `cause` will not be done."""

    task_id: int
    job_id: int
    cause: int
