"""Measure what tells a planet from an eclipsing binary or from noise: depths, odd against even, secondary eclipses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eas.authoring.errors import InputError
from eas_worker.science.constants import EARTH_RADIUS, JUPITER_RADIUS, SUN_RADIUS
from eas_worker.science.transit_fit import (
    WINDOW,
    PlanetFit,
    TrapezoidFit,
    cut_window,
    fit_planet,
    fit_trapezoid,
)
from eas_worker.science.transit_signal import MIN_SAMPLES, FloatArray, TransitSignal, count_observed

#: Scale from the median absolute deviation of Gaussian noise to its standard deviation.
MAD_TO_SIGMA = 1.4826
#: An epoch that is farther away from the curve [d] is one of another time system, such as BJD instead of BTJD.
FARTHEST_EPOCH = 100_000.0
#: Steps per transit duration at which weak secondary eclipses are looked for.
SECONDARY_OVERSAMPLING = 4


@dataclass(frozen=True)
class Depth:
    """A dip [relative flux] and its standard error."""

    value: float
    error: float

    @property
    def significance(self) -> float:
        """Value over error."""
        return self.value / self.error


@dataclass(frozen=True)
class Vetting:
    """All that is measured on a candidate. What the curve does not allow to measure is None.

    Parameters
    ----------
    candidate
        What the search found.
    signal
        The same after the fit of a trapezoid to it: the ephemeris and the shape that all else relies on.
    scatter
        Robust standard deviation of one sample out of transit.
    exposure
        Sampling interval [d].
    trapezoid, planet
        Fits to the transits.
    depth
        Of all transits together, by the trapezoid's shape.
    odd, even
        Of every second transit; the first in the curve is odd.
    secondary
        At phase 0.5.
    weak_secondary, weak_secondary_phase
        The most significant dip elsewhere than at the transit.
    transit_count
        Mid-transit times within the curve that have samples in transit.
    """

    candidate: TransitSignal
    signal: TransitSignal
    scatter: float
    exposure: float
    trapezoid: TrapezoidFit | None
    planet: PlanetFit | None
    depth: Depth | None
    odd: Depth | None
    even: Depth | None
    secondary: Depth | None
    weak_secondary: Depth | None
    weak_secondary_phase: float | None
    transit_count: int

    @property
    def odd_even_sigma(self) -> float | None:
        """By how many standard errors the depths of odd and even transits differ."""
        if self.odd is None or self.even is None:
            return None
        return abs(self.odd.value - self.even.value) / math.hypot(self.odd.error, self.even.error)

    @property
    def radius_ratio(self) -> float | None:
        """Planet over stellar radius: of the fitted planet, else the square root of the depth."""
        if self.planet is not None:
            return self.planet.radius_ratio
        if self.trapezoid is not None and self.trapezoid.signal.depth > 0:
            return math.sqrt(self.trapezoid.signal.depth)
        return None

    def planet_radius(self, star_radius: float, *, unit: str = "earth") -> float | None:
        """Radius of the planet in radii of the Earth (or ``jupiter``) around a star of `star_radius` [solar]."""
        if self.radius_ratio is None:
            return None
        return self.radius_ratio * star_radius * SUN_RADIUS / (EARTH_RADIUS if unit == "earth" else JUPITER_RADIUS)


def vet_candidate(times: FloatArray, fluxes: FloatArray, candidate: TransitSignal) -> Vetting:
    """Measure a candidate on the light curve that was searched.

    Parameters
    ----------
    times, fluxes
        [d] ascending, relative to 1 out of transit; finite, good samples only.
    candidate
        Period, epoch, duration and approximate depth.

    Raises
    ------
    InputError
        Too few samples, a duration that is not shorter than the period, a period of less than two sampling intervals,
        or an epoch in another time system.
    """
    if times.size < MIN_SAMPLES:
        raise InputError(f"{times.size} good samples; a report needs at least {MIN_SAMPLES}")
    if not candidate.duration < candidate.period:
        raise InputError(
            f"the candidate's duration {candidate.duration:g} d is not below its period {candidate.period:g} d"
        )
    exposure = float(np.median(np.diff(times)))
    _require_ephemeris(times, candidate, exposure)
    scatter = measure_scatter(times, fluxes, candidate)
    window = cut_window(times, fluxes, candidate, sigma=scatter, fold=False)
    trapezoid = fit_trapezoid(window, candidate, exposure=exposure)
    if trapezoid is not None and trapezoid.signal.depth <= 0:
        trapezoid = None  # it fitted a bump
    signal, planet = candidate, None
    if trapezoid is not None:
        signal = trapezoid.signal
        scatter = measure_scatter(times, fluxes, signal)
        window = cut_window(times, fluxes, signal, sigma=scatter, fold=True)
        planet = fit_planet(window, trapezoid, exposure=exposure)
    return _measure_depths(times, fluxes, candidate, signal, trapezoid, planet, _Noise(scatter, exposure))


def _require_ephemeris(times: FloatArray, candidate: TransitSignal, interval: float) -> None:
    """Refuse an ephemeris that cannot be one of this curve, sampled at this interval [d]. Raises `InputError`."""
    if candidate.period < 2 * interval:
        raise InputError(
            f"the candidate's period {candidate.period:g} d is shorter than two sampling intervals of {interval:.6g} d"
        )
    first, last = float(times[0]), float(times[-1])
    if max(first - candidate.epoch, candidate.epoch - last) > FARTHEST_EPOCH:
        raise InputError(
            f"the candidate's epoch, {candidate.epoch:.10g} d, is more than {FARTHEST_EPOCH:g} d away from the curve, "
            f"which lasts from {first:.10g} to {last:.10g} d: it must be in the time system of the curve"
        )


def _measure_depths(
    times: FloatArray,
    fluxes: FloatArray,
    candidate: TransitSignal,
    signal: TransitSignal,
    trapezoid: TrapezoidFit | None,
    planet: PlanetFit | None,
    noise: _Noise,
) -> Vetting:
    shape = trapezoid if trapezoid is not None else TrapezoidFit(signal, 1.0, 0.05 * signal.duration, 0.0, 0.0)
    offsets = signal.offsets(times)
    odd = find_odd(times, signal)

    def fold(chosen: NDArray[np.bool_] | slice) -> _Fold:
        return _Fold(offsets[chosen], fluxes[chosen], shape=shape, noise=noise)

    whole = fold(slice(None))
    weak, weak_phase = whole.find_weak_secondary()
    return Vetting(
        candidate=candidate,
        signal=signal,
        scatter=noise.scatter,
        exposure=noise.exposure,
        trapezoid=trapezoid,
        planet=planet,
        depth=whole.depth_at(0.0),
        odd=fold(odd).depth_at(0.0),
        even=fold(~odd).depth_at(0.0),
        secondary=whole.depth_at(0.5),
        weak_secondary=weak,
        weak_secondary_phase=weak_phase,
        transit_count=count_observed(times, signal),
    )


def find_odd(times: FloatArray, signal: TransitSignal) -> NDArray[np.bool_]:
    """Tell which samples belong to the first, third ... of the transits that have samples."""
    numbers = signal.numbers(times)
    observed = numbers[signal.covers(times)]
    odd: NDArray[np.bool_] = (numbers - observed[:1].sum()) % 2 == 0
    return odd


def measure_scatter(times: FloatArray, fluxes: FloatArray, signal: TransitSignal) -> float:
    """Estimate the noise of one sample out of transit, robustly; at least 1e-9."""
    outside = fluxes[np.abs(signal.offsets(times)) > signal.duration]
    if outside.size < MIN_SAMPLES:
        outside = fluxes
    return max(MAD_TO_SIGMA * float(np.median(np.abs(outside - np.median(outside)))), 1e-9)


@dataclass(frozen=True)
class _Noise:
    scatter: float
    exposure: float


class _Fold:
    """A folded curve, sorted by phase so that any window is a slice, and the shape whose depth is measured in it."""

    def __init__(self, offsets: FloatArray, fluxes: FloatArray, *, shape: TrapezoidFit, noise: _Noise) -> None:
        period = shape.signal.period
        order = np.argsort(offsets)
        turns = (-period, 0.0, period)
        self._offsets = np.concatenate([offsets[order] + turn for turn in turns])
        self._fluxes = np.tile(fluxes[order], len(turns))
        self._period = period
        self._shape = shape
        self._noise = noise

    def depth_at(self, phase: float) -> Depth | None:
        """Depth at an orbital phase against the flux next to it; None where too few samples are there."""
        # Away from the transit a window must not reach into it.
        half = min(WINDOW * self._shape.signal.duration, self._period / (4 if phase else 2))
        centre = phase * self._period
        first, last = np.searchsorted(self._offsets, (centre - half, centre + half))
        dip = self._shape.dip(self._offsets[first:last] - centre, self._noise.exposure)
        if np.count_nonzero(dip > 0.5) < 2 or np.count_nonzero(dip == 0) < 4:
            return None
        # Two linear parameters, level and depth: flux = level - depth * dip.
        centred = dip - dip.mean()
        power = float(centred @ centred)
        return Depth(-float(centred @ self._fluxes[first:last]) / power, self._noise.scatter / math.sqrt(power))

    def find_weak_secondary(self) -> tuple[Depth | None, float | None]:
        """Find the most significant dip farther than 1.5 durations from the transit, and its phase."""
        width = self._shape.signal.duration / self._period
        best: tuple[Depth | None, float | None] = (None, None)
        for phase in np.arange(1.5 * width, 1 - 1.5 * width, max(width / SECONDARY_OVERSAMPLING, 5e-4)):
            depth = self.depth_at(float(phase))
            if depth is not None and (best[0] is None or depth.significance > best[0].significance):
                best = (depth, float(phase))
        return best
