"""`error`: always fails. Use it to test how failures are reported, retried and propagated."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from eas.authoring.errors import InputError, TaskError
from eas.authoring.task_type import TaskContext, TaskSettings, TaskType
from eas.contracts.metadata import Metadata


class ErrorSettings(TaskSettings):
    """Settings of `error`."""

    message: str = Field(default="this task type always fails", description="Message of the failure.")
    reason: Literal["science", "input"] = Field(
        default="science", description="Reason of the failure: the code (`science`) or its input (`input`)."
    )


def run(context: TaskContext, settings: ErrorSettings) -> Metadata:
    """Fail with the set message."""
    raise (InputError if settings.reason == "input" else TaskError)(settings.message)


TASK_TYPE = TaskType(name="error", version="1", run=run, settings=ErrorSettings, uses_seed=False)
