"""Transit least squares (Hippke & Heller 2019, A&A 623, A39), by the package of that name."""

from __future__ import annotations

import math
import multiprocessing
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.worker.domain.errors import InputError
from services.worker.science.transit_signal import (
    MIN_TRANSITS,
    FloatArray,
    Periodogram,
    SearchFindings,
    TransitSignal,
    describe_signal,
    empty_range_error,
    first_epoch,
    keep_finite,
    require_samples,
)

#: White noise seldom reaches this ``sde``, its authors say; for rates see docs/searches.md.
DETECTION_THRESHOLD = 9.0
#: Shallower dips are rounding, not transits.
MIN_DEPTH = 1e-9


@dataclass(frozen=True)
class StellarTemplate:
    """What to try, and around which star.

    Parameters
    ----------
    period_min, period_max
        [d]; None leaves it to the star's density and to the curve's span.
    star_radius, star_mass
        [solar]; they set the range of periods and the step between them.
    limb_darkening
        Quadratic coefficients; None takes those of a G2 star seen by Kepler.
    oversampling_factor
        Of the grid of periods.
    """

    period_min: float | None = None
    period_max: float | None = None
    star_radius: float = 1.0
    star_mass: float = 1.0
    limb_darkening: tuple[float, float] | None = None
    oversampling_factor: int = 3

    def arguments(self) -> dict[str, Any]:
        """Say the same in the package's words."""
        arguments: dict[str, Any] = {
            "R_star": self.star_radius,
            "M_star": self.star_mass,
            "oversampling_factor": self.oversampling_factor,
            "n_transits_min": MIN_TRANSITS,
            "period_min": self.period_min or 0.0,
            "period_max": self.period_max or math.inf,
        }
        if self.limb_darkening is not None:
            arguments["u"] = list(self.limb_darkening)
        return arguments


def search_transits(
    times: FloatArray, fluxes: FloatArray, *, template: StellarTemplate, threads: int = 1
) -> SearchFindings:
    """Find the periodic limb-darkened transit that explains the curve best.

    Parameters
    ----------
    times, fluxes
        [d] ascending, positive; both finite, of one length. Fluxes are divided by their mean.
    template
        The star, and the periods to try.
    threads
        How many processes to use; a daemonic process can start none and searches alone.

    Returns
    -------
    SearchFindings
        With the statistics ``depth`` (the *flux level* in transit, as the package has it), ``sde``, and where
        finite ``false_alarm_probability``, ``period_uncertainty`` [d], ``radius_ratio`` and ``odd_even_mismatch``.

    Raises
    ------
    InputError
        The curve is too short, or the range of periods is empty.
    """
    from transitleastsquares import tls_constants, transitleastsquares
    from transitleastsquares.warmup import warmup

    require_samples(times, fluxes)
    if (fluxes < 0).any():
        raise InputError("TLS needs positive fluxes: normalise the curve to a median of about 1")
    # Idle helper processes would outlive the task: the package otherwise keeps its pool for the next search.
    tls_constants.WORKER_IDLE_TIMEOUT = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warmup(verbose=False)  # compiles, or loads from the cache on disk, by a small search of its own
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        periods = _trial_periods(times, template)
        level = fluxes / fluxes.mean()
        flat = float(np.ptp(level)) < MIN_DEPTH
        found = None
        if not flat:
            found = transitleastsquares(times, level, verbose=False).power(
                **template.arguments(), **_star_limits(template), **_quiet(threads)
            )
    messages = (
        f"{times.size} samples over {times[-1] - times[0]:.6g} d; "
        f"{periods.size} periods from {periods.min():.6g} to {periods.max():.6g} d",
        *dict.fromkeys(str(warning.message) for warning in caught),
    )
    if found is None or not (math.isfinite(found["period"]) and 1 - found["depth"] > MIN_DEPTH):
        ascending = np.sort(periods)
        power = np.zeros_like(ascending) if found is None else np.nan_to_num(np.asarray(found["power"]))
        return SearchFindings(None, Periodogram(ascending, power), {"sde": 0.0, "transit_count": 0}, messages)
    signal = TransitSignal(
        period=float(found["period"]),
        epoch=first_epoch(times, period=float(found["period"]), epoch=float(found["T0"])),
        duration=float(found["duration"]),
        depth=1 - float(found["depth"]),
    )
    periodogram = Periodogram(np.asarray(found["periods"]), np.nan_to_num(np.asarray(found["power"])))
    statistics = describe_signal(times, level, signal) | _read_statistics(found)
    return SearchFindings(signal, periodogram, keep_finite(statistics), messages)


def _quiet(threads: int) -> dict[str, Any]:
    if multiprocessing.current_process().daemon:
        threads = 1
    return {"use_threads": max(1, threads), "show_progress_bar": False, "verbose": False}


def _star_limits(template: StellarTemplate) -> dict[str, float]:
    """Widen the package's limits on stars, which set the trial durations, to hold this one."""
    from transitleastsquares import tls_constants

    return {
        "R_star_min": min(tls_constants.R_STAR_MIN, template.star_radius),
        "R_star_max": max(tls_constants.R_STAR_MAX, template.star_radius),
        "M_star_min": min(tls_constants.M_STAR_MIN, template.star_mass),
        "M_star_max": max(tls_constants.M_STAR_MAX, template.star_mass),
    }


def _trial_periods(times: FloatArray, template: StellarTemplate) -> FloatArray:
    """Build the grid that the package will use, to find out whether it is empty."""
    from transitleastsquares.grid import period_grid

    span = float(times[-1] - times[0])
    arguments = template.arguments()
    arguments.pop("u", None)
    try:
        if arguments["period_min"] >= min(arguments["period_max"], span / MIN_TRANSITS):
            raise ValueError
        periods: FloatArray = period_grid(time_span=span, **arguments)
    except ValueError as error:
        raise empty_range_error(span, arguments["period_min"], template.period_max) from error
    return periods


def _read_statistics(found: dict[str, Any]) -> dict[str, float]:
    return {
        "depth": float(found["depth"]),
        "sde": float(found["SDE"]),
        "false_alarm_probability": float(found["FAP"]),
        "period_uncertainty": float(found["period_uncertainty"]),
        "radius_ratio": float(found["rp_rs"]),
        "odd_even_mismatch": float(found["odd_even_mismatch"]),
        "transit_count": int(found["transit_count"]),
    }
