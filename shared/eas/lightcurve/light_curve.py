"""Light curves on arbitrary and on fixed rasters, and their arithmetic."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eas.contracts.metadata import Metadata, MetadataValue
from eas.lightcurve import arrays
from eas.lightcurve.arrays import BoolArray, FloatArray
from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.flux_level import find_level
from eas.lightcurve.time_systems import RELATIVE, UNKNOWN

if TYPE_CHECKING:
    from astropy.timeseries import TimeSeries

#: How far a sample may lie from its grid point, as in the original: 8.64 s [d].
GRID_TOLERANCE = 1e-4
#: A spacing of more sampling intervals than this is a gap that no sample speaks for.
GAP_TOLERANCE = 1.5


class LightCurve:
    """Brightness against time on an arbitrary raster. Do not write to its arrays.

    Parameters
    ----------
    times
        [d], shape (N,), finite.
    fluxes
        Shape (N,); any unit, mostly normalised to 1. May hold NaN.
    uncertainties
        Standard deviations in the unit of the flux, shape (N,); zeros (unknown) if left out.
    flags
        True for a bad sample, shape (N,); none is bad if left out.
    time_system
        "relative", "BTJD", "BKJD", "BJD_TDB", "BJD", "JD" or "unknown".
    metadata
        Small named values about the curve.

    Raises
    ------
    LightCurveError
        The arrays are not one-dimensional, differ in length, or a time is not finite.
    """

    def __init__(
        self,
        times: ArrayLike,
        fluxes: ArrayLike,
        *,
        uncertainties: ArrayLike | None = None,
        flags: ArrayLike | None = None,
        time_system: str = RELATIVE,
        metadata: Mapping[str, MetadataValue] | None = None,
    ) -> None:
        self._times: FloatArray | None = np.ascontiguousarray(times, dtype=np.float64)
        if not np.isfinite(self._times).all():
            raise LightCurveError("every sample needs a finite time")
        self._set_samples(fluxes, uncertainties, flags, length=self._times.shape)
        self.time_system = time_system
        self.metadata: Metadata = dict(metadata or {})

    def _set_samples(
        self, fluxes: ArrayLike, uncertainties: ArrayLike | None, flags: ArrayLike | None, *, length: tuple[int, ...]
    ) -> None:
        self.fluxes: FloatArray = np.ascontiguousarray(fluxes, dtype=np.float64)
        size = self.fluxes.shape
        self.uncertainties: FloatArray = (
            np.zeros(size) if uncertainties is None else np.ascontiguousarray(uncertainties, dtype=np.float64)
        )
        self.flags: BoolArray = np.zeros(size, np.bool_) if flags is None else np.ascontiguousarray(flags, np.bool_)
        shapes = {length, size, self.uncertainties.shape, self.flags.shape}
        if len(shapes) != 1 or len(size) != 1:
            raise LightCurveError(
                f"times {length}, fluxes {size}, uncertainties {self.uncertainties.shape} and flags {self.flags.shape}"
                " must be one-dimensional and equally long"
            )

    @property
    def times(self) -> FloatArray:
        """Times of the samples [d], shape (N,)."""
        assert self._times is not None  # noqa: S101  (only a fixed raster makes them late)
        return self._times

    def __len__(self) -> int:
        return len(self.fluxes)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} samples, time system {self.time_system}>"

    # --- What the raster is like

    def duration(self) -> float:
        """Last time minus first time [d]."""
        self._require_samples(1)
        return float(self.times[-1] - self.times[0])

    def sampling_interval(self) -> float:
        """Estimate the typical spacing of the samples [d]. See `arrays.estimate_sampling_interval`."""
        return arrays.estimate_sampling_interval(self.times)

    def missing_grid_points(self, tolerance: float = GRID_TOLERANCE, *, step: float | None = None) -> NDArray[np.intp]:
        """Find the points of a fixed grid, from the first to the last sample, that no sample is near.

        Parameters
        ----------
        tolerance
            How far a sample may lie from its grid point [d].
        step
            Of the grid [d]; the sampling interval if left out. Who has found that already spares it a second time.

        Raises
        ------
        LightCurveError
            Fewer than two samples.
        """
        self._require_samples(2)
        present = arrays.find_present_points(self.times, self.sampling_interval() if step is None else step, tolerance)
        return np.flatnonzero(~present)

    def check_fixed_step(self, tolerance: float = GRID_TOLERANCE) -> int:
        """Count the grid points that no sample is near: 0 for a fixed step without gaps."""
        return len(self.missing_grid_points(tolerance))

    # --- Other curves from this one

    def to_fixed_step(self, tolerance: float = GRID_TOLERANCE) -> FixedStepLightCurve:
        """Move the samples onto the nearest points of a fixed grid. Nothing is interpolated.

        Grid points without a sample within `tolerance` [d] are flagged and have flux NaN.
        """
        step = self.sampling_interval()
        count, points, samples = arrays.place_on_grid(self.times, step, tolerance)
        fluxes, uncertainties, flags = np.full(count, np.nan), np.zeros(count), np.ones(count, np.bool_)
        fluxes[points] = self.fluxes[samples]
        uncertainties[points] = self.uncertainties[samples]
        flags[points] = self.flags[samples]
        return FixedStepLightCurve(
            float(self.times[0]),
            step,
            fluxes,
            uncertainties=uncertainties,
            flags=flags,
            time_system=self.time_system,
            metadata=self.metadata,
        )

    def truncate(self, minimum_time: float = -np.inf, maximum_time: float = np.inf) -> LightCurve:
        """Keep the samples of minimum_time <= time < maximum_time [d]; perhaps none is left."""
        return self.select((self.times >= minimum_time) & (self.times < maximum_time))

    def good(self) -> LightCurve:
        """Keep the samples that are not flagged and whose flux is finite; perhaps none is left."""
        return self.select(self.good_samples())

    def good_samples(self) -> BoolArray:
        """Tell for each sample whether it is unflagged and finite."""
        good: BoolArray = ~self.flags & np.isfinite(self.fluxes)
        return good

    def trim(self, count: int) -> LightCurve:
        """Drop this many samples at each end."""
        return self.select(slice(count, len(self) - count))

    def select(self, samples: BoolArray | slice) -> LightCurve:
        """Keep the samples that the mask or slice names."""
        return LightCurve(
            self.times[samples],
            self.fluxes[samples],
            uncertainties=self.uncertainties[samples],
            flags=self.flags[samples],
            time_system=self.time_system,
            metadata=self.metadata,
        )

    def normalised(self) -> Self:
        """Divide fluxes and uncertainties by the median of the good fluxes.

        Raises
        ------
        LightCurveError
            There is no good sample, or the median is not positive beyond the scatter. See `flux_level`.
        """
        good = self.fluxes[self.good_samples()]
        if not len(good):
            raise LightCurveError("no sample is finite and unflagged, so there is nothing to normalise by")
        median = find_level(good)
        return self.with_samples(self.fluxes / median, self.uncertainties / median, self.flags, self.metadata)

    def with_metadata(self, metadata: Mapping[str, MetadataValue]) -> Self:
        """Overlay the metadata with these."""
        return self.with_samples(self.fluxes, self.uncertainties, self.flags, {**self.metadata, **metadata})

    def with_samples(
        self, fluxes: FloatArray, uncertainties: FloatArray, flags: BoolArray, metadata: Mapping[str, MetadataValue]
    ) -> Self:
        """Put other samples on the same raster; all arrays have its length."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.fluxes, other.uncertainties, other.flags, other.metadata = fluxes, uncertainties, flags, dict(metadata)
        return other

    # --- To and from astropy

    def to_time_series(self) -> TimeSeries:
        """Make an astropy `TimeSeries` with the columns flux, flux_err and flag. See `time_series`."""
        from eas.lightcurve.time_series import to_time_series

        return to_time_series(self)

    @staticmethod
    def from_time_series(series: TimeSeries, *, flux_column: str = "flux") -> LightCurve:
        """Take a light curve from an astropy `TimeSeries`. See `time_series`."""
        from eas.lightcurve.time_series import from_time_series

        return from_time_series(series, flux_column=flux_column)

    # --- Arithmetic: the right operand is resampled onto the raster of the left one

    def __add__(self, other: LightCurve) -> Self:
        """Add fluxes; the metadata are those of the curve with the larger `mes`."""
        wins = _mes(other, 0.0) > _mes(self, 1e-20)
        return self._combined(other, operator.add, (other if wins else self).metadata)

    def __sub__(self, other: LightCurve) -> Self:
        """Subtract fluxes; where both have a metadata keyword, that of `other` wins."""
        return self._combined(other, operator.sub, {**self.metadata, **other.metadata})

    def __mul__(self, other: LightCurve) -> Self:
        """Multiply fluxes; where both have a metadata keyword, that of `other` wins."""
        return self._combined(other, operator.mul, {**self.metadata, **other.metadata})

    def _combined(
        self, other: LightCurve, combine: Callable[[FloatArray, FloatArray], FloatArray], metadata: Metadata
    ) -> Self:
        """Combine with `other`, propagating independent uncertainties; a sample bad in either is bad."""
        match = other.on_raster_of(self)
        fluxes = combine(self.fluxes, match.fluxes)
        mine, theirs = self.uncertainties, match.uncertainties
        if combine is operator.mul:
            mine, theirs = mine * match.fluxes, theirs * self.fluxes
        flags: BoolArray = self.flags | match.flags | ~np.isfinite(fluxes)
        uncertainties = np.where(np.isfinite(fluxes), np.hypot(mine, theirs), 0.0)
        result = self.with_samples(fluxes, uncertainties, flags, metadata)
        result.time_system = match.time_system if self.time_system in (RELATIVE, UNKNOWN) else self.time_system
        return result

    def on_raster_of(self, other: LightCurve) -> LightCurve:
        """Resample onto the times of `other`, and refuse where that makes no sense.

        Raises
        ------
        LightCurveError
            The time systems differ, or the curves do not overlap in time.
        """
        systems = {self.time_system, other.time_system} - {RELATIVE, UNKNOWN}
        if len(systems) > 1:
            raise LightCurveError(f"cannot combine light curves in the time systems {' and '.join(sorted(systems))}")
        if len(self) == len(other) and np.array_equal(self.times, other.times):
            return self
        resampled = resample(self, other)
        if not np.isfinite(resampled.fluxes).any():
            raise LightCurveError("the light curves do not overlap in time (or one has no finite sample)")
        return resampled

    def _require_samples(self, count: int) -> None:
        if len(self) < count:
            raise LightCurveError(f"a light curve of {len(self)} samples is too short: {count} are needed")


class FixedStepLightCurve(LightCurve):
    """Brightness against time on the grid time_start + k time_step, k = 0 ... N-1.

    Parameters
    ----------
    time_start, time_step
        [d]; the step is positive.
    fluxes, uncertainties, flags, time_system, metadata
        As in `LightCurve`.
    """

    def __init__(
        self,
        time_start: float,
        time_step: float,
        fluxes: ArrayLike,
        *,
        uncertainties: ArrayLike | None = None,
        flags: ArrayLike | None = None,
        time_system: str = RELATIVE,
        metadata: Mapping[str, MetadataValue] | None = None,
    ) -> None:
        if not (np.isfinite(time_start) and np.isfinite(time_step) and time_step > 0):
            raise LightCurveError(
                f"a fixed raster needs a finite start and a positive step, not {time_start, time_step}"
            )
        self.time_start = float(time_start)
        self.time_step = float(time_step)
        self._times = None
        self._set_samples(fluxes, uncertainties, flags, length=np.shape(fluxes))
        self.time_system = time_system
        self.metadata = dict(metadata or {})

    @property
    def times(self) -> FloatArray:
        """Times of the samples [d], shape (N,); made when first asked for."""
        if self._times is None:
            self._times = np.arange(len(self), dtype=np.float64) * self.time_step + self.time_start
        return self._times

    def duration(self) -> float:
        """Last time minus first time [d]."""
        self._require_samples(1)
        return (len(self) - 1) * self.time_step

    def sampling_interval(self) -> float:
        """Return the step [d]."""
        return self.time_step

    def missing_grid_points(self, tolerance: float = GRID_TOLERANCE, *, step: float | None = None) -> NDArray[np.intp]:
        """Return none: a fixed raster is complete; its gaps are flagged samples."""
        return np.empty(0, np.intp)

    def to_fixed_step(self, tolerance: float = GRID_TOLERANCE) -> FixedStepLightCurve:
        """Return itself."""
        return self

    def truncate(self, minimum_time: float = -np.inf, maximum_time: float = np.inf) -> FixedStepLightCurve:
        """Keep the samples of minimum_time <= time < maximum_time [d]; perhaps none is left."""
        first, last = (int(index) for index in np.searchsorted(self.times, (minimum_time, maximum_time)))
        return self._cut(first, last)

    def trim(self, count: int) -> FixedStepLightCurve:
        """Drop this many samples at each end."""
        return self._cut(count, len(self) - count)

    def _cut(self, first: int, last: int) -> FixedStepLightCurve:
        return FixedStepLightCurve(
            self.time_start + first * self.time_step,
            self.time_step,
            self.fluxes[first:last],
            uncertainties=self.uncertainties[first:last],
            flags=self.flags[first:last],
            time_system=self.time_system,
            metadata=self.metadata,
        )


def resample(curve: LightCurve, raster: LightCurve | ArrayLike, *, gap_tolerance: float = GAP_TOLERANCE) -> LightCurve:
    """Rebin a light curve onto another raster, conserving flux (the integral over time).

    Each sample is a pixel whose edges are the midpoints to its neighbours. Output pixels average the good input
    that they overlap; those that good input covers less than half are flagged, and those beyond the input or in a
    gap are NaN besides.

    Parameters
    ----------
    curve
        At least 2 samples at strictly increasing times.
    raster
        Where to: the times of this light curve, or times [d]; at least 2, strictly increasing.
    gap_tolerance
        A spacing above this many sampling intervals is a gap, in the input and in the raster alike: no pixel reaches
        further than half an interval into it. Infinity bridges every gap.

    Returns
    -------
    LightCurve
        On a fixed raster if `raster` is. Metadata are those of `curve`.

    Raises
    ------
    LightCurveError
        Too few samples, or times that do not increase.
    """
    target = raster if isinstance(raster, LightCurve) else LightCurve(raster, np.zeros(np.shape(raster)))
    for what, item in (("the light curve", curve), ("the output raster", target)):
        if len(item) < 2:
            raise LightCurveError(f"resampling needs at least 2 samples; {what} has {len(item)}")
        arrays.require_increasing(item.times, f"the times of {what}")
    rebinned = arrays.rebin(
        curve.fluxes,
        curve.uncertainties,
        curve.good_samples(),
        arrays.Pixels.around(curve.times, gap_tolerance, curve.sampling_interval()),
        arrays.Pixels.around(target.times, gap_tolerance, target.sampling_interval()),
    )
    result = target.with_samples(rebinned.fluxes, rebinned.uncertainties, rebinned.flags, curve.metadata)
    result.time_system = curve.time_system
    return result


def _mes(curve: LightCurve, default: float) -> float:
    """Multiple-event statistic in the metadata; `default` where there is none that is a number."""
    value = curve.metadata.get("mes")
    return float(value) if isinstance(value, int | float) else default
