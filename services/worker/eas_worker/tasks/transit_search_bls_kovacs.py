"""`transit_search_bls_kovacs`: box least squares on the folded curve (Kovács, Zucker & Mazeh 2002)."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from eas.authoring.task_type import TaskContext
from eas.contracts.metadata import Metadata
from eas_worker.tasks.search_estimates import FOLDS
from eas_worker.tasks.transit_searches import (
    PeriodRangeSettings,
    TransitSearchSettings,
    make_search_type,
    open_searched_curve,
    publish_findings,
)


class FoldedSearchSettings(PeriodRangeSettings):
    """What to try."""

    period_min: float = Field(default=0.5, gt=0, description="Shortest trial period [d].")
    qmin: float = Field(
        default=0.005, ge=1e-4, lt=1, description="Shortest box, as a fraction of the period [-]. The original: 0.05."
    )
    qmax: float = Field(default=0.2, ge=1e-4, lt=1, description="Longest box, as a fraction of the period [-].")
    phase_bins: int | None = Field(
        default=None, ge=5, le=30_000, description="Bins of the fold; default: 3 / qmin. The original: 10."
    )
    frequency_factor: float = Field(
        default=2.0, gt=0, description="Frequency step in units of 0.05 d / span^2 [-]; larger is coarser and faster."
    )

    @model_validator(mode="after")
    def _check_boxes(self) -> Self:
        if self.qmax < self.qmin:
            raise ValueError(f"qmax {self.qmax} is below qmin {self.qmin}")
        return self


class FoldedBoxSettings(TransitSearchSettings):
    """Settings of `transit_search_bls_kovacs`."""

    search_settings: FoldedSearchSettings = Field(default=FoldedSearchSettings(), description="Search parameters.")


def run(context: TaskContext, settings: FoldedBoxSettings) -> Metadata:
    """Search the light curve for box-shaped dips and judge the best one."""
    from eas_worker.science.transit_search_kovacs import FoldedGrid, search_folds

    curve = open_searched_curve(context, settings)
    grid = FoldedGrid(**settings.search_settings.model_dump())
    findings = search_folds(curve.times, curve.fluxes, grid=grid, threads=context.cpus)
    return publish_findings(context, settings, curve, findings)


TASK_TYPE = make_search_type("transit_search_bls_kovacs", "2", run, FoldedBoxSettings, FOLDS)
