"""What ``eas task-types check`` finds, without and with running a task type."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
from pathlib import Path
from typing import Any

import pytest

from eas import Example, Field, Slot, TaskContext, TaskSettings, TaskType, accept, reject
from eas.authoring.quality import QualityCheck
from eas_worker.domain.inspection import inspect_task_type
from eas_worker.logic.execution import ExecutionLimits
from eas_worker.logic.single_task import try_example
from eas_worker.storage.targets import find_targets

ROOT = Path(__file__).parents[3]
OWN: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["eas.task_types"]
COUNTER = itertools.count()


class Good(TaskSettings):
    width: float = Field(default=1.0, gt=0, description="Of the window [d].")


def write(content: str = "fixed") -> Any:
    def run(context: TaskContext, settings: Good) -> dict[str, Any]:
        path = context.path_for("text")
        path.write_text(content.format(seed=context.seed, count=next(COUNTER)))
        context.add_output("text", path)
        return {}

    return run


GOOD = TaskType("good", "1", write(), Good, outputs=(Slot("text", mime_type="text/plain"),), example=Example())


def errors(**changes: Any) -> list[str]:
    found = inspect_task_type(dataclasses.replace(GOOD, **changes))
    return [finding.message for finding in found if finding.severity == "error"]


def advice(**changes: Any) -> list[str]:
    return [finding.message for finding in inspect_task_type(dataclasses.replace(GOOD, **changes))]


def test_a_good_task_type_has_nothing_wrong() -> None:
    assert inspect_task_type(GOOD) == []


class Reserved(TaskSettings):
    name: str = Field(default="", description="A name.")


class Nested(TaskSettings):
    inner: Good = Field(default=Good(), description="What is inside.")


class BadNested(TaskSettings):
    inner: Good = Field(default=Good.model_construct(width=-1.0), description="What is inside.")


class BadDefault(TaskSettings):
    width: float = Field(default=0.0, gt=0, description="Of the window [d].")


class NotFinite(TaskSettings):
    width: float = Field(default=float("inf"), description="Of the window [d].")


class NoSchema(TaskSettings):
    function: Any = Field(description="x")
    kind: type[int] | object = Field(description="y")


class Silent(TaskSettings):
    count: int = 3
    width: float = Field(default=1.0, description="Of the window.")


class Open(TaskSettings, extra="allow"):
    count: int = Field(default=3, description="How many.")


async def run_later(context: TaskContext, settings: Good) -> dict[str, Any]:
    return {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "good type"}, "name 'good type' is not a letter followed by"),
        ({"name": "execution_chain"}, "belong to flow control"),
        ({"version": ""}, "version ''"),
        ({"version": 1}, "version 1"),
        ({"inputs": (Slot("a"), Slot("a")), "example": None}, "input slot 'a' is declared twice"),
        ({"inputs": (Slot("a b"),), "example": None}, "input slot 'a b' is not a letter"),
        ({"inputs": ("a",), "example": None}, "inputs hold 'a'; expected a Slot"),
        ({"outputs": (Slot("text", mime_type="text"),)}, "'text' is no media type"),
        ({"run": lambda context: {}}, "run does not take (context, settings)"),
        ({"run": run_later}, "run is a coroutine"),
        ({"run": 3}, "run is a int"),
        ({"check": lambda context: []}, "check does not take (context, metadata)"),
        ({"settings": dict}, "expected a class derived from TaskSettings"),
        ({"settings": Reserved}, "setting 'name': every task object of a job has this key"),
        ({"settings": BadDefault}, "setting width: its default 0.0 is refused: Input should be greater than 0"),
        ({"settings": BadNested}, "setting inner: its default {'width': -1.0} is refused"),
        ({"settings": NotFinite}, "width: its default is not finite"),
        ({"example": Example(settings={"width": -1})}, "the example's setting width: Input should be greater than 0"),
        ({"example": Example(inputs={"a": lambda path: None})}, "the example has an input 'a'"),
        ({"inputs": (Slot("a"),)}, "the example lacks the input 'a'"),
        ({"example": Example(outputs={})}, "the example lacks the output 'text'"),
    ],
)
def test_what_is_wrong_is_an_error(changes: dict[str, Any], words: str) -> None:
    assert any(words in message for message in errors(**changes)), errors(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": Silent}, "settings without a description: count"),
        ({"settings": Silent}, "names no unit, such as [d] or [-]: width"),
        ({"settings": Open}, "allow unknown keys"),
        ({"example": None}, "no example"),
    ],
)
def test_what_could_be_better_is_advice(changes: dict[str, Any], words: str) -> None:
    assert errors(**changes) == []
    assert any(words in message for message in advice(**changes))


def test_nested_settings_are_looked_at() -> None:
    assert advice(settings=Nested) == []


def dry_run(folder: Path, *checks: QualityCheck, **changes: Any) -> tuple[list[str], str]:
    task_type = dataclasses.replace(GOOD, **changes)
    assert task_type.example is not None
    findings, said = try_example(task_type, task_type.example, checks, ExecutionLimits(), folder)
    return [f"{finding.severity}: {finding.message}" for finding in findings], said


def test_an_example_that_is_accepted_is_timed(tmp_path: Path) -> None:
    findings, said = dry_run(tmp_path)
    assert findings == []
    assert said.startswith("accepted in ")


def fail(path: Path) -> None:
    raise OSError("no stars")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"run": write("{count}")}, "advice: two runs of the example with the same seed differ"),
        ({"run": write("{seed}"), "uses_seed": False}, "error: uses_seed is false, but another seed"),
        ({"run": write("")}, "error: the example was rejected: text: the file is empty"),
        ({"run": lambda context, settings: 1 / 0}, "ZeroDivisionError"),
        (
            {"inputs": (Slot("a"),), "example": Example(inputs={"a": fail})},
            "error: the example's inputs cannot be made: OSError: no stars",
        ),
    ],
)
def test_trying_finds_what_looking_does_not(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    findings, _ = dry_run(tmp_path, **changes)
    assert any(words in finding for finding in findings), findings


def test_a_seed_may_act_where_it_is_declared(tmp_path: Path) -> None:
    assert dry_run(tmp_path, run=write("{seed}"))[0] == []


def test_checks_judge_the_example(tmp_path: Path) -> None:
    no = QualityCheck("no", lambda context, metadata: reject("never"), frozenset({"good"}))
    yes = QualityCheck("yes", lambda context, metadata: accept(), frozenset({"good"}))
    (tmp_path / "yes").mkdir()
    assert dry_run(tmp_path / "yes", yes)[0] == []
    (tmp_path / "no").mkdir()
    assert dry_run(tmp_path / "no", yes, no)[0] == ["error: the example was rejected: no: never"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nonsense", "no such file, installed task type, or module"),
        ("no such thing", "no such file, installed task type, or module"),
        ("no/such/file.py", "No such file"),
        ("eas_worker.tasks.transit_searches", "declares no task type"),
        ("eas_worker.tasks.null:run", "it is a function"),
        ("eas_worker.tasks.null:missing", "AttributeError"),
    ],
)
def test_names_that_mean_nothing_are_said(name: str, words: str) -> None:
    (target,) = find_targets(name)
    assert words in target.problem


@pytest.mark.parametrize("name", ["null", "eas_worker.tasks.null", "eas_worker.tasks.null:TASK_TYPE"])
def test_task_types_are_found_by_name_module_and_attribute(name: str) -> None:
    (target,) = find_targets(name)
    assert [found.name for found in target.found.task_types] == ["null"]


@pytest.mark.parametrize("name", OWN)
def test_every_task_type_of_this_distribution_is_well_declared(name: str, tmp_path: Path) -> None:
    (target,) = find_targets(OWN[name])
    (task_type,) = target.found.task_types
    assert task_type.name == name
    assert [finding for finding in inspect_task_type(task_type) if finding.severity == "error"] == []
    if task_type.example is not None:
        findings, said = try_example(task_type, task_type.example, (), ExecutionLimits(), tmp_path)
        assert findings == []
        assert said.startswith("accepted")
