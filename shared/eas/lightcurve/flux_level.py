"""The level of a light curve: what its fluxes are divided by to become relative, and whether there is such a level."""

from __future__ import annotations

import math

import numpy as np

from eas.lightcurve.arrays import FloatArray
from eas.lightcurve.errors import LightCurveError

#: A level must exceed this fraction of the scatter of the samples, as lightkurve has it.
MIN_LEVEL = 0.5
#: And this many standard errors of the median.
MIN_SIGNIFICANCE = 5.0
#: Standard error of the median of Gaussian noise, in units of the standard deviation over the root of the count.
_MEDIAN_ERROR = 1.2533


def find_level(fluxes: FloatArray) -> float:
    """Find the median flux, and refuse one that is not positive beyond the scatter.

    A curve from which its own mean or median was subtracted has a median near 0, of either sign by chance. To divide
    by it would give numbers without a meaning.

    Parameters
    ----------
    fluxes
        The good samples, finite, shape (N,), N >= 1.

    Returns
    -------
    float
        The median, in the unit of the fluxes.

    Raises
    ------
    LightCurveError
        The median is not positive, or not beyond the scatter.
    """
    level = float(np.median(fluxes))
    scatter = measure_spread(fluxes, level)
    needed = max(MIN_LEVEL, MIN_SIGNIFICANCE * _MEDIAN_ERROR / math.sqrt(len(fluxes))) * scatter
    if not level > needed:
        raise LightCurveError(
            f"the median flux, {level:.6g}, is not positive beyond the scatter of the samples, {scatter:.3g}, so it "
            "cannot normalise the light curve; the flux needs its own level: was its mean or median subtracted?"
        )
    return level


def measure_spread(fluxes: FloatArray, level: float) -> float:
    """Measure how far samples lie below the level, as the standard deviation that Gaussian noise would have.

    Flares and cosmics count for nothing. No positive flux lies further below its median than that median, so deep
    eclipses do not make the spread of a curve with a level as large as the level.
    """
    below = np.minimum(fluxes - level, 0.0)
    return math.sqrt(2.0 * float(np.mean(below * below)))
