"""`transit_search_tls`: transit least squares, a search with limb-darkened transits."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.worker.domain.task_type import TaskContext
from services.worker.tasks.transit_searches import (
    PeriodRangeSettings,
    TransitSearchSettings,
    make_search_type,
    open_searched_curve,
    publish_findings,
)
from shared.contracts.metadata import Metadata

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
    oversampling_factor: int = Field(default=3, ge=1, le=20, description="Of the grid of periods.")


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


TASK_TYPE = make_search_type("transit_search_tls", "1", run, TransitLeastSquaresSettings)
