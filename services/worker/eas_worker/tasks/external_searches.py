"""Transit searches by programs that EAS does not have: the curve as FITS for a configured command, and its findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydantic import Field

from eas.authoring.errors import OutputError
from eas.authoring.executables import check_result
from eas.authoring.task_type import InputFile, Slot, TaskContext, TaskType, Verdict
from eas.contracts.metadata import Metadata
from eas.contracts.values import find_value_fault
from eas_worker.tasks.external_programs import require_command, run_command
from eas_worker.tasks.transit_searches import COPIED_KEYWORDS, TransitSearchSettings, open_searched_curve

SIGNAL_KEYWORDS = ("period", "epoch", "duration", "transit_depth")


class ExternalSearchSettings(TransitSearchSettings):
    """Settings of a search by another program."""

    search_settings: dict[str, Any] = Field(default={}, description="Passed to the program in task.json, unchanged.")


def make_task_type(name: str) -> TaskType:
    """Make the task type of a search by the command that is configured under its name."""
    return TaskType(
        name=name,
        version="1",
        run=_make_run(name),
        settings=ExternalSearchSettings,
        inputs=(Slot("lightcurve"),),
        outputs=(Slot("debugging", required=False),),
        check=check_findings,
    )


def _make_run(name: str) -> Callable[[TaskContext, ExternalSearchSettings], Metadata]:
    def run(context: TaskContext, settings: ExternalSearchSettings) -> Metadata:
        """Export the stretch to search, run the command, and judge the period that it reports."""
        from eas.lightcurve.fits_format import write_fits

        configured = require_command(context, name)
        curve = open_searched_curve(context, settings)
        path = context.directory / "lightcurve.fits"
        write_fits(curve, path)
        # The list of outputs is the same, so that what the program makes is handed over here.
        exported = replace(context, inputs={"lightcurve": InputFile(path, curve.metadata)})
        found = run_command(
            exported,
            configured,
            task_type=name,
            settings=settings.model_dump(mode="json"),
            words={"input": "inputs/lightcurve.fits", "cpus": str(context.cpus), "seed": str(context.seed)},
        )
        copied = {key: curve.metadata[key] for key in COPIED_KEYWORDS if key in curve.metadata}
        return {**copied, **found, **judge_findings(found, curve.metadata), "searched_samples": len(curve)}

    return run


def judge_findings(found: Metadata, truth: Metadata) -> Metadata:
    """Compare what a program reported with what was injected.

    A program that says nothing of a period leaves the outcome open; one that says null or 0 has found nothing.

    Raises
    ------
    OutputError
        A value of the signal is not a number.
    """
    from eas_worker.science.quality import InjectedTruth, judge_period, judge_signal, name_alias
    from eas_worker.science.transit_signal import TransitSignal

    injected = InjectedTruth.from_metadata(truth)
    for key in SIGNAL_KEYWORDS:
        value = found.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise OutputError(f"result.json: metadata.{key} is {value!r}; expected a number")
    if "period" not in found:
        target = {} if injected.period is None else {"target_period": injected.period}
        return {"outcome": "UNDEFINED", **target}
    if not found["period"]:
        return judge_signal(None, injected)
    if all(found.get(key) is not None for key in SIGNAL_KEYWORDS):
        signal = TransitSignal(*(float(found[key]) for key in SIGNAL_KEYWORDS))
        return judge_signal(signal, injected)
    if injected.period is None:
        return judge_signal(None, injected)
    period = float(found["period"])
    return {
        "outcome": judge_period(injected.period, period).value,
        "target_period": injected.period,
        "period_alias": name_alias(injected.period, period),
    }


def check_findings(context: TaskContext, metadata: Metadata) -> list[Verdict]:
    """Quality control: numbers are finite, a period is positive; and what the program says of its own outputs."""
    fault = ""
    if (unsound := find_value_fault(metadata)) is not None:
        fault = f"{unsound.where} is not finite" if unsound.is_not_finite else str(unsound)
    elif (metadata.get("period") or 0) < 0:
        fault = f"period {metadata['period']:.6g} d is negative"
    return [Verdict(passed=not fault, reason=fault), *check_result(context, metadata)]
