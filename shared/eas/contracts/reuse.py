"""Wire models of re-use: what an attempt adopted, or why it adopted nothing."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, Field


class FingerprintPart(StrEnum):
    """What an attempt's outcome depends on."""

    VERSION = "version"
    SETTINGS = "settings"
    SEED = "seed"
    METADATA = "metadata"
    REQUESTED_METADATA = "requested_metadata"
    INPUTS = "inputs"
    OUTPUTS = "outputs"


class ReuseDecision(StrEnum):
    """What came of looking for an equal attempt. Stable: scripts read them."""

    ADOPTED = "adopted"
    NO_CANDIDATE = "no_candidate"
    DIFFERENT = "different"
    UNUSABLE = "unusable"
    NOT_REUSABLE = "not_reusable"


class SourceAttempt(BaseModel):
    """An accepted attempt of another task."""

    attempt_id: int
    task_id: int
    job_id: int


class Difference(BaseModel):
    """A part in which the nearest accepted attempt differs."""

    part: FingerprintPart
    keys: list[str] = Field(default_factory=list, description="Settings or input slots that differ.")


class ReuseView(BaseModel):
    """What came of looking for an equal attempt whose outputs could be adopted."""

    decision: ReuseDecision
    source: SourceAttempt | None = Field(default=None, description="What was adopted, or was the nearest.")
    differences: list[Difference] = Field(default_factory=list)
    message: str | None = Field(default=None, description="Why an equal attempt's outputs could not be adopted.")
