"""`transit_search_tls`: transit least squares, a search with limb-darkened transits."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from eas.authoring.task_type import TaskContext
from eas.contracts.metadata import Metadata
from eas_worker.tasks.search_estimates import TEMPLATES
from eas_worker.tasks.transit_searches import (
    PeriodRangeSettings,
    TransitSearchSettings,
    make_search_type,
    open_searched_curve,
    publish_findings,
)

Coefficient = Annotated[float, Field(ge=-1, le=2)]


class StellarSearchSettings(PeriodRangeSettings):
    """What to try, and around which star."""

    period_min: float | None = Field(
        default=None, gt=0, description="Shortest trial period [d]; default: an orbit of three stellar radii."
    )
    star_radius: float = Field(default=1.0, gt=0, le=1000, description="Stellar radius [solar radii].")
    star_mass: float = Field(default=1.0, gt=0, le=1000, description="Stellar mass [solar masses].")
    limb_darkening: tuple[Coefficient, Coefficient] | None = Field(
        default=None, description="Quadratic limb darkening; default: a G2 star seen by Kepler."
    )
    oversampling_factor: int = Field(default=3, ge=1, le=20, description="Oversampling of the period grid.")
    transit_depth_min: float = Field(
        default=1e-5, ge=1e-9, lt=1, description="Dips with a smaller mean depth are ignored [-]."
    )

    @model_validator(mode="after")
    def _check_limb_darkening(self) -> Self:
        first, second = self.limb_darkening or (0.0, 0.0)
        if first + second > 1:
            raise ValueError(
                f"limb_darkening {first:g}, {second:g} gives the limb of the star a negative brightness; the sum is at "
                "most 1"
            )
        return self


class TransitLeastSquaresSettings(TransitSearchSettings):
    """Settings of `transit_search_tls`."""

    search_settings: StellarSearchSettings = Field(default=StellarSearchSettings(), description="Search parameters.")


def run(context: TaskContext, settings: TransitLeastSquaresSettings) -> Metadata:
    """Search the light curve for transits and judge the best one."""
    from eas_worker.science.stellar_grid import StellarTemplate
    from eas_worker.science.transit_search_tls import search_transits

    curve = open_searched_curve(context, settings)
    template = StellarTemplate(**settings.search_settings.model_dump())
    findings = search_transits(curve.times, curve.fluxes, template=template, threads=context.cpus)
    return publish_findings(context, settings, curve, findings)


TASK_TYPE = make_search_type("transit_search_tls", "2", run, TransitLeastSquaresSettings, TEMPLATES)
