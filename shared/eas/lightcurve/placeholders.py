"""Numbers that stand for a missing flux by habit, such as -999.99 or 99.999, where a format has no word for it."""

from __future__ import annotations

import numpy as np

from eas.lightcurve.arrays import BoolArray, FloatArray

#: No flux is as large [any unit]. Programs write the largest number of a format for a missing one.
_HUGE = 1e30
_NINES = np.array([float(f"{'9' * whole}.{'9' * part}") for whole in range(2, 8) for part in range(6)])
#: How far a placeholder is from the median: parts of the median, and times the scatter.
_FAR_OF_MEDIAN = 0.5
_FAR_OF_SCATTER = 50.0
#: So many different placeholders are looked for.
_MOST = 4


def find_placeholders(fluxes: FloatArray) -> BoolArray | None:
    """Find fluxes that stand for missing values.

    A placeholder is the lowest or the highest of all values, has only nines as digits or is as large as no flux is, and
    is far from all that is typical.

    Parameters
    ----------
    fluxes
        Shape (N,), in any unit; NaN where a value is missing already.

    Returns
    -------
    Shape (N,), true where a value stands for a missing one; None if there is none.
    """
    left = fluxes
    for _ in range(_MOST):
        found = _find_one(left)
        if found is None:
            break
        left = np.where(found, np.nan, left)
    return None if left is fluxes else np.isnan(left) & ~np.isnan(fluxes)


def _find_one(fluxes: FloatArray) -> BoolArray | None:
    finite = fluxes[np.isfinite(fluxes)]
    if not len(finite):
        return None
    for extreme in (float(finite.min()), float(finite.max())):
        if not _looks_like_one(extreme):
            continue
        others = finite[finite != extreme]
        if not len(others):
            continue
        median = float(np.median(others))
        scatter = 1.4826 * float(np.median(np.abs(others - median)))
        distance = abs(extreme - median)
        if distance > _FAR_OF_MEDIAN * abs(median) and distance > _FAR_OF_SCATTER * scatter:
            found: BoolArray = fluxes == extreme
            return found
    return None


def _looks_like_one(value: float) -> bool:
    size = abs(value)
    return size >= _HUGE or bool(np.isclose(size, _NINES, rtol=1e-7, atol=0.0).any())
