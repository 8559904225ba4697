"""Wire models of provenance: what a version was made from, by what, and what was made from it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from eas.contracts.products import VersionView
from eas.contracts.states import AttemptState, TaskState

MAX_DEPTH = 100


class VersionVerdict(BaseModel):
    """An operator's word on a version."""

    passed: bool
    reason: str = Field(min_length=1, max_length=4096, examples=["the detrending removed the transits"])


class Direction(StrEnum):
    """Which way to follow a version's history."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


class VersionUse(BaseModel):
    """A version in a slot of an attempt."""

    slot: str
    version_id: int


class ProvenanceAttempt(BaseModel):
    """An attempt as a step of a history."""

    attempt_id: int
    task_id: int
    job_id: int
    number: int
    state: AttemptState
    task_state: TaskState
    task_type: str
    task_type_version: str | None = Field(
        default=None, description="As it was registered when the attempt was claimed; null where that is not known."
    )
    settings: dict[str, Any] | None = Field(default=None, description="As evaluated for this attempt.")
    seed: int
    worker_id: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    adopted_from: int | None = Field(default=None, description="The attempt whose outputs it took over.")
    inputs: list[VersionUse] = Field(default_factory=list)
    outputs: list[VersionUse] = Field(default_factory=list)


class ProvenanceGraph(BaseModel):
    """The history of one version: versions, and the attempts between them."""

    version_id: int = Field(description="The version that was asked for.")
    direction: Direction
    versions: list[VersionView]
    attempts: list[ProvenanceAttempt]
    missing: list[int] = Field(
        default_factory=list, description="Versions that attempts name and the product store does not know."
    )
    unknown_attempts: list[int] = Field(
        default_factory=list,
        description="Attempts that made versions of this history and that the scheduler does not know: it was restored "
        "to an earlier moment.",
    )
    complete: bool = Field(default=True, description="False where the history goes on beyond the depth or the bounds.")


class JudgedTask(BaseModel):
    """A task that has the version, and what the verdict made of it."""

    task_id: int
    attempt_id: int = Field(description="The attempt that made or adopted the version.")
    state: TaskState = Field(description="How the task stands now.")
    withdrawn: list[int] = Field(default_factory=list, description="Attempts that were taken out of their queues.")


class VerdictOutcome(BaseModel):
    """What followed from an operator's verdict."""

    version_id: int
    passed: bool
    tasks: list[JudgedTask]
    made_from_it: ProvenanceGraph = Field(description="What had read the version already; none of it is touched.")
