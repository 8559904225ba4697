"""What a transit search finds: a strictly periodic dip, the spectrum it stands out of, and its place in time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eas.authoring.errors import InputError

FloatArray = NDArray[np.float64]

#: A search of fewer samples than this is refused.
MIN_SAMPLES = 10
#: At least so many transits must fit into a curve.
MIN_TRANSITS = 2
#: A depth above 1 by no more than so many standard errors is that of a total eclipse.
MAX_EXCESS = 5.0


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

    Parameters
    ----------
    times, fluxes
        [d] ascending, relative.
    signal
        Its epoch is the first mid-transit at or after the first sample.

    Returns
    -------
    dict
        ``transit_count``: mid-transit times within the curve; ``observed_transit_count``: those with samples in
        transit; ``snr``: mean depth over its standard error, from the scatter out of transit (left out if there is
        none).
    """
    inside = signal.covers(times)
    numbers: dict[str, float] = {
        "transit_count": count_transits(times, signal),
        "observed_transit_count": count_observed(times, signal),
    }
    outside = fluxes[np.abs(signal.offsets(times)) > signal.duration]
    scatter = float(outside.std()) if outside.size else 0.0
    if inside.any() and scatter > 1e-12:
        depth = float(np.median(outside) - fluxes[inside].mean())
        numbers["snr"] = depth / scatter * math.sqrt(np.count_nonzero(inside))
    return numbers


def count_transits(times: FloatArray, signal: TransitSignal) -> int:
    """Count the mid-transit times from the first to the last sample."""
    first = first_epoch(times, period=signal.period, epoch=signal.epoch)
    return 1 + math.floor((times[-1] - first) / signal.period) if first <= times[-1] else 0


def count_observed(times: FloatArray, signal: TransitSignal) -> int:
    """Count the mid-transit times from the first to the last sample that have samples in transit.

    A transit whose middle lies before the first or after the last sample does not count, even where samples show a
    part of it: so these are never more than `count_transits`.
    """
    first = first_epoch(times, period=signal.period, epoch=signal.epoch)
    from_first = TransitSignal(signal.period, first, signal.duration, signal.depth)
    seen = np.unique(from_first.numbers(times[from_first.covers(times)]))
    return int(np.count_nonzero((seen >= 0) & (seen < count_transits(times, signal))))


def bound_depth(times: FloatArray, fluxes: FloatArray, signal: TransitSignal) -> TransitSignal:
    """Give a total eclipse the depth 1 where noise makes it deeper, by up to five standard errors.

    A depth that is above 1 by more stays as it is: the zero point of the fluxes is wrong then, and quality control
    says so.
    """
    outside = fluxes[np.abs(signal.offsets(times)) > signal.duration]
    if signal.depth <= 1 or not outside.size:
        return signal
    error = float(outside.std()) / math.sqrt(max(int(np.count_nonzero(signal.covers(times))), 1))
    if signal.depth - 1 > MAX_EXCESS * error:
        return signal
    return TransitSignal(signal.period, signal.epoch, signal.duration, 1.0)


def detection_efficiency(spectrum: FloatArray) -> float:
    """How far the highest peak of a spectrum lies above its mean, in its standard deviations; 0 if it is flat."""
    spread = float(spectrum.std())
    return float(spectrum.max() - spectrum.mean()) / spread if spread > 0 else 0.0


def keep_finite(numbers: dict[str, float]) -> dict[str, float]:
    """Leave out NaN and infinity, which metadata cannot hold."""
    return {name: value for name, value in numbers.items() if math.isfinite(value)}
