"""`multiply`: multiply two light curves, for example stellar variability and a transit model.

The second curve is resampled to the times of the first curve, without the first and the last sample of the first
curve. If both have a metadata keyword, the value of `lightcurve_2` is used: make the curve with the transits the second
one. A sample is flagged if it is flagged in either curve.
"""

from __future__ import annotations

from eas.authoring.errors import InputError
from eas.authoring.example_curves import make_example_light_curve
from eas.authoring.light_curve_files import (
    check_light_curves,
    input_errors,
    read_light_curve,
    write_light_curve,
)
from eas.authoring.task_type import Example, Slot, TaskContext, TaskSettings, TaskType
from eas.contracts.metadata import Metadata


class MultiplySettings(TaskSettings):
    """`multiply` has no settings."""


def run(context: TaskContext, settings: MultiplySettings) -> Metadata:
    """Multiply curve 1 by curve 2, resampled onto the raster of curve 1; the first and last samples are dropped.

    Where both have a metadata keyword, curve 2 wins.
    """
    from eas.lightcurve.arrays import require_increasing

    first = read_light_curve(context, "lightcurve_1")
    second = read_light_curve(context, "lightcurve_2")
    for slot, curve in (("lightcurve_1", first), ("lightcurve_2", second)):
        with input_errors(f"input {slot!r}"):
            require_increasing(curve.times)
    if len(first) < 3:
        raise InputError(f"input 'lightcurve_1': {len(first)} samples are too few; multiply drops both ends")
    with input_errors("inputs 'lightcurve_1' and 'lightcurve_2'"):
        product = (first * second).trim(1)
    write_light_curve(context, "lightcurve", product, samples=len(first) - 2)
    return product.metadata


TASK_TYPE = TaskType(
    name="multiply",
    version="2",
    run=run,
    settings=MultiplySettings,
    uses_seed=False,
    inputs=(Slot("lightcurve_1"), Slot("lightcurve_2")),
    outputs=(Slot("lightcurve"),),
    check=check_light_curves,
    example=Example(inputs={"lightcurve_1": make_example_light_curve, "lightcurve_2": make_example_light_curve}),
)
