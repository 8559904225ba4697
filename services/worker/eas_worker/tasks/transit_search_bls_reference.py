"""`transit_search_bls_reference`: box least squares with astropy."""

from __future__ import annotations

from pydantic import Field

from eas.authoring.task_type import TaskContext
from eas.contracts.metadata import Metadata
from eas_worker.tasks.search_estimates import BOXES
from eas_worker.tasks.transit_searches import (
    DurationGridSettings,
    TransitSearchSettings,
    make_search_type,
    open_searched_curve,
    publish_findings,
)


class BoxSearchSettings(DurationGridSettings):
    """What to try."""

    period_min: float = Field(default=0.5, gt=0, description="Shortest trial period [d].")
    duration_count: int = Field(default=10, ge=1, le=1000, description="Number of trial durations, equally spaced.")
    frequency_factor: float = Field(
        default=2.0, gt=0, description="Frequency step in units of duration_min / span^2; larger is coarser and faster."
    )


class BoxLeastSquaresSettings(TransitSearchSettings):
    """Settings of `transit_search_bls_reference`."""

    search_settings: BoxSearchSettings = Field(default=BoxSearchSettings(), description="Search parameters.")


def run(context: TaskContext, settings: BoxLeastSquaresSettings) -> Metadata:
    """Search the light curve for box-shaped dips and judge the best one."""
    from eas_worker.science.transit_search_bls import BoxGrid, search_boxes

    curve = open_searched_curve(context, settings)
    grid = BoxGrid(**settings.search_settings.model_dump())
    findings = search_boxes(curve.times, curve.fluxes, grid=grid, threads=context.cpus)
    return publish_findings(context, settings, curve, findings)


TASK_TYPE = make_search_type("transit_search_bls_reference", "2", run, BoxLeastSquaresSettings, BOXES)
