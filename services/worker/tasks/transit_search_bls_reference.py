"""`transit_search_bls_reference`: box least squares as astropy has it."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from services.worker.domain.task_type import Example, TaskContext, TaskSettings, TaskType
from services.worker.tasks.example_curves import make_example_light_curve
from services.worker.tasks.transit_searches import (
    SEARCH_INPUTS,
    SEARCH_OUTPUTS,
    TransitSearchSettings,
    check_search,
    open_searched_curve,
    publish_findings,
)
from shared.contracts.metadata import Metadata


class BoxSearchSettings(TaskSettings):
    """What to try."""

    period_min: float = Field(default=0.5, gt=0, description="Shortest trial period [d].")
    period_max: float | None = Field(
        default=None, gt=0, description="Longest trial period [d]; half the curve's span at most, and by default."
    )
    duration_min: float = Field(default=0.05, gt=0, description="Shortest trial duration [d].")
    duration_max: float = Field(default=0.2, gt=0, description="Longest trial duration [d].")
    duration_count: int = Field(default=10, ge=1, le=1000, description="Number of trial durations, equally spaced.")
    frequency_factor: float = Field(
        default=2.0, gt=0, description="Frequency step in units of duration_min / span^2; larger is coarser and faster."
    )

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        if self.duration_max < self.duration_min:
            raise ValueError(f"duration_max {self.duration_max} is below duration_min {self.duration_min}")
        if self.period_min <= self.duration_max:
            raise ValueError(f"period_min {self.period_min} must exceed duration_max {self.duration_max}")
        if self.period_max is not None and self.period_max <= self.period_min:
            raise ValueError(f"period_max {self.period_max} must exceed period_min {self.period_min}")
        return self


class BoxLeastSquaresSettings(TransitSearchSettings):
    """Settings of `transit_search_bls_reference`."""

    search_settings: BoxSearchSettings = Field(default=BoxSearchSettings(), description="What to try.")


def run(context: TaskContext, settings: BoxLeastSquaresSettings) -> Metadata:
    """Search the light curve for box-shaped dips and judge the best one."""
    from services.worker.science.transit_search_bls import BoxGrid, search_boxes

    curve = open_searched_curve(context, settings)
    grid = BoxGrid(**settings.search_settings.model_dump())
    findings = search_boxes(curve.times, curve.fluxes, grid=grid, threads=context.cpus)
    return publish_findings(context, settings, curve, findings)


TASK_TYPE = TaskType(
    name="transit_search_bls_reference",
    version="1",
    run=run,
    settings=BoxLeastSquaresSettings,
    uses_seed=False,
    inputs=SEARCH_INPUTS,
    outputs=SEARCH_OUTPUTS,
    check=check_search,
    example=Example(settings={"lc_duration": 27}, inputs={"lightcurve": make_example_light_curve}),
)
