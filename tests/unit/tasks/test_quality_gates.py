"""Each task type of this distribution has a gate: what comes out spoiled is rejected, whatever its code believes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eas.authoring.example_curves import make_example_light_curve
from eas.authoring.task_type import OutputFile, TaskContext, TaskType
from eas.contracts.metadata import Metadata
from eas.contracts.states import FailureReason
from eas.lightcurve import LightCurve, read_light_curve, write_light_curve
from eas_worker.domain.assignment import Answer
from eas_worker.logic.execution import ExecutionLimits
from eas_worker.logic.single_task import OneTaskType, SingleTask, run_single_task

CURVES = ("binning", "detrend", "multiply", "synthesis_batman", "ingest_external_lcs")
SEARCHES = (
    "transit_search_bls_reference",
    "transit_search_bls_kovacs",
    "transit_search_tls",
    "transit_search_qats",
)
SETTINGS: dict[str, dict[str, Any]] = {
    "binning": {"cadence": 3600},
    "synthesis_batman": {"specs": {"duration": 20, "sampling_cadence": 900}},
    "ingest_external_lcs": {"input_path": "*.npz"},
    "transit_search_bls_reference": {"lc_duration": 27, "search_settings": {"period_min": 2, "period_max": 4}},
    "transit_search_bls_kovacs": {"lc_duration": 27, "search_settings": {"period_min": 2, "period_max": 4}},
    "transit_search_tls": {"lc_duration": 27, "search_settings": {"period_min": 2, "period_max": 4}},
    "transit_search_qats": {"lc_duration": 27, "search_settings": {"period_min": 2, "period_max": 4}},
    "transit_report": {"candidate": {"period": 3.0, "epoch": 1.0, "duration": 0.2, "transit_depth": 0.01}},
}
SUFFIXES = {"report_png": ".png", "report_html": ".html", "debugging": ".tar.gz"}


def find(name: str) -> TaskType:
    found = import_module(f"eas_worker.tasks.{name}").TASK_TYPE
    assert isinstance(found, TaskType)
    return found


def run(
    name: str, folder: Path, spoil: Callable[[list[OutputFile], Metadata], None], *, outputs: bool = True
) -> Answer:
    """Run a task type that spoils what it made before quality control sees it."""
    task_type = find(name)
    (folder / "input").mkdir()
    star = folder / "input" / "star.npz"
    metadata = make_example_light_curve(star)

    def run_and_spoil(context: TaskContext, settings: Any) -> Metadata:
        found = task_type.run(context, settings)
        spoil(context.outputs, found)
        return found

    inputs = {slot.name: (star, metadata) for slot in task_type.inputs if slot.required}
    names = {slot.name: slot.name + SUFFIXES.get(slot.name, ".npz") for slot in task_type.outputs} if outputs else {}
    (folder / "run").mkdir()
    return run_single_task(
        SingleTask(name, SETTINGS.get(name, {}), inputs, names),
        OneTaskType(dataclasses.replace(task_type, run=run_and_spoil)),
        ExecutionLimits(input_directory=folder / "input"),
        folder / "run",
    )


def leave(outputs: list[OutputFile], metadata: Metadata) -> None: ...


def cut_in_half(outputs: list[OutputFile], metadata: Metadata) -> None:
    for file in outputs:
        content = file.path.read_bytes()
        file.path.write_bytes(content[: len(content) // 2])


def write_words(outputs: list[OutputFile], metadata: Metadata) -> None:
    for file in outputs:
        file.path.write_text("no stars here")


def rewrite(change: Callable[[LightCurve], LightCurve]) -> Callable[[list[OutputFile], Metadata], None]:
    def spoil(outputs: list[OutputFile], metadata: Metadata) -> None:
        for file in outputs:
            write_light_curve(change(read_light_curve(file.path)), file.path)

    return spoil


def go_backward(curve: LightCurve) -> LightCurve:
    return LightCurve(curve.times[::-1], curve.fluxes)


def lose_a_sample(curve: LightCurve) -> LightCurve:
    return LightCurve(curve.times[:-1], curve.fluxes[:-1], flags=curve.flags[:-1])


def lose_a_flux(curve: LightCurve) -> LightCurve:
    fluxes = curve.fluxes.copy()
    fluxes[np.flatnonzero(~curve.flags)[3]] = np.nan
    return LightCurve(curve.times, fluxes, flags=curve.flags)


@pytest.mark.parametrize("name", [*CURVES, *SEARCHES, "transit_report"])
def test_what_is_good_passes(name: str, tmp_path: Path) -> None:
    answer = run(name, tmp_path, leave)
    assert answer.state == "accepted", answer.message
    assert all(output.passed_qc for output in answer.outputs)


@pytest.mark.parametrize("spoil", [cut_in_half, write_words])
@pytest.mark.parametrize("name", [*CURVES, *SEARCHES, "transit_report"])
def test_an_output_that_does_not_read_back_is_rejected(
    name: str, spoil: Callable[[list[OutputFile], Metadata], None], tmp_path: Path
) -> None:
    answer = run(name, tmp_path, spoil)
    assert (answer.state, answer.reason) == ("rejected", FailureReason.QUALITY)
    assert answer.outputs
    assert not any(output.passed_qc for output in answer.outputs)
    assert "quality control itself failed" not in (answer.message or "")


@pytest.mark.parametrize(
    ("change", "words"),
    [(go_backward, "increase"), (lose_a_sample, "were promised"), (lose_a_flux, "not finite are not flagged")],
)
@pytest.mark.parametrize("name", CURVES)
def test_a_light_curve_that_reads_back_wrong_is_rejected(
    name: str, change: Callable[[LightCurve], LightCurve], words: str, tmp_path: Path
) -> None:
    answer = run(name, tmp_path, rewrite(change))
    assert answer.state == "rejected"
    assert words in (answer.message or "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"period": float("nan")}, "period is not finite"),
        ({"period": 4.1}, "outside the searched range"),
        ({"period": "three"}, "period"),
        ({"duration": 5.0}, "duration"),
        ({"duration": 0.0}, "duration"),
        ({"transit_depth": 0.0}, "transit_depth"),
        ({"transit_depth": 1.5}, "transit_depth"),
        ({"epoch": float("inf")}, "epoch is not finite"),
        ({"outcome": "MAYBE"}, "outcome is 'MAYBE'"),
        ({"outcome": None}, "outcome is None"),
    ],
)
@pytest.mark.parametrize("name", ["transit_search_bls_kovacs", "transit_search_qats"])
def test_a_search_that_claims_the_impossible_is_rejected(
    name: str, change: Metadata, words: str, tmp_path: Path
) -> None:
    answer = run(name, tmp_path, lambda outputs, metadata: metadata.update(change), outputs=False)
    assert (answer.state, answer.reason) == ("rejected", FailureReason.QUALITY)
    assert words in (answer.message or "")


@pytest.mark.parametrize(
    "change", [{"verification_time_min": 99.0}, {"verification_flux_max": -1.0}, {"verification": 0.5}]
)
def test_a_verification_that_contradicts_itself_is_rejected(change: Metadata, tmp_path: Path) -> None:
    answer = run("verify", tmp_path, lambda outputs, metadata: metadata.update(change))
    assert answer.state == "rejected"


@pytest.mark.parametrize("name", [*CURVES, *SEARCHES, "transit_report", "verify"])
def test_what_a_failed_attempt_has_made_is_not_promoted(name: str, tmp_path: Path) -> None:
    def break_down(outputs: list[OutputFile], metadata: Metadata) -> None:
        raise RuntimeError("at the last moment")

    answer = run(name, tmp_path, break_down)
    assert (answer.state, answer.reason, answer.outputs) == ("failed", FailureReason.SCIENCE, [])
