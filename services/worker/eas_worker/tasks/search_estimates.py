"""How long the searches take, as expressions of the job language: what `eas plan` can tell from a document.

The samples of the curve are not known then: one every 10 minutes is taken for granted, as `detrend` gives them.
"""

from __future__ import annotations

from eas.authoring.task_type import Estimate
from eas_worker.science.search_cost import (
    BOX_BIN,
    BOX_BINS_PER_DURATION,
    BOX_SAMPLE,
    CHAIN_STEP,
    FOLD_BIN,
    FOLD_SAMPLE,
    LONG,
    TEMPLATE_PERIOD,
    TEMPLATE_SAMPLE,
)

#: Samples a day.
PER_DAY = 144
#: The period of an orbit of three solar radii around the Sun [d].
SOLAR_PERIOD = 0.60162
#: Steps of the grid of TLS for the Sun: per day of the curve and unit of the cube root of frequency [d^(-1/3)].
SOLAR_STEPS = 39.674


def _setting(name: str) -> str:
    return f"metadata['search_settings']['{name}']"


def _logarithm(ratio: str) -> str:
    """The language has no logarithm: this is one within 1 % for ratios up to 1e8."""
    return f"(1000 * (({ratio}) ** 0.001 - 1))"


def _estimate(seconds: str, advice: str) -> Estimate:
    return Estimate(
        quantity="processor time",
        expression=f"(max({seconds}, 0.0))",
        condition="for a sample every 10 minutes",
        advice=f"use {advice}, or a binned curve; a search above run_time_max is refused",
        warn_above=LONG,
    )


_SPAN = "metadata['lc_duration']"
_SAMPLES = f"({PER_DAY} * {_SPAN})"
_LOWEST = _setting("period_min")
_HIGHEST = f"min({_SPAN} / 2, {_setting('period_max')} or {_SPAN} / 2)"

_BOX_STEPS = f"({_SPAN} ** 2 / ({_setting('frequency_factor')} * {_setting('duration_min')}))"
BOXES = _estimate(
    f"{BOX_SAMPLE} * (1 / {_LOWEST} - 1 / {_HIGHEST}) * {_BOX_STEPS} * {_SAMPLES}"
    f" + {BOX_BIN * BOX_BINS_PER_DURATION} * {_setting('duration_count')} / {_setting('duration_min')} * {_BOX_STEPS}"
    f" * {_logarithm(f'{_HIGHEST} / {_LOWEST}')}",
    "a larger period_min, duration_min or frequency_factor",
)

_FOLD_STEPS = f"({_SPAN} ** 2 / ({_setting('frequency_factor')} * 0.05))"
_PHASE_BINS = f"({_setting('phase_bins')} or 3 / {_setting('qmin')})"
_BOX_WIDTHS = f"({_logarithm(_setting('qmax') + ' / ' + _setting('qmin'))} / 0.0953 + 3)"
FOLDS = _estimate(
    f"(1 / {_LOWEST} - 1 / {_HIGHEST}) * {_FOLD_STEPS}"
    f" * ({FOLD_SAMPLE} * {_SAMPLES} + {FOLD_BIN} * {_PHASE_BINS} * {_BOX_WIDTHS})",
    "a larger period_min, qmin or frequency_factor",
)

_RADIUS, _MASS = _setting("star_radius"), _setting("star_mass")
_CLOSEST = f"({_LOWEST} or {SOLAR_PERIOD} * ({_RADIUS} ** 3 / {_MASS}) ** 0.5)"
TEMPLATES = _estimate(
    f"((1 / {_CLOSEST}) ** (1 / 3) - (1 / {_HIGHEST}) ** (1 / 3)) * {SOLAR_STEPS} * {_SPAN}"
    f" * {_setting('oversampling_factor')} * {_MASS} ** (1 / 3) / {_RADIUS}"
    f" * ({TEMPLATE_PERIOD} + {TEMPLATE_SAMPLE} * {_SAMPLES})",
    "a larger period_min or a smaller oversampling_factor",
)

_LONGEST = f"min({_SPAN} / {_setting('min_transit_count')}, {_setting('period_max')} or {_SPAN})"
_VARIATION = _setting("max_ttv_mag")
_LENGTHS = (
    f"min({_setting('duration_count')}, ({_setting('duration_max')} - {_setting('duration_min')}) * {PER_DAY} + 1)"
)
_RANGES = f"min({_logarithm(f'{_LONGEST} / {_LOWEST}')} * 4 / {_VARIATION}, ({_LONGEST} - {_LOWEST}) * {PER_DAY})"
CHAINS = _estimate(
    f"{CHAIN_STEP} * {_LENGTHS} * {_RANGES}"
    f" * ({_SAMPLES} + ({_SPAN} / {_LOWEST}) ** 2 / 6 * max({_LOWEST} * {PER_DAY} * {_VARIATION} / 2, 1))",
    "a larger period_min or max_ttv_mag, or a smaller duration_count",
)
