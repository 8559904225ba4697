"""Physical constants of the science code, as the job language has them (SI units)."""

from __future__ import annotations

JUPITER_RADIUS = 71_492e3  # m, equatorial
EARTH_RADIUS = 6_371e3  # m, mean
SUN_RADIUS = 695_500e3  # m
ASTRONOMICAL_UNIT = 149_597_870_700.0  # m

SECONDS_PER_DAY = 86_400.0
#: Cadence [s] of a PLATO light curve, for which `noise` settings are given.
REFERENCE_CADENCE = 25.0
