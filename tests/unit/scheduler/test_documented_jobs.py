"""Every job that the guide to the job language shows can be submitted, with the real task types."""

from __future__ import annotations

import json
import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from eas_scheduler.domain.job_language.document import check_document
from eas_scheduler.domain.job_language.expansion import describe_root, expand
from eas_scheduler.domain.job_language.plan import Plan
from eas_scheduler.domain.job_language.problems import ProblemList
from eas_scheduler.domain.task_settings import TaskTypeSpecification

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "job_language.md").read_text("utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)


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


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_of_the_guide_can_run(text: str, task_types: dict[str, TaskTypeSpecification]) -> None:
    plan_of(json.loads(text), task_types)


def test_the_count_that_the_guide_gives_is_right(task_types: dict[str, TaskTypeSpecification]) -> None:
    (grid,) = (json.loads(text) for text in EXAMPLES if '"grid"' in text)
    (count,) = re.findall(r"= (\d+) tasks", GUIDE)
    assert 1 + len(plan_of(grid, task_types).tasks) == int(count)
