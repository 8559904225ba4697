"""Binning: flux-conserving means on a coarser fixed raster."""

from __future__ import annotations

import numpy as np

from eas.lightcurve import FixedStepLightCurve, LightCurve, LightCurveError, resample
from eas.lightcurve.arrays import grid_length, require_increasing

SECONDS_PER_DAY = 86400.0


def make_raster(curve: LightCurve, cadence: float) -> FixedStepLightCurve:
    """Make an empty fixed raster from the first to the last time of a curve, the last one excluded.

    Parameters
    ----------
    curve
        Gives the span.
    cadence
        Step of the raster [s].

    Raises
    ------
    LightCurveError
        The times do not increase, or less than two steps fit into the curve.
    """
    require_increasing(curve.times)
    step = cadence / SECONDS_PER_DAY
    span = curve.duration()
    count = grid_length(span, step)
    if count < 2:
        raise LightCurveError(f"a cadence of {cadence:g} s is too long for a light curve of {span:.6g} d")
    return FixedStepLightCurve(float(curve.times[0]), step, np.zeros(count), time_system=curve.time_system)


def bin_light_curve(curve: LightCurve, cadence: float) -> LightCurve:
    """Rebin a light curve onto a fixed raster of `cadence` [s], conserving flux.

    Flagged samples do not count. Bins that good samples cover less than half are flagged.

    Raises
    ------
    LightCurveError
        As `make_raster` and `resample`.
    """
    return resample(curve, make_raster(curve, cadence))
