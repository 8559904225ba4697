"""The periods that transit least squares tries, and the durations that a star allows.

The package `transitleastsquares` builds the same grid, but replaces it without an error by that of a star like the Sun
where it has fewer than 100 periods, takes a curve of less than 5 d for one of 5 d, and sets radii and masses beyond its
limits to those limits. Here what was asked for is searched, or refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from eas.authoring.errors import InputError
from eas_worker.science.search_cost import RUN_TIME_MAX
from eas_worker.science.transit_signal import MIN_TRANSITS, FloatArray, empty_range_error

#: More trial periods than this are refused.
MAX_PERIODS = 50_000_000
#: The orbit of the shortest period, unless that is set [stellar radii].
CLOSEST_ORBIT = 3.0
SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True)
class StellarTemplate:
    """What to try, and around which star.

    Parameters
    ----------
    period_min, period_max
        [d]; None is an orbit of three stellar radii, and half the curve's span.
    star_radius, star_mass
        [solar]; they set the step between periods, and the shortest one unless that is given.
    limb_darkening
        Quadratic coefficients; None takes those of a G2 star seen by Kepler.
    oversampling_factor
        Of the grid of periods.
    transit_depth_min
        Dips that are shallower on average are passed over.
    run_time_max
        The longest processor time that is allowed [h].
    """

    period_min: float | None = None
    period_max: float | None = None
    star_radius: float = 1.0
    star_mass: float = 1.0
    limb_darkening: tuple[float, float] | None = None
    oversampling_factor: int = 3
    transit_depth_min: float = 1e-5
    run_time_max: float = RUN_TIME_MAX

    def shortest_period(self) -> float:
        """Compute the period of an orbit of three stellar radii [d]."""
        from transitleastsquares import tls_constants as package

        axis = CLOSEST_ORBIT * self.star_radius * package.R_sun
        seconds = 2 * math.pi * math.sqrt(axis**3 / (package.G * self.star_mass * package.M_sun))
        return float(seconds) / SECONDS_PER_DAY

    def trial_periods(self, span: float) -> FloatArray:
        """List the trial periods [d], descending, as Ofir (2014, A&A 561, A138) spaces them.

        Parameters
        ----------
        span
            Of the curve [d].

        Raises
        ------
        InputError
            There is none, or there are too many.
        """
        longest = min(self.period_max or math.inf, span / MIN_TRANSITS)
        shortest = self.shortest_period() if self.period_min is None else self.period_min
        if not shortest < longest:
            raise self._empty(span, shortest)
        step = self._frequency_step(span)
        first = (MIN_TRANSITS / span) ** (1 / 3)
        last = (1 / shortest) ** (1 / 3)
        count = (last - first) * 3 / step + 1
        if count > MAX_PERIODS:
            raise InputError(
                f"{count:.3g} trial periods for a curve of {span:.6g} d and a star of {self.star_radius:g} solar radii "
                f"and {self.star_mass:g} solar masses; at most {MAX_PERIODS:g} are possible: use a larger period_min "
                "or a smaller oversampling_factor"
            )
        periods: FloatArray = (step / 3 * (np.arange(max(count, 0.0)) + 1) + first - step / 3) ** -3.0
        chosen = periods[(periods > (self.period_min or 0.0)) & (periods <= longest * (1 + 1e-12))]
        if not chosen.size:
            raise self._empty(span, shortest)
        return chosen

    def _frequency_step(self, span: float) -> float:
        """Compute Ofir's A: three times the step between the cube roots of frequencies [d^(-1/3)]."""
        from transitleastsquares import tls_constants as package

        radius = self.star_radius * package.R_sun
        pull = (package.G * self.star_mass * package.M_sun) ** (1 / 3)
        step = (2 * math.pi) ** (2 / 3) / math.pi * radius / pull / (span * SECONDS_PER_DAY * self.oversampling_factor)
        return float(step * SECONDS_PER_DAY ** (1 / 3))

    def _empty(self, span: float, shortest: float) -> InputError:
        error = empty_range_error(span, shortest, self.period_max)
        if self.period_min is not None:
            return error
        return InputError(
            f"{error}, the orbit of {CLOSEST_ORBIT:g} radii of a star of {self.star_radius:g} solar radii and "
            f"{self.star_mass:g} solar masses; set period_min to search shorter periods"
        )

    def arguments(self) -> dict[str, Any]:
        """Say what the package needs to know in its words, with its limits on stars widened to hold this one.

        The package tries the durations of transits of all stars between two corners, the densest and the least dense.
        Where this star lies beyond a corner, that corner is moved to its density.
        """
        from transitleastsquares import tls_constants as package

        density = self.star_mass / self.star_radius**3
        lightest, heaviest = min(package.M_STAR_MIN, self.star_mass), max(package.M_STAR_MAX, self.star_mass)
        arguments: dict[str, Any] = {
            "R_star": self.star_radius,
            "M_star": self.star_mass,
            "R_star_min": min(package.R_STAR_MIN, self.star_radius, (lightest / density) ** (1 / 3)),
            "R_star_max": max(package.R_STAR_MAX, self.star_radius, (heaviest / density) ** (1 / 3)),
            "M_star_min": lightest,
            "M_star_max": heaviest,
            "oversampling_factor": self.oversampling_factor,
            "n_transits_min": MIN_TRANSITS,
        }
        if self.limb_darkening is not None:
            arguments["u"] = list(self.limb_darkening)
        return arguments
