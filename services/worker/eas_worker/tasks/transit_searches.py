"""What all transit searches share: the stretch of the curve to search, what they publish, and quality control."""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from eas.authoring.errors import InputError
from eas.authoring.example_curves import make_example_light_curve
from eas.authoring.light_curve_files import input_errors, read_light_curve
from eas.authoring.task_type import (
    Estimate,
    Example,
    RunFunction,
    Slot,
    TaskContext,
    TaskSettings,
    TaskType,
    Verdict,
)
from eas.contracts.metadata import Metadata
from eas.contracts.values import find_value_fault
from eas_worker.tasks.search_archive import ARCHIVE_TYPE, read_periodogram, write_archive

if TYPE_CHECKING:
    from eas.lightcurve import LightCurve
    from eas_worker.science.transit_signal import SearchFindings

LOGGER = logging.getLogger(__name__)

SEARCH_INPUTS = (Slot("lightcurve"),)
SEARCH_OUTPUTS = (Slot("debugging", required=False, mime_type=ARCHIVE_TYPE),)
#: What the searched curve says about itself and its search repeats.
COPIED_KEYWORDS = ("object", "integrated_transit_power", "pixels_in_transit", "pixels_out_of_transit", "mes")


class TransitSearchSettings(TaskSettings):
    """Settings of every transit search."""

    lc_duration: float = Field(gt=0, description="Length of the light curve to search, from its first sample [d].")


class PeriodRangeSettings(TaskSettings):
    """The range of periods of a search, above and below which there are defaults of its own."""

    period_min: float | None = Field(default=None, gt=0, description="Shortest trial period [d].")
    period_max: float | None = Field(
        default=None, gt=0, description="Longest trial period; maximum and default: half the curve's span [d]."
    )
    run_time_max: float = Field(
        default=100.0,
        gt=0,
        description="A search with a longer estimated run time is refused [h of processor time].",
    )

    @model_validator(mode="after")
    def _check_periods(self) -> Self:
        if self.period_max is not None and self.period_max <= (self.period_min or 0):
            raise ValueError(f"period_max {self.period_max} must exceed period_min {self.period_min}")
        return self


class DurationGridSettings(PeriodRangeSettings):
    """A search that also tries durations, all of them shorter than the shortest period."""

    duration_min: float = Field(default=0.05, gt=0, description="Shortest trial duration [d].")
    duration_max: float = Field(default=0.2, gt=0, description="Longest trial duration [d].")

    @model_validator(mode="after")
    def _check_durations(self) -> Self:
        if self.duration_max < self.duration_min:
            raise ValueError(f"duration_max {self.duration_max} is below duration_min {self.duration_min}")
        if self.period_min is not None and self.period_min <= self.duration_max:
            raise ValueError(f"period_min {self.period_min} must exceed duration_max {self.duration_max}")
        return self


#: A quick search of the example curve.
_EXAMPLE_RANGE = MappingProxyType({"period_min": 2, "period_max": 4})


def make_search_type(
    name: str,
    version: str,
    run: RunFunction,
    settings: type[TransitSearchSettings],
    estimate: Estimate | None = None,
) -> TaskType:
    """Make the task type of a search: its slots and its quality control are those of all searches."""
    return TaskType(
        name=name,
        version=version,
        run=run,
        settings=settings,
        uses_seed=False,
        inputs=SEARCH_INPUTS,
        outputs=SEARCH_OUTPUTS,
        check=check_search,
        example=Example(
            settings={"lc_duration": 27, "search_settings": dict(_EXAMPLE_RANGE)},
            inputs={"lightcurve": make_example_light_curve},
        ),
        estimates=() if estimate is None else (estimate,),
    )


def open_searched_curve(context: TaskContext, settings: TransitSearchSettings) -> LightCurve:
    """Open the input and keep the good samples of first time <= time < first time + lc_duration.

    Raises
    ------
    InputError
        The input is no light curve, its times do not increase, or none of its samples is good.
    """
    from eas.lightcurve.arrays import require_increasing

    curve = read_light_curve(context, "lightcurve")
    with input_errors("input 'lightcurve'"):
        require_increasing(curve.times)
    first = float(curve.times[0])
    return curve.truncate(first, first + settings.lc_duration).good()


def publish_findings(
    context: TaskContext, settings: TransitSearchSettings, curve: LightCurve, findings: SearchFindings
) -> Metadata:
    """Judge what a search found, log it, write the archive if the job declares it, and return the metadata.

    Returns
    -------
    Metadata
        ``period``, ``epoch`` (mid-transit, in the time system of the curve), ``duration`` (all [d]),
        ``transit_depth`` (1 - flux level) where anything was found; the search's statistics; the range of periods
        that was searched; the verdict of `judge_signal`; and what the curve says about the injected transits.
    """
    from eas_worker.science.quality import InjectedTruth, judge_signal

    metadata: Metadata = {key: curve.metadata[key] for key in COPIED_KEYWORDS if key in curve.metadata}
    signal = findings.signal
    if signal is not None:
        metadata |= {
            "period": signal.period,
            "epoch": signal.epoch,
            "duration": signal.duration,
            "transit_depth": signal.depth,
        }
    metadata |= findings.statistics
    shortest, longest = findings.searched_periods()
    metadata |= {
        "search_period_min": shortest,
        "search_period_max": longest,
        "searched_samples": len(curve),
        "time_system": curve.time_system,
    }
    metadata |= judge_signal(signal, InjectedTruth.from_metadata(curve.metadata))
    for message in findings.messages:
        LOGGER.info("%s", message)
    LOGGER.info("outcome %s, period %s d", metadata["outcome"], metadata.get("period", "none:"))
    if context.wants("debugging"):
        _write_debugging(context, settings, findings, metadata)
    return metadata


def _write_debugging(
    context: TaskContext, settings: TransitSearchSettings, findings: SearchFindings, metadata: Metadata
) -> None:
    path = context.path_for("debugging")
    described: dict[str, Any] = {"settings": settings.model_dump(mode="json"), "results": metadata}
    write_archive(path, findings, described)
    context.add_output("debugging", path, mime_type=ARCHIVE_TYPE)


def check_search(context: TaskContext, metadata: Metadata) -> list[Verdict]:
    """Quality control: numbers are finite and possible, the period lies in the searched range, the archive reads."""
    fault = find_fault(metadata)
    verdicts = [Verdict(passed=not fault, reason=fault)]
    for file in context.outputs:
        try:
            read_periodogram(file.path)
        except InputError as error:
            verdicts.append(Verdict(passed=False, reason=str(error), slot=file.slot))
        else:
            verdicts.append(Verdict(passed=True, slot=file.slot))
    return verdicts


def find_fault(metadata: Metadata) -> str:
    """Say what is impossible about a search's metadata; nothing if all is well."""
    if (fault := find_value_fault(metadata)) is not None:
        return f"{fault.where} is not finite" if fault.is_not_finite else str(fault)
    if metadata.get("outcome") not in {"PASS", "FAIL", "UNDEFINED"}:
        return f"outcome is {metadata.get('outcome')!r}; expected PASS, FAIL or UNDEFINED"
    if "period" not in metadata:
        return "the outcome is PASS without a period" if metadata["outcome"] == "PASS" else ""
    period, lowest, highest = (metadata[key] for key in ("period", "search_period_min", "search_period_max"))
    if not lowest * (1 - 1e-9) <= period <= highest * (1 + 1e-9):
        return f"period {period:.6g} d lies outside the searched range, {lowest:.6g} to {highest:.6g} d"
    if not 0 < metadata["duration"] < period:
        return f"duration {metadata['duration']:.6g} d is not between 0 and the period, {period:.6g} d"
    if not 0 < metadata["transit_depth"] <= 1:
        return f"transit_depth {metadata['transit_depth']:.6g} is not between 0 and 1"
    return ""
