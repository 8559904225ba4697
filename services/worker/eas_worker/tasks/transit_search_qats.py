"""`transit_search_qats`: search for transits whose intervals vary within bounds (Carter & Agol 2013)."""

from __future__ import annotations

from pydantic import Field

from eas.authoring.task_type import TaskContext
from eas.contracts.metadata import Metadata
from eas_worker.tasks.search_estimates import CHAINS
from eas_worker.tasks.transit_searches import (
    DurationGridSettings,
    TransitSearchSettings,
    make_search_type,
    open_searched_curve,
    publish_findings,
)


class IntervalSearchSettings(DurationGridSettings):
    """What to try."""

    duration_count: int = Field(default=16, ge=1, le=1000, description="Number of trial durations, equally spaced.")
    period_min: float = Field(default=4.0, gt=0, description="Shortest interval between transits [d].")
    period_max: float | None = Field(
        default=None,
        gt=0,
        description="Longest interval; maximum and default: the curve's span / min_transit_count [d].",
    )
    min_transit_count: int = Field(default=2, ge=2, description="Minimum number of transits.")
    max_ttv_mag: float = Field(
        default=0.0005,
        gt=0,
        le=1,
        description="Variation of the intervals: the longest is 1 + max_ttv_mag / 2 times the shortest [-].",
    )


class QuasiPeriodicSettings(TransitSearchSettings):
    """Settings of `transit_search_qats`."""

    search_settings: IntervalSearchSettings = Field(default=IntervalSearchSettings(), description="Search parameters.")


def run(context: TaskContext, settings: QuasiPeriodicSettings) -> Metadata:
    """Search the light curve for chains of transits and judge the best one."""
    from eas_worker.science.transit_search_qats import IntervalGrid, search_chains

    curve = open_searched_curve(context, settings)
    grid = IntervalGrid(**settings.search_settings.model_dump())
    findings = search_chains(curve.times, curve.fluxes, grid=grid, threads=context.cpus)
    return publish_findings(context, settings, curve, findings)


TASK_TYPE = make_search_type("transit_search_qats", "2", run, QuasiPeriodicSettings, CHAINS)
