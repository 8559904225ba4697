"""`binning`: rebin a light curve onto a fixed raster, conserving flux.

The first bin is centred on the first time of the curve, and the others follow every `cadence`, before the last time.
Every bin is the mean of the samples that it covers, including the first and the last. A bin is flagged if good samples
cover less than half of it.
"""

from __future__ import annotations

from pydantic import Field

from eas.authoring.example_curves import make_example_light_curve
from eas.authoring.light_curve_files import (
    check_light_curves,
    input_errors,
    read_light_curve,
    write_light_curve,
)
from eas.authoring.task_type import Example, Slot, TaskContext, TaskSettings, TaskType
from eas.contracts.metadata import Metadata


class BinningSettings(TaskSettings):
    """Settings of `binning`."""

    cadence: float = Field(gt=0, description="Step of the new raster [s].")


def run(context: TaskContext, settings: BinningSettings) -> Metadata:
    """Rebin from the first to the last time, the last one excluded; the metadata are those of the input."""
    from eas_worker.science.binning import bin_light_curve

    curve = read_light_curve(context, "lightcurve")
    with input_errors("input 'lightcurve'"):
        binned = bin_light_curve(curve, settings.cadence)
    write_light_curve(context, "lightcurve", binned)
    return binned.metadata


TASK_TYPE = TaskType(
    name="binning",
    version="2",
    run=run,
    settings=BinningSettings,
    uses_seed=False,
    inputs=(Slot("lightcurve"),),
    outputs=(Slot("lightcurve"),),
    check=check_light_curves,
    example=Example(settings={"cadence": 3600}, inputs={"lightcurve": make_example_light_curve}),
)
