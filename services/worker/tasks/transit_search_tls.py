"""`transit_search_tls`: transit least squares, a search with limb-darkened transits."""

from __future__ import annotations

from typing import Annotated, Self

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

Coefficient = Annotated[float, Field(ge=-1, le=2)]


class StellarSearchSettings(TaskSettings):
    """What to try, and around which star."""

    period_min: float | None = Field(
        default=None, gt=0, description="Shortest trial period [d]; default: an orbit of three stellar radii."
    )
    period_max: float | None = Field(
        default=None, gt=0, description="Longest trial period [d]; half the curve's span at most, and by default."
    )
    star_radius: float = Field(default=1.0, gt=0, le=1000, description="Stellar radius [solar radii].")
    star_mass: float = Field(default=1.0, gt=0, le=1000, description="Stellar mass [solar masses].")
    limb_darkening: tuple[Coefficient, Coefficient] | None = Field(
        default=None, description="Quadratic limb darkening; default: a G2 star seen by Kepler."
    )
    oversampling_factor: int = Field(default=3, ge=1, le=20, description="Of the grid of periods.")

    @model_validator(mode="after")
    def _check_periods(self) -> Self:
        if self.period_max is not None and self.period_max <= (self.period_min or 0):
            raise ValueError(f"period_max {self.period_max} must exceed period_min {self.period_min}")
        return self


class TransitLeastSquaresSettings(TransitSearchSettings):
    """Settings of `transit_search_tls`."""

    search_settings: StellarSearchSettings = Field(default=StellarSearchSettings(), description="What to try.")


def run(context: TaskContext, settings: TransitLeastSquaresSettings) -> Metadata:
    """Search the light curve for transits and judge the best one."""
    from services.worker.science.transit_search_tls import StellarTemplate, search_transits

    curve = open_searched_curve(context, settings)
    template = StellarTemplate(**settings.search_settings.model_dump())
    findings = search_transits(curve.times, curve.fluxes, template=template, threads=context.cpus)
    return publish_findings(context, settings, curve, findings)


TASK_TYPE = TaskType(
    name="transit_search_tls",
    version="1",
    run=run,
    settings=TransitLeastSquaresSettings,
    uses_seed=False,
    inputs=SEARCH_INPUTS,
    outputs=SEARCH_OUTPUTS,
    check=check_search,
    example=Example(
        settings={"lc_duration": 27, "search_settings": {"period_min": 2, "period_max": 4}},
        inputs={"lightcurve": make_example_light_curve},
    ),
)
