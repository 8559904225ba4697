"""`error`: always fails. For trying out how failures are reported, retried and passed on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.worker.domain.errors import InputError, TaskError
from services.worker.domain.task_type import TaskContext, TaskSettings, TaskType
from shared.contracts.metadata import Metadata


class ErrorSettings(TaskSettings):
    """Settings of `error`."""

    message: str = Field(default="this task type always fails", description="What the failure says.")
    reason: Literal["science", "input"] = Field(
        default="science", description="Whether the code or its input is to blame; a fault of the input is not retried."
    )


def run(context: TaskContext, settings: ErrorSettings) -> Metadata:
    """Fail with the set message."""
    raise (InputError if settings.reason == "input" else TaskError)(settings.message)


TASK_TYPE = TaskType(name="error", version="1", run=run, settings=ErrorSettings, uses_seed=False)
