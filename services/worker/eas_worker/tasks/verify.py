"""`verify`: report the range of a light curve and whether its samples lie on a fixed grid without gaps."""

from __future__ import annotations

from eas.authoring.example_curves import make_example_light_curve
from eas.authoring.light_curve_files import input_errors, read_light_curve
from eas.authoring.task_type import Example, Slot, TaskContext, TaskSettings, TaskType, Verdict
from eas.contracts.metadata import Metadata


class VerifySettings(TaskSettings):
    """`verify` has no settings."""


def run(context: TaskContext, settings: VerifySettings) -> Metadata:
    """Verify the light curve; the findings are output metadata, and an irregular raster is no failure."""
    from eas_worker.science.verification import verify_light_curve

    curve = read_light_curve(context, "lightcurve")
    with input_errors("input 'lightcurve'"):
        return verify_light_curve(curve)


def check(context: TaskContext, metadata: Metadata) -> list[Verdict]:
    """Quality control: the ranges are ranges, and the verdict on the raster is 0 or 1."""
    fault = ""
    for name in ("time", "flux"):
        lowest, highest = metadata[f"verification_{name}_min"], metadata[f"verification_{name}_max"]
        if lowest > highest:
            fault = f"verification_{name}_min {lowest:.6g} exceeds verification_{name}_max {highest:.6g}"
    if metadata["verification"] not in (0, 1):
        fault = f"verification is {metadata['verification']!r}; expected 0 or 1"
    return [Verdict(passed=not fault, reason=fault)]


TASK_TYPE = TaskType(
    name="verify",
    version="1",
    run=run,
    settings=VerifySettings,
    inputs=(Slot("lightcurve"),),
    check=check,
    uses_seed=False,
    example=Example(inputs={"lightcurve": make_example_light_curve}),
)
