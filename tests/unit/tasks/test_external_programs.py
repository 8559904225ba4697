"""Task types that run a configured command: what it gets, what becomes of its findings, what is said without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eas.authoring.errors import InputError, OutputError
from eas.authoring.program_results import ProgramError
from eas.authoring.task_type import InputFile, TaskContext, TaskType
from eas.contracts.metadata import Metadata
from eas.lightcurve import FixedStepLightCurve, read_light_curve, write_light_curve
from eas_worker.tasks import (
    synthesis_platosim,
    transit_search_dst_v26,
    transit_search_dst_v29,
    transit_search_exotrans,
)

SEARCHES = [module.TASK_TYPE for module in (transit_search_dst_v26, transit_search_dst_v29, transit_search_exotrans)]
ALL = [*SEARCHES, synthesis_platosim.TASK_TYPE]
INJECTED: Metadata = {"orbital_period": 3.5, "pixels_in_transit": 20, "t0": 1.0, "injected_depth": 0.01, "object": "A"}


def configure(folder: Path, task_type: TaskType, script: str, *arguments: str) -> Path:
    (folder / "run.sh").write_text(script)
    words = json.dumps(["sh", "./run.sh", *arguments])
    path = folder / "commands.toml"
    path.write_text(f"[{task_type.name}]\ncommand = {words}\nenvironment = {{ HOST_OF = 'dst' }}\n")
    return path


def search(
    tmp_path: Path, task_type: TaskType, script: str, *arguments: str, truth: Metadata | None = None
) -> tuple[TaskContext, Metadata]:
    curve = FixedStepLightCurve(1300.0, 0.5, np.linspace(1, 2, 40), time_system="BTJD", metadata=truth or {})
    curve.flags[3] = True
    write_light_curve(curve, tmp_path / "in.npz")
    work = tmp_path / "work"
    work.mkdir()
    commands = configure(tmp_path, task_type, script, *arguments)
    context = TaskContext(work, {"lightcurve": InputFile(tmp_path / "in.npz")}, {}, commands=commands, cpus=2)
    settings = task_type.settings.model_validate({"lc_duration": 10, "search_settings": {"mode": "deep"}})
    return context, task_type.run(context, settings)


@pytest.mark.parametrize("task_type", ALL, ids=lambda found: found.name)
def test_without_a_command_it_is_said_what_to_configure(tmp_path: Path, task_type: TaskType) -> None:
    settings = task_type.settings.model_validate({} if task_type in ALL[3:] else {"lc_duration": 3})
    words = rf"{task_type.name} runs a program that is not part of EAS.*none is configured.*EAS_WORKER_COMMANDS"
    with pytest.raises(InputError, match=words):
        task_type.run(TaskContext(tmp_path, {}, {}), settings)
    (tmp_path / "commands.toml").write_text("[other]\ncommand = ['x']\n")
    with pytest.raises(InputError, match=rf"commands.toml has no command in a table \[{task_type.name}\]"):
        task_type.run(TaskContext(tmp_path, {}, {}, commands=tmp_path / "commands.toml"), settings)


def test_a_wrong_file_of_commands_is_explained(tmp_path: Path) -> None:
    task_type = SEARCHES[0]
    settings = task_type.settings.model_validate({"lc_duration": 3})
    path = tmp_path / "commands.toml"
    for text, words in (
        ("[transit_search_dst_v26]\ncomand = ['x']", r"transit_search_dst_v26: comand: Extra inputs"),
        ("[transit_search", "commands.toml: "),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            task_type.run(TaskContext(tmp_path, {}, {}, commands=path), settings)
    with pytest.raises(InputError, match="No such file"):
        task_type.run(TaskContext(tmp_path, {}, {}, commands=tmp_path / "none.toml"), settings)


@pytest.mark.parametrize("task_type", SEARCHES, ids=lambda found: found.name)
def test_the_program_gets_the_stretch_to_search_as_fits(tmp_path: Path, task_type: TaskType) -> None:
    context, metadata = search(tmp_path, task_type, 'echo "$@" $HOST_OF > said', "{input}", "--threads={cpus}")
    assert (context.directory / "said").read_text() == "inputs/lightcurve.fits --threads=2 dst\n"
    curve = read_light_curve(context.directory / "inputs" / "lightcurve.fits")
    assert curve.times.tolist() == [1300 + 0.5 * k for k in range(20) if k != 3]
    assert curve.fluxes == pytest.approx([1 + k / 39 for k in range(20) if k != 3], rel=1e-15)
    assert curve.time_system == "BTJD"
    task = json.loads((context.directory / "task.json").read_text())
    assert task["settings"]["search_settings"] == {"mode": "deep"}
    assert metadata == {"outcome": "UNDEFINED", "searched_samples": 19}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, {"outcome": "UNDEFINED", "target_period": 3.5}),
        ({"period": None}, {"outcome": "FAIL", "target_period": 3.5}),
        ({"period": 3.51}, {"outcome": "PASS", "period_alias": "none"}),
        ({"period": 7.0}, {"outcome": "FAIL", "period_alias": "2"}),
        (
            {"period": 3.5, "epoch": 8.0, "duration": 0.2, "transit_depth": 0.011},
            {"outcome": "PASS", "depth_agrees": True, "epoch_agrees": True},
        ),
    ],
)
def test_findings_are_judged(tmp_path: Path, found: dict[str, Any], expected: dict[str, Any]) -> None:
    script = f"echo '{json.dumps({'metadata': found})}' > result.json"
    context, metadata = search(tmp_path, SEARCHES[1], script, truth=INJECTED)
    assert (found | expected).items() <= metadata.items()
    assert metadata["object"] == "A"
    assert SEARCHES[1].check is not None
    assert all(verdict.passed for verdict in SEARCHES[1].check(context, metadata))


def test_findings_that_are_no_numbers_and_failures_are_reported(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"metadata.period is '3'; expected a number"):
        search(tmp_path, SEARCHES[2], """echo '{"metadata": {"period": "3"}}' > result.json""")
    context = TaskContext(tmp_path / "work", {}, {})
    verdicts = SEARCHES[2].check(context, {"period": -3.0}) if SEARCHES[2].check else []
    assert [verdict.reason for verdict in verdicts if not verdict.passed] == ["period -3 d is negative"]


def test_a_failing_program_fails_the_task(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="no licence"):
        search(tmp_path, SEARCHES[0], "echo no licence >&2; exit 1")


def test_platosim_writes_a_light_curve_with_a_recorded_seed(tmp_path: Path) -> None:
    task_type = synthesis_platosim.TASK_TYPE
    script = 'printf "0 1 0 0\\n25 $1 0 0\\n50 1 0 0\\n" > $EAS_OUTPUT_LIGHTCURVE; [ $EAS_SEED = $1 ]'
    commands = configure(tmp_path, task_type, script, "{seed}")
    work = tmp_path / "work"
    work.mkdir()
    context = TaskContext(work, {}, {"lightcurve": "lc.txt"}, commands=commands, seed=1)
    metadata = task_type.run(context, task_type.settings.model_validate({"seed": 5, "specs": {"camera": 2}}))
    assert metadata == {"seed": 5}
    assert read_light_curve(context.outputs[0].path).fluxes.tolist() == [1, 5, 1]
    assert task_type.check is not None
    assert [verdict.passed for verdict in task_type.check(context, metadata)] == [True]
    context.outputs[0].path.write_text("no light curve")
    assert not task_type.check(context, metadata)[0].passed
