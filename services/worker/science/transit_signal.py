"""What a transit search finds: a strictly periodic dip, the spectrum it stands out of, and its place in time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.worker.domain.errors import InputError

FloatArray = NDArray[np.float64]

#: A search of fewer samples than this is refused.
MIN_SAMPLES = 10
#: At least so many transits must fit into a curve.
MIN_TRANSITS = 2


@dataclass(frozen=True)
class TransitSignal:
    """A periodic transit.

    Parameters
    ----------
    period, duration
        [d].
    epoch
        A mid-transit time [d], in the time system of the curve.
    depth
        1 - flux level, relative.
    """

    period: float
    epoch: float
    duration: float
    depth: float

    def offsets(self, times: FloatArray) -> FloatArray:
        """Measure the time from the nearest mid-transit [d], from -period/2 to period/2."""
        return offsets_from_transit(times, period=self.period, epoch=self.epoch)

    def numbers(self, times: FloatArray) -> NDArray[np.int64]:
        """Find the number of the transit nearest to each time; the one at the epoch is 0."""
        return np.floor((times - self.epoch) / self.period + 0.5).astype(np.int64)

    def covers(self, times: FloatArray) -> NDArray[np.bool_]:
        """Tell which times are in transit."""
        return np.abs(self.offsets(times)) < self.duration / 2


@dataclass(frozen=True)
class Periodogram:
    """Power against trial period [d], periods ascending."""

    periods: FloatArray
    power: FloatArray


@dataclass(frozen=True)
class Table:
    """Rows of numbers for the archive, under a line of column names separated by commas."""

    header: str
    rows: FloatArray


@dataclass(frozen=True)
class SearchFindings:
    """What a search returns.

    Parameters
    ----------
    signal
        The best transit, or None if nothing dips.
    periodogram
        Of all trial periods.
    statistics
        Further numbers, all finite, by the names under which they are published.
    messages
        What the search had to say, for its log.
    tables
        What else belongs into the archive, by file name.
    period_range
        The periods that can be found [d], where they are not those of the periodogram.
    """

    signal: TransitSignal | None
    periodogram: Periodogram
    statistics: dict[str, float] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    tables: dict[str, Table] = field(default_factory=dict)
    period_range: tuple[float, float] | None = None

    def searched_periods(self) -> tuple[float, float]:
        """Say between which periods [d] the search looked."""
        return self.period_range or (float(self.periodogram.periods[0]), float(self.periodogram.periods[-1]))


def offsets_from_transit(times: FloatArray, *, period: float, epoch: float) -> FloatArray:
    """Measure the time from the nearest mid-transit [d], from -period/2 to period/2."""
    return (times - epoch + period / 2) % period - period / 2


def require_samples(times: FloatArray, fluxes: FloatArray) -> None:
    """Refuse a curve that no search can work on.

    Raises
    ------
    InputError
        There are fewer than 10 samples, some are not finite, times do not increase, or the mean flux is not positive.
    """
    if times.size < MIN_SAMPLES:
        raise InputError(f"{times.size} good samples within lc_duration; a transit search needs at least {MIN_SAMPLES}")
    if not (np.isfinite(times).all() and np.isfinite(fluxes).all()):
        raise InputError("a transit search needs finite times and fluxes")
    if (np.diff(times) < 0).any() or times[-1] <= times[0]:
        raise InputError("the times of the light curve do not increase")
    if fluxes.mean() <= 0:
        raise InputError(f"the mean flux is {fluxes.mean():g}; a transit search needs a curve normalised to about 1")


def period_range(times: FloatArray, period_min: float, period_max: float | None) -> tuple[float, float]:
    """Find the range of periods [d] to search: at least two transits must fit into the curve.

    Raises
    ------
    InputError
        No period is left.
    """
    span = float(times[-1] - times[0])
    longest = span / MIN_TRANSITS
    upper = longest if period_max is None else min(period_max, longest)
    if not period_min < upper:
        raise empty_range_error(span, period_min, period_max)
    return period_min, upper


def empty_range_error(
    span: float, period_min: float, period_max: float | None, transits: int = MIN_TRANSITS
) -> InputError:
    """Say why there is no period to search."""
    asked = "" if period_max is None else f" and period_max is {period_max:g} d"
    return InputError(
        f"no period to search: the light curve spans {span:.6g} d, so periods of at most {span / transits:.6g} d "
        f"show {transits} transits, but period_min is {period_min:g} d{asked}"
    )


def first_epoch(times: FloatArray, *, period: float, epoch: float) -> float:
    """Move an epoch by whole periods to the first mid-transit at or after the first sample."""
    return float(epoch + period * math.ceil((times[0] - epoch) / period - 1e-9))


def describe_signal(times: FloatArray, fluxes: FloatArray, signal: TransitSignal) -> dict[str, float]:
    """Count the transits of a signal in a curve and weigh them against the noise.

    Returns
    -------
    dict
        ``transit_count``: mid-transit times within the curve; ``observed_transit_count``: transits with samples;
        ``snr``: mean depth over its standard error, from the scatter out of transit (left out if there is none).
    """
    inside = signal.covers(times)
    predicted = 1 + math.floor((times[-1] - signal.epoch) / signal.period) if signal.epoch <= times[-1] else 0
    numbers: dict[str, float] = {
        "transit_count": int(predicted),
        "observed_transit_count": int(np.unique(signal.numbers(times[inside])).size),
    }
    outside = fluxes[np.abs(signal.offsets(times)) > signal.duration]
    scatter = float(outside.std()) if outside.size else 0.0
    if inside.any() and scatter > 1e-12:
        depth = float(np.median(outside) - fluxes[inside].mean())
        numbers["snr"] = depth / scatter * math.sqrt(np.count_nonzero(inside))
    return numbers


def detection_efficiency(spectrum: FloatArray) -> float:
    """How far the highest peak of a spectrum lies above its mean, in its standard deviations; 0 if it is flat."""
    spread = float(spectrum.std())
    return float(spectrum.max() - spectrum.mean()) / spread if spread > 0 else 0.0


def keep_finite(numbers: dict[str, float]) -> dict[str, float]:
    """Leave out NaN and infinity, which metadata cannot hold."""
    return {name: value for name, value in numbers.items() if math.isfinite(value)}
