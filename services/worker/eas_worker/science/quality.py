"""Quality control of a transit search: say whether the injected planet was found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from eas.authoring.errors import InputError
from eas.contracts.metadata import Metadata, MetadataValue
from eas_worker.science.transit_signal import TransitSignal

#: True over observed period must lie strictly between these.
RATIO_MIN, RATIO_MAX = 0.97, 1.03
#: Observed over true period of the usual wrong answers.
ALIASES = {"1/2": 1 / 2, "2": 2.0, "1/3": 1 / 3, "3": 3.0, "2/3": 2 / 3, "3/2": 3 / 2}
#: Observed over injected depth of an agreeing search: limb darkening and a box model account for so much.
DEPTH_RATIO_MIN, DEPTH_RATIO_MAX = 0.7, 1.3


class Outcome(StrEnum):
    """The word on a search."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    UNDEFINED = "UNDEFINED"


@dataclass(frozen=True)
class InjectedTruth:
    """What was put into a light curve, as far as its metadata tells.

    Parameters
    ----------
    period, epoch
        [d]; None where unknown.
    depth
        Of the deepest sample, relative; None where unknown.
    """

    period: float | None
    epoch: float | None = None
    depth: float | None = None

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, MetadataValue]) -> InjectedTruth:
        """Read the truth from a light curve's metadata.

        A curve whose `integrated_transit_power` or `pixels_in_transit` is 0 has no transits, whatever its
        `orbital_period` says.

        Raises
        ------
        InputError
            One of the values is not a number.
        """
        power = _read_number(metadata, "integrated_transit_power")
        pixels = _read_number(metadata, "pixels_in_transit")
        if power == 0 or pixels == 0:
            return cls(None)
        period = _read_number(metadata, "orbital_period")
        if period is None or period <= 0:
            return cls(None)
        return cls(period, _read_number(metadata, "t0"), _read_number(metadata, "injected_depth"))


def _read_number(metadata: Mapping[str, MetadataValue], name: str) -> float | None:
    value = metadata.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"the light curve's metadata {name!r} is {value!r}; expected a number")
    return float(value)


def judge_period(true_period: float, observed_period: float | None) -> Outcome:
    """Compare periods: PASS if 0.97 < true / observed < 1.03, FAIL otherwise; nothing, 0 and NaN have failed."""
    if observed_period is None or not observed_period > 0:
        return Outcome.FAIL
    return Outcome.PASS if RATIO_MIN < true_period / observed_period < RATIO_MAX else Outcome.FAIL


def name_alias(true_period: float, observed_period: float) -> str:
    """Name the simple fraction of the true period that was observed, such as ``1/2``, or ``none``."""
    for name, factor in ALIASES.items():
        if judge_period(true_period * factor, observed_period) is Outcome.PASS:
            return name
    return "none"


def judge_signal(signal: TransitSignal | None, truth: InjectedTruth) -> Metadata:
    """Compare the signal that was found with what was injected.

    Returns
    -------
    Metadata
        ``outcome``; and where something was injected ``target_period`` [d]; where also something was found
        ``period_alias``, ``depth_ratio`` (observed / injected), ``depth_agrees``; and after a PASS ``epoch_offset``
        (observed - injected [d]) and ``epoch_agrees`` (by half a transit duration).
    """
    if truth.period is None:
        return {"outcome": Outcome.UNDEFINED.value}
    outcome = judge_period(truth.period, signal.period if signal else None)
    verdict: Metadata = {"outcome": outcome.value, "target_period": truth.period}
    if signal is None:
        return verdict
    verdict["period_alias"] = name_alias(truth.period, signal.period)
    if truth.depth:
        ratio = signal.depth / truth.depth
        verdict["depth_ratio"] = ratio
        verdict["depth_agrees"] = DEPTH_RATIO_MIN < ratio < DEPTH_RATIO_MAX
    if outcome is Outcome.PASS and truth.epoch is not None:
        offset = math.remainder(signal.epoch - truth.epoch, truth.period)
        verdict["epoch_offset"] = offset
        verdict["epoch_agrees"] = abs(offset) <= signal.duration / 2
    return verdict
