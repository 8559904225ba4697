"""The examples can be submitted, and the one for real light curves can be filled with any file names."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from eas_control.domain.example_jobs import choose_light_curves, fill_light_curves, write_literal
from eas_scheduler.domain.job_language.document import check_document
from eas_scheduler.domain.job_language.expansion import describe_root, expand
from eas_scheduler.domain.job_language.plan import Plan
from eas_scheduler.domain.job_language.problems import ProblemList
from eas_scheduler.domain.task_settings import TaskTypeSpecification

EXAMPLES = Path(__file__).parents[3] / "examples"
NAMES = ["a.csv", "b [1].fits", "(c).csv", "'d'.csv", '"e".fit', " f.csv"]


@pytest.fixture(scope="module")
def task_types() -> dict[str, TaskTypeSpecification]:
    found = {}
    for entry in entry_points(group="eas.task_types"):
        task_type = entry.load()
        found[entry.name] = TaskTypeSpecification(
            name=task_type.name,
            version=task_type.version,
            settings_schema=task_type.settings.model_json_schema(),
            inputs={slot.name: slot.required for slot in task_type.inputs},
            outputs={slot.name: slot.required for slot in task_type.outputs},
        )
    return found


def plan_of(document: Any, task_types: dict[str, TaskTypeSpecification]) -> Plan:
    problems = ProblemList()
    check_document(document, task_types, problems)
    plan = expand(describe_root(document, 1, problems), task_types, problems)
    assert problems.problems == []
    return plan


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.name)
def test_an_example_can_be_submitted_and_is_explained(path: Path, task_types: dict[str, TaskTypeSpecification]) -> None:
    plan_of(json.loads(path.read_text("utf-8")), task_types)

    assert f"`{path.name}`" in (EXAMPLES / "README.md").read_text("utf-8")


def test_every_file_of_a_folder_gets_its_own_branch(task_types: dict[str, TaskTypeSpecification]) -> None:
    template = json.loads((EXAMPLES / "light_curves.json").read_text("utf-8"))

    plan = plan_of(fill_light_curves(template, NAMES), task_types)

    ingests = [task for task in plan.tasks if task.task_type == "ingest_external_lcs"]
    assert [task.metadata["file"] for task in ingests] == NAMES
    assert template["task_list"][0]["values"] == []


@pytest.mark.parametrize("text", ["plain.csv", "(1 + 1)", "'quoted'", '"', " blank ", "it's (here)"])
def test_a_literal_is_taken_as_it_is(text: str, task_types: dict[str, TaskTypeSpecification]) -> None:
    loop = {"task": "execution_for_loop", "parameter": "x", "values": [write_literal(text)], "task_list": []}

    (_, iteration) = plan_of({"task_list": [loop]}, task_types).tasks

    assert iteration.metadata["x"] == text


def test_only_light_curves_are_chosen() -> None:
    names = ["README.md", "b.FITS", "a.csv", ".hidden.csv", "c.csv.gz", "fits", "d.png"]
    assert choose_light_curves(names) == ["a.csv", "b.FITS", "c.csv.gz"]
