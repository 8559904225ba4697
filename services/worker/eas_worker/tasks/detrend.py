"""`detrend`: flatten a light curve for transit searches: remove the trend, flag bright outliers, bin."""

from __future__ import annotations

from typing import Literal

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

Method = Literal[
    "biweight",
    "median",
    "mean",
    "trim_mean",
    "winsorize",
    "welsch",
    "huber_psi",
    "andrewsinewave",
    "hampelfilt",
    "tau",
]


class DetrendSettings(TaskSettings):
    """Settings of `detrend`."""

    method: Method = Field(default="biweight", description="Sliding filter that determines the trend (see wotan).")
    window_length: float = Field(
        default=0.8,
        gt=0,
        description="Window of the filter [d]; at least three times the longest transit sought, and five samples.",
    )
    break_tolerance: float | None = Field(
        default=None,
        ge=0,
        description="A gap longer than this splits the curve; 0 never splits. Default: half the window [d].",
    )
    edge_cutoff: float = Field(
        default=0.0, ge=0, description="Length to remove at each edge of a piece, independent of the window [d]."
    )
    upper_sigma: float | None = Field(
        default=4.0, gt=0, description="Flag samples this many standard deviations above the trend; null flags none."
    )
    bin_cadence: float = Field(
        default=600.0, ge=0, description="Bin width; no binning if it is 0 or not above the input's cadence [s]."
    )


def run(context: TaskContext, settings: DetrendSettings) -> Metadata:
    """Flatten and normalise the light curve; write it, and the trend if the job declares that output."""
    from eas_worker.science.detrending import Flattening, detrend

    curve = read_light_curve(context, "lightcurve")
    flattening = Flattening(
        method=settings.method,
        window_length=settings.window_length,
        break_tolerance=settings.break_tolerance,
        edge_cutoff=settings.edge_cutoff,
        upper_sigma=settings.upper_sigma,
    )
    with input_errors("input 'lightcurve'"):
        result = detrend(curve, flattening, bin_cadence=settings.bin_cadence or None, threads=context.cpus)
    findings: Metadata = {
        "detrend_method": settings.method,
        "detrend_window_length": settings.window_length,
        "detrend_scatter": result.scatter,
        "detrend_clipped": result.clipped,
        "detrend_without_trend": result.without_trend,
    }
    write_light_curve(context, "lightcurve", result.flat.with_metadata(findings))
    if context.wants("trend"):
        write_light_curve(context, "trend", result.trend.with_metadata(findings))
    return {**curve.metadata, **findings}


TASK_TYPE = TaskType(
    name="detrend",
    version="2",
    run=run,
    settings=DetrendSettings,
    uses_seed=False,
    inputs=(Slot("lightcurve"),),
    outputs=(Slot("lightcurve"), Slot("trend", required=False)),
    check=check_light_curves,
    example=Example(inputs={"lightcurve": make_example_light_curve}),
)
