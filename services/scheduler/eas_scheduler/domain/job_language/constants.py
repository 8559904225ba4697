"""The physical constants that expressions of the job language see as ``constants``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Constants:
    """Values as the jobs of the original suite know them; lengths in metres, times in days.

    Note that `month` is four weeks, and that `Rearth` is the Earth's radius in Jupiter radii.
    """

    day: float = 1
    month: float = 28
    year: float = 365.25
    sun_radius: float = 695_500_000.0
    earth_radius: float = 6_371_000.0
    jupiter_radius: float = 71_492_000.0
    phy_AU: float = 149_597_870_700.0  # noqa: N815 - the name is part of the job language
    Rearth: float = 0.08911486
    #: Relative noise of one 25-s sample of a PLATO light curve.
    plato_noise: float = 0.000315


CONSTANTS = Constants()
