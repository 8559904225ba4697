"""Fits of one transit shape to a folded light curve: a trapezoid, and a limb-darkened planet where batman is there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from eas_worker.science.synthesis import load_batman
from eas_worker.science.transit_signal import FloatArray, TransitSignal

#: The fit sees samples up to so many transit durations away from mid-transit.
WINDOW = 2.5
#: A fold of more samples is averaged into so many bins before a planet is fitted to it.
MAX_POINTS = 1200
#: More samples than this are averaged into bins, transit by transit, before a trapezoid is fitted to them.
MAX_SAMPLES = 20_000
#: A planet whose chi square exceeds the trapezoid's by this factor is no fit.
MAX_MISFIT = 1.5
#: Points per exposure at which a model is averaged: long exposures round off a transit (Kipping 2010).
SUPERSAMPLING = 7
#: Quadratic limb darkening of a G2 star seen by Kepler, as TLS has it: where the fit starts, the second one stays.
LIMB_DARKENING = (0.4804, 0.1867)


@dataclass(frozen=True)
class TransitWindow:
    """Samples around the transits, or means of them.

    Parameters
    ----------
    offsets
        Time from the nearest mid-transit [d].
    numbers
        Of that transit, from the epoch on; all 0 where transits were averaged.
    fluxes, sigmas
        Relative flux and its standard deviation.
    """

    offsets: FloatArray
    numbers: FloatArray
    fluxes: FloatArray
    sigmas: FloatArray


@dataclass(frozen=True)
class TrapezoidFit:
    """A trapezoid-shaped transit and the ephemeris that fits it best.

    Parameters
    ----------
    signal
        With the fitted period, epoch, duration (first to last contact) and depth (relative to the baseline).
    baseline
        Flux out of transit.
    ingress
        First to second contact [d]; half the duration makes a V.
    depth_error, period_error
        Standard errors; NaN for the period if it was not fitted, because there is one transit only.
    """

    signal: TransitSignal
    baseline: float
    ingress: float
    depth_error: float
    period_error: float

    def dip(self, offsets: FloatArray, exposure: float = 0.0) -> FloatArray:
        """Compute the shape alone, 0 out of transit and 1 at its bottom, at offsets from mid-transit [d]."""
        return trapezoid(offsets, self.signal.duration, self.ingress, exposure)

    def model(self, offsets: FloatArray, exposure: float = 0.0) -> FloatArray:
        """Flux of the model at offsets from mid-transit [d]."""
        return self.baseline * (1 - self.signal.depth * self.dip(offsets, exposure))


@dataclass(frozen=True)
class PlanetFit:
    """A limb-darkened transit on a circular orbit.

    Parameters
    ----------
    radius_ratio, scaled_axis, impact_parameter
        Planet radius, semi-major axis and impact parameter, in stellar radii. Only the first is well bound.
    darkening
        First coefficient of quadratic limb darkening.
    period
        [d].
    baseline
        Flux out of transit.
    """

    radius_ratio: float
    scaled_axis: float
    impact_parameter: float
    darkening: float
    period: float
    baseline: float

    def model(self, offsets: FloatArray, exposure: float = 0.0) -> FloatArray:
        """Flux of the model at offsets from mid-transit [d]."""
        shape = _PlanetShape(offsets, self.period, exposure)
        return self.baseline * shape.flux(self.radius_ratio, self.scaled_axis, self.impact_parameter, self.darkening)


def trapezoid(offsets: FloatArray, duration: float, ingress: float, exposure: float = 0.0) -> FloatArray:
    """Compute a trapezoid of height 1: 0 beyond half the duration, 1 within duration/2 - ingress; all in [d].

    An exposure above 0 averages it over that time.
    """
    if exposure > 0:
        steps = exposure * ((np.arange(SUPERSAMPLING) + 0.5) / SUPERSAMPLING - 0.5)
        mean: FloatArray = np.mean([trapezoid(offsets + step, duration, ingress) for step in steps], axis=0)
        return mean
    height: FloatArray = np.clip((duration / 2 - np.abs(offsets)) / ingress, 0.0, 1.0)
    return height


def cut_window(
    times: FloatArray, fluxes: FloatArray, signal: TransitSignal, *, sigma: float, fold: bool
) -> TransitWindow:
    """Take the samples near transits; average them into bins where there are very many.

    Parameters
    ----------
    times, fluxes
        [d], relative.
    signal
        The ephemeris.
    sigma
        Standard deviation of one sample.
    fold
        Whether a bin may hold samples of several transits.
    """
    offsets = signal.offsets(times)
    half = min(WINDOW * signal.duration, signal.period / 2)
    near = np.abs(offsets) <= half
    offsets, fluxes = offsets[near], fluxes[near]
    numbers = np.zeros(offsets.size, np.int64) if fold else signal.numbers(times[near])
    most = MAX_POINTS if fold else MAX_SAMPLES
    if offsets.size <= most:
        return TransitWindow(offsets, numbers.astype(np.float64), fluxes, np.full(offsets.size, sigma))
    first = int(numbers.min())
    rows = int(numbers.max()) - first + 1
    columns = max(most // rows, 50)
    column = np.clip(((offsets + half) / (2 * half) * columns).astype(np.intp), 0, columns - 1)
    index = (numbers - first) * columns + column
    counts = np.bincount(index)
    filled = np.flatnonzero(counts)
    counts = counts[filled]
    return TransitWindow(
        offsets=np.bincount(index, offsets)[filled] / counts,
        numbers=(filled // columns + first).astype(np.float64),
        fluxes=np.bincount(index, fluxes)[filled] / counts,
        sigmas=sigma / np.sqrt(counts),
    )


def fit_trapezoid(window: TransitWindow, signal: TransitSignal, *, exposure: float) -> TrapezoidFit | None:
    """Fit a trapezoid and its ephemeris by least squares, starting from what the search found.

    Over the whole curve the ephemeris may drift by one transit duration from that of the search, not more.

    Returns
    -------
    TrapezoidFit or None
        None where there are too few samples near the transits.
    """
    from scipy.optimize import least_squares

    if window.offsets.size < 8:
        return None
    longest = min(2.5 * signal.duration, 0.5 * signal.period)
    shortest = min(max(signal.duration / 5, exposure / 2), 0.9 * longest)
    scale = max(signal.depth, 1e-7)
    first, last = float(window.numbers.min()), float(window.numbers.max())
    middle = (first + last) / 2
    reach = max((last - first) / 2, 0.5)
    several = last > first
    # The last parameter is how far the first and last transits are off, in opposite directions [d].
    lever = (window.numbers - middle) / reach if several else np.zeros_like(window.numbers)

    def misfit(parameters: FloatArray) -> FloatArray:
        base, depth, duration, fraction, midpoint, drift = parameters
        offsets = window.offsets - midpoint - drift * lever
        dip = trapezoid(offsets, duration, max(fraction * duration, 1e-9), exposure)
        misfits: FloatArray = (window.fluxes - (1 + base * scale) * (1 - depth * scale * dip)) / window.sigmas
        return misfits

    slack = signal.duration
    result = least_squares(
        misfit,
        x0=[0.0, 1.0, float(np.clip(signal.duration, shortest * 1.01, longest * 0.99)), 0.2, 0.0, 0.0],
        bounds=(
            [-50, -20, shortest, 0.01, -slack / 2, -slack / 2],
            [50, min(20, 1 / scale), longest, 0.5, slack / 2, slack / 2],
        ),
        x_scale=[1.0, 1.0, slack, 0.2, slack / 5, slack / 5],
    )
    base, depth, duration, fraction, midpoint, drift = (float(value) for value in result.x)
    errors = _parameter_errors(np.asarray(result.jac))
    period = signal.period + (drift / reach if several else 0.0)
    epoch = signal.epoch + midpoint - (drift / reach * middle if several else 0.0)
    return TrapezoidFit(
        signal=TransitSignal(period, epoch, duration, depth * scale),
        baseline=1 + base * scale,
        ingress=fraction * duration,
        depth_error=scale * float(errors[1]),
        period_error=float(errors[5]) / reach if several else math.nan,
    )


def _parameter_errors(jacobian: FloatArray) -> FloatArray:
    """Estimate standard deviations of the parameters; those that the data do not bind get 0."""
    covariance = np.linalg.pinv(jacobian.T @ jacobian)
    errors: FloatArray = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return errors


def fit_planet(window: TransitWindow, trapezoid_fit: TrapezoidFit, *, exposure: float) -> PlanetFit | None:
    """Fit a limb-darkened planet by batman to a fold on the ephemeris of a fitted trapezoid, starting from its shape.

    Returns
    -------
    PlanetFit or None
        None where batman is not installed, the trapezoid is no dip, or no planet fits it: its duration may be
        impossible on a circular orbit.
    """
    from scipy.optimize import least_squares

    signal = trapezoid_fit.signal
    if not 0 < signal.depth < 0.5:
        return None
    try:
        shape = _PlanetShape(window.offsets, signal.period, exposure)
    except ImportError:
        return None
    ratio = math.sqrt(signal.depth)
    axis = max(signal.period / math.pi / signal.duration, 2.0)

    def predict(parameters: FloatArray) -> FloatArray:
        return trapezoid_fit.baseline * shape.flux(*(float(value) for value in parameters))

    result = least_squares(
        lambda parameters: (window.fluxes - predict(parameters)) / window.sigmas,
        x0=[ratio, axis, 0.3, LIMB_DARKENING[0]],
        bounds=([0.1 * ratio, 1.6, 0.0, 0.0], [min(0.9, 5 * ratio), max(500.0, 5 * axis), 0.99, 0.8]),
        x_scale=[ratio, axis, 0.3, 0.3],
        diff_step=1e-4,
        max_nfev=60,
    )
    box = (window.fluxes - trapezoid_fit.model(window.offsets, exposure)) / window.sigmas
    if 2 * result.cost > MAX_MISFIT * float(box @ box):
        return None
    ratio, axis, impact, darkening = (float(value) for value in result.x)
    return PlanetFit(ratio, axis, impact, darkening, period=signal.period, baseline=trapezoid_fit.baseline)


class _PlanetShape:
    """A batman model at fixed offsets [d] from mid-transit."""

    def __init__(self, offsets: FloatArray, period: float, exposure: float) -> None:
        batman = load_batman()
        self._parameters = batman.TransitParams()
        self._parameters.t0, self._parameters.per = 0.0, period
        self._parameters.ecc, self._parameters.w = 0.0, 90.0
        self._parameters.limb_dark = "quadratic"
        self._set(0.1, 10.0, 0.0, LIMB_DARKENING[0])
        smear: dict[str, Any] = {"supersample_factor": SUPERSAMPLING, "exp_time": exposure} if exposure > 0 else {}
        self._model = batman.TransitModel(self._parameters, np.ascontiguousarray(offsets), **smear)

    def _set(self, radius_ratio: float, scaled_axis: float, impact_parameter: float, darkening: float) -> None:
        self._parameters.rp, self._parameters.a = radius_ratio, scaled_axis
        self._parameters.u = [darkening, LIMB_DARKENING[1]]
        self._parameters.inc = math.degrees(math.acos(impact_parameter / scaled_axis))

    def flux(self, radius_ratio: float, scaled_axis: float, impact_parameter: float, darkening: float) -> FloatArray:
        self._set(radius_ratio, scaled_axis, impact_parameter, darkening)
        fluxes: FloatArray = self._model.light_curve(self._parameters)
        return fluxes
