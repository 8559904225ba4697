"""`null`: does nothing, or waits. Use it to test and measure the suite."""

from __future__ import annotations

import time

from pydantic import Field

from eas.authoring.task_type import Example, TaskContext, TaskSettings, TaskType
from eas.contracts.metadata import Metadata


class NullSettings(TaskSettings):
    """Settings of `null`."""

    duration: float = Field(default=0.0, ge=0, description="Waiting time [s].")


def run(context: TaskContext, settings: NullSettings) -> Metadata:
    """Wait for the set time."""
    if settings.duration:
        time.sleep(settings.duration)
    return {}


TASK_TYPE = TaskType(
    name="null",
    version="1",
    run=run,
    settings=NullSettings,
    uses_seed=False,
    example=Example(),
)
