"""The order of times: samples are put into it, and what cannot be ordered is named."""

from __future__ import annotations

import logging

import numpy as np

from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.light_curve import FixedStepLightCurve, LightCurve
from eas.lightcurve.reading_options import RepeatedTimes

logger = logging.getLogger(__name__)


def order_samples(curve: LightCurve, *, repeated_times: RepeatedTimes = "refuse", name: str = "") -> LightCurve:
    """Sort samples by time, and drop those that repeat another one in every respect.

    Parameters
    ----------
    curve
        In any order.
    repeated_times
        What to do about different samples at one time: refuse the curve, or keep the first good one of them.
    name
        Of the file, for the log.

    Returns
    -------
    LightCurve
        The curve itself where its times strictly increase.

    Raises
    ------
    LightCurveError
        Different samples have the same time, and `repeated_times` is "refuse".
    """
    if isinstance(curve, FixedStepLightCurve) or len(curve) < 2 or (np.diff(curve.times) > 0).all():
        return curve
    # Of samples at one time, good ones come first; else the order of the file is kept.
    order = np.lexsort((~curve.good_samples(), curve.times))
    times = curve.times[order]
    again = np.concatenate(([False], np.diff(times) == 0))
    if (np.diff(order) < 0).any() and (np.diff(curve.times) < 0).any():
        logger.warning("%s: the samples are not in the order of time; they are sorted", name or "light curve")
    if again.any():
        values = [curve.fluxes[order], curve.uncertainties[order], curve.flags[order]]
        differ = np.zeros(len(times), np.bool_)
        for value in values:
            differ[1:] |= ~((value[1:] == value[:-1]) | ((value[1:] != value[1:]) & (value[:-1] != value[:-1])))
        conflicts = np.flatnonzero(again & differ)
        if len(conflicts) and repeated_times == "refuse":
            time = float(times[conflicts[0]])
            raise LightCurveError(
                f"{len(conflicts)} samples have the time of another one, but not its flux, the first at {time:.10g} d"
                " (several cameras, filters or apertures in one file, or times with too few digits?);"
                " the setting repeated_times 'first' keeps the first good one of each"
            )
        logger.warning(
            "%s: %d samples repeat the time of another one and are left out", name or "light curve", again.sum()
        )
    kept = order[~again]
    return LightCurve(
        curve.times[kept],
        curve.fluxes[kept],
        uncertainties=curve.uncertainties[kept],
        flags=curve.flags[kept],
        time_system=curve.time_system,
        metadata=curve.metadata,
    )
