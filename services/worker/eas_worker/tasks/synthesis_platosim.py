"""`synthesis_platosim`: simulate a light curve with PlatoSim. EAS does not contain PlatoSim: configure a command."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from eas.authoring.executables import check_result
from eas.authoring.light_curve_files import check_light_curves
from eas.authoring.task_type import Slot, TaskContext, TaskSettings, TaskType, Verdict
from eas.contracts.metadata import Metadata
from eas_worker.tasks.external_programs import require_command, run_command

NAME = "synthesis_platosim"


class PlatosimSettings(TaskSettings):
    """Settings of `synthesis_platosim`."""

    specs: dict[str, Any] = Field(default={}, description="Passed to the program in task.json, unchanged.")
    seed: int | None = Field(default=None, ge=0, description="Seed of the program; default: the task's own.")


def run(context: TaskContext, settings: PlatosimSettings) -> Metadata:
    """Run the command, which writes a light curve in any format that EAS reads."""
    configured = require_command(context, NAME)
    seed = context.seed if settings.seed is None else settings.seed
    context.seed = seed
    found = run_command(
        context,
        configured,
        task_type=NAME,
        settings={"specs": settings.specs, "seed": seed},
        words={"cpus": str(context.cpus), "seed": str(seed)},
    )
    return {"seed": seed, **found}


def check(context: TaskContext, metadata: Metadata) -> list[Verdict]:
    """Quality control: the light curve is good, and the program does not say otherwise."""
    return [*check_light_curves(context, metadata), *check_result(context, metadata)]


TASK_TYPE = TaskType(
    name=NAME,
    version="1",
    run=run,
    settings=PlatosimSettings,
    outputs=(Slot("lightcurve"),),
    check=check,
)
