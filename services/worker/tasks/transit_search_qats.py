"""`transit_search_qats`: transits whose intervals vary within bounds, as Carter & Agol search for them."""

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


class IntervalSearchSettings(TaskSettings):
    """What to try."""

    duration_min: float = Field(default=0.05, gt=0, description="Shortest trial duration [d].")
    duration_max: float = Field(default=0.2, gt=0, description="Longest trial duration [d].")
    duration_count: int = Field(default=16, ge=1, le=1000, description="Number of trial durations, equally spaced.")
    period_min: float = Field(default=4.0, gt=0, description="Shortest interval between transits [d].")
    period_max: float | None = Field(
        default=None,
        gt=0,
        description="Longest interval [d]; the curve's span over min_transit_count at most, and by default.",
    )
    min_transit_count: int = Field(default=2, ge=2, description="Fewest transits.")
    max_ttv_mag: float = Field(
        default=0.0005,
        gt=0,
        le=1,
        description="How much intervals may vary [-]: the longest is 1 + max_ttv_mag / 2 times the shortest.",
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


class QuasiPeriodicSettings(TransitSearchSettings):
    """Settings of `transit_search_qats`."""

    search_settings: IntervalSearchSettings = Field(default=IntervalSearchSettings(), description="What to try.")


def run(context: TaskContext, settings: QuasiPeriodicSettings) -> Metadata:
    """Search the light curve for chains of transits and judge the best one."""
    from services.worker.science.transit_search_qats import IntervalGrid, search_chains

    curve = open_searched_curve(context, settings)
    grid = IntervalGrid(**settings.search_settings.model_dump())
    findings = search_chains(curve.times, curve.fluxes, grid=grid, threads=context.cpus)
    return publish_findings(context, settings, curve, findings)


TASK_TYPE = TaskType(
    name="transit_search_qats",
    version="1",
    run=run,
    settings=QuasiPeriodicSettings,
    uses_seed=False,
    inputs=SEARCH_INPUTS,
    outputs=SEARCH_OUTPUTS,
    check=check_search,
    example=Example(
        settings={"lc_duration": 27, "search_settings": {"period_min": 2, "period_max": 4}},
        inputs={"lightcurve": make_example_light_curve},
    ),
)
