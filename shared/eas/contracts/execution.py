"""Wire models of the rules by which attempts are made: how often, how soon, for how long, with how much."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict

from eas.contracts.states import FailureReason
from eas.contracts.values import Natural

#: Reasons that may pass: another attempt can end otherwise.
PASSING_REASONS = frozenset(
    {FailureReason.OUT_OF_MEMORY, FailureReason.TIMEOUT, FailureReason.LOST, FailureReason.INFRASTRUCTURE}
)


class ExecutionRules(BaseModel):
    """The key `execution` of a task object. Defaults are inherited from the enclosing list, then from the task type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    priority: int | None = Field(default=None, ge=-1000, le=1000, description="Higher ones are handed out first.")
    max_attempts: int | None = Field(default=None, ge=1, le=1000, description="Most attempts of a task.")
    retry_on: tuple[Annotated[FailureReason, Strict(strict=False)], ...] | None = Field(
        default=None, strict=False, description="Reasons after which there is another attempt."
    )
    retry_delay: float | None = Field(
        default=None,
        ge=0,
        le=86_400,
        description="Pause before the second attempt; each further one doubles it [s].",
    )
    run_timeout: float | None = Field(default=None, gt=0, le=1e9, description="Most time that an attempt may run [s].")
    queue_timeout: float | None = Field(default=None, gt=0, le=1e9, description="Most time that it may be queued [s].")
    memory_gb: float | None = Field(
        default=None, gt=0, le=1e6, description="Memory of an attempt; doubled each time it was not enough [GB]."
    )
    cpu_timeout: float | None = Field(
        default=None, gt=0, le=1e9, description="Most processor time of an attempt, with all its processes [s]."
    )
    disk_gb: float | None = Field(
        default=None, gt=0, le=1e6, description="Most that an attempt may write to its working directory [GB]."
    )
    max_processes: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Most processes and threads of an attempt at the same time."
    )

    def said(self) -> dict[str, Any]:
        """Return what is said, as JSON."""
        return self.model_dump(mode="json", exclude_none=True)

    def over(self, others: ExecutionRules) -> ExecutionRules:
        """Fill what is not said here from `others`."""
        own = {name: value for name in ExecutionRules.model_fields if (value := getattr(self, name)) is not None}
        return ExecutionRules.model_construct(
            **{name: own.get(name, getattr(others, name)) for name in ExecutionRules.model_fields}
        )


class TaskTypeRules(ExecutionRules):
    """What an operator has set for a task type."""

    max_running: Natural | None = Field(default=None, description="Most attempts of it at the same time.")
