"""A task type for benchmarks: it reads a light curve, computes for a tenth of a second, and writes another one."""

from __future__ import annotations

import time

from eas.authoring.light_curve_files import check_light_curves, open_light_curve, write_light_curve
from eas.authoring.task_type import Slot, TaskContext, TaskSettings, TaskType
from eas.contracts.metadata import Metadata

#: 96 kB of fluxes.
SAMPLES = 12_000


class SpinningSettings(TaskSettings):
    """How long to compute [s]."""

    seconds: float = 0.1


def run(context: TaskContext, settings: SpinningSettings) -> Metadata:
    """Filter noise, or the curve that there is, until the time is over."""
    import numpy as np

    from eas.lightcurve import FixedStepLightCurve

    end = time.thread_time() + settings.seconds
    if "lightcurve" in context.inputs:
        fluxes = open_light_curve(context, "lightcurve").fluxes
    else:
        fluxes = np.random.default_rng(context.seed).normal(1, 1e-3, SAMPLES)
    turns = 0
    while time.thread_time() < end:
        np.fft.irfft(np.fft.rfft(fluxes) * 0.5, SAMPLES)
        turns += 1
    write_light_curve(context, "lightcurve", FixedStepLightCurve(0.0, 0.01, fluxes))
    return {"turns": turns}


TASK_TYPE = TaskType(
    name="spin",
    version="1",
    run=run,
    check=check_light_curves,
    settings=SpinningSettings,
    inputs=(Slot("lightcurve", required=False),),
    outputs=(Slot("lightcurve"),),
)
