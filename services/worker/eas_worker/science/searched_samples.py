"""What a transit search makes of the samples before it begins: it refuses what it cannot search, and normalises."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eas.authoring.errors import InputError
from eas.lightcurve import LightCurveError
from eas.lightcurve.arrays import require_increasing
from eas.lightcurve.flux_level import find_level
from eas_worker.science.transit_signal import MIN_SAMPLES, FloatArray

#: A median flux closer to 1 than this is taken for that of a normalised curve, which is left as it is.
NORMALISED_WITHIN = 0.01


@dataclass(frozen=True)
class SearchedSamples:
    """The samples that a search works on.

    Parameters
    ----------
    times
        [d], shape (N,), strictly increasing.
    fluxes
        Relative, of a median of about 1, shape (N,).
    messages
        What was done to the fluxes, for the log.
    """

    times: FloatArray
    fluxes: FloatArray
    messages: tuple[str, ...] = ()

    @classmethod
    def of(cls, times: FloatArray, fluxes: FloatArray, *, purpose: str = "a transit search") -> SearchedSamples:
        """Check the samples of a curve, and divide the fluxes by their median where that is not about 1.

        Parameters
        ----------
        times, fluxes
            [d], in any unit; good samples only, of one length.
        purpose
            What needs them, for errors.

        Raises
        ------
        InputError
            There are fewer than 10 samples, some are not finite, the times do not increase, or the median flux is not
            positive beyond the scatter.
        """
        if times.size < MIN_SAMPLES:
            raise InputError(f"{times.size} good samples within lc_duration; {purpose} needs at least {MIN_SAMPLES}")
        if not (np.isfinite(times).all() and np.isfinite(fluxes).all()):
            raise InputError(f"{purpose} needs finite times and fluxes")
        try:
            require_increasing(times, "the times of the light curve")
            level = find_level(fluxes)
        except LightCurveError as error:
            raise InputError(str(error)) from error
        if abs(level - 1) <= NORMALISED_WITHIN:
            return cls(times, fluxes)
        return cls(times, fluxes / level, (f"the fluxes were divided by their median, {level:.6g}",))

    @property
    def span(self) -> float:
        """Last time minus first time [d]."""
        return float(self.times[-1] - self.times[0])

    @property
    def cadence(self) -> float:
        """Median spacing of the samples [d]."""
        return float(np.median(np.diff(self.times)))
