"""Verification: the range of a light curve, and whether its raster is regular."""

from __future__ import annotations

import logging

from eas.contracts.metadata import Metadata
from eas.lightcurve import LightCurve
from eas.lightcurve.arrays import require_increasing

logger = logging.getLogger(__name__)


def verify_light_curve(curve: LightCurve, *, max_messages: int = 5) -> Metadata:
    """Find the range of times and fluxes, and count the points of a fixed grid that have no sample.

    Parameters
    ----------
    curve
        With at least one good sample.
    max_messages
        How many missing samples to log one by one.

    Returns
    -------
    Metadata
        ``verification_time_min``, ``verification_time_max`` [d] of all samples, ``verification_flux_min``,
        ``verification_flux_max`` of the good samples, ``verification_missing`` (grid points without a sample),
        ``verification_cadence`` [s], and ``verification``: 1.0 if none is missing, else 0.0.

    Raises
    ------
    LightCurveError
        Fewer than two samples, or times that do not increase.
    """
    require_increasing(curve.times)
    step = curve.sampling_interval()
    missing = curve.missing_grid_points(step=step)
    logger.info("The sampling interval is %.6f s", step * 86400)
    for point in missing[:max_messages]:
        logger.warning("There is no sample near %.6f d", curve.times[0] + point * step)
    logger.info("%d samples are missing on the grid of %d that are there", len(missing), len(curve))
    good = curve.fluxes[curve.good_samples()]
    return {
        "verification_time_min": float(curve.times.min()),
        "verification_time_max": float(curve.times.max()),
        "verification_flux_min": float(good.min()),
        "verification_flux_max": float(good.max()),
        "verification_missing": len(missing),
        "verification_cadence": step * 86400,
        "verification": 0.0 if len(missing) else 1.0,
    }
