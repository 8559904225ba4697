"""What settings tell before a task runs is in the plan of its job, and never stands in its way."""

from __future__ import annotations

from typing import Any

import pytest

from eas import Estimate, TaskContext, TaskSettings, task_type
from eas.contracts.scheduler import EstimateDescription
from eas.quantities import show_quantity
from eas_scheduler.domain.dry_run import summarise
from eas_scheduler.domain.estimates import MOST_SETTINGS, estimate_all, fill_defaults
from eas_scheduler.domain.job_language.expansion import describe_root, expand
from eas_scheduler.domain.job_language.plan import Plan
from eas_scheduler.domain.job_language.problems import ProblemList
from eas_scheduler.domain.task_settings import TaskTypeSpecification
from eas_worker.storage.task_types import describe_task_type

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "days": {"type": "number"},
        "grid": {"$ref": "#/$defs/Grid", "default": {"step": 2.0, "longest": None}},
    },
    "$defs": {
        "Grid": {
            "type": "object",
            "properties": {
                "step": {"type": "number", "default": 2.0},
                "longest": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
            },
        }
    },
}
COST = EstimateDescription(
    quantity="processor time",
    expression="(3600 * metadata['days'] / metadata['grid']['step'] * (metadata['grid']['longest'] or 1))",
    condition="on one core",
    advice="use a larger step",
    warn_above=7000.0,
)


def specify(*estimates: EstimateDescription) -> TaskTypeSpecification:
    return TaskTypeSpecification("dig", "1", SCHEMA, {}, {}, estimates=estimates)


def plan(*tasks: dict[str, Any], estimate: EstimateDescription = COST) -> Plan:
    problems = ProblemList()
    flow = describe_root({"task_list": list(tasks)}, 1, problems)
    found = expand(flow, {"dig": specify(estimate)}, problems)
    assert problems.problems == []
    return found


def dig(**settings: Any) -> dict[str, Any]:
    return {"task": "dig", **settings}


def test_a_plan_has_the_largest_and_the_sum_of_its_estimates_and_where_the_largest_is() -> None:
    (found,) = plan(dig(days=1), dig(days=4, grid={"step": 1}), dig(days=2)).estimates.views()

    assert (found.task_type, found.quantity, found.unit, found.condition) == (
        "dig",
        "processor time",
        "s",
        "on one core",
    )
    assert (found.tasks, found.largest, found.total) == (3, 14_400, 1800 + 14_400 + 3600)
    assert found.where == "$.task_list[1]"


def test_what_is_larger_than_expected_is_a_warning_with_advice() -> None:
    summary = summarise(plan(dig(days=1), dig(days=100)), 0)

    assert summary.warnings == [
        "dig at $.task_list[1] will need about 2.08 d of processor time on one core; all 2 tasks of the type about "
        "2.1 d: use a larger step"
    ]
    assert summarise(plan(dig(days=1)), 0).warnings == []
    assert [found.largest for found in summarise(plan(dig(days=1)), 0).estimates] == [1800]


def test_expressions_and_loops_are_evaluated_first() -> None:
    loop = {
        "task": "execution_for_loop",
        "parameter": "n",
        "values": [1, 2, 3],
        "task_list": [dig(days="(metadata['n'] * 2)")],
    }

    (found,) = plan(loop).estimates.views()

    assert (found.tasks, found.largest, found.total) == (3, 6 * 1800, 12 * 1800)


@pytest.mark.parametrize(
    ("settings", "filled"),
    [
        ({}, {"grid": {"step": 2.0, "longest": None}}),
        ({"grid": {}}, {"grid": {"step": 2.0, "longest": None}}),
        ({"grid": {"step": 5}}, {"grid": {"step": 5, "longest": None}}),
        ({"grid": 7, "days": 3}, {"grid": 7, "days": 3}),
    ],
)
def test_defaults_are_filled_in_at_every_depth(settings: dict[str, Any], filled: dict[str, Any]) -> None:
    assert fill_defaults(SCHEMA, settings, SCHEMA) == filled


def test_a_schema_that_refers_to_itself_or_to_nothing_has_an_end() -> None:
    endless = {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}

    assert fill_defaults(endless, {"a": 1}, endless) == {"a": 1}
    assert fill_defaults({"$ref": "#/elsewhere"}, {"a": 1}, {}) == {"a": 1}


@pytest.mark.parametrize(
    "expression",
    [
        "(metadata['nothing'])",
        "(1 / 0)",
        "(",
        "words",
        "('words')",
        "(1 == 1)",
        "(1e308 * 10)",
        "(2 ** 5000)",
        "(requested_metadata['x']['y'])",
        "(metadata['grid']['step'] ** 0.5 - metadata['grid'])",
        "",
        "(" * 500,
    ],
)
def test_an_estimate_that_cannot_be_computed_says_nothing(expression: str) -> None:
    broken = EstimateDescription(quantity="time", expression=expression, warn_above=0.0)

    assert estimate_all(specify(broken), {"days": 1}) == [None]
    summary = summarise(plan(dig(days=1), estimate=broken), 0)
    assert (summary.tasks, summary.estimates, summary.warnings) == (2, [], [])


def test_settings_that_wait_for_other_tasks_are_left_out() -> None:
    waiting = dig(days="(requested_metadata['first']['days'])", requires_metadata_from=["first"])

    (found,) = plan(dig(days=1, name="first"), waiting).estimates.views()

    assert found.tasks == 1


def test_only_so_many_different_settings_are_looked_at() -> None:
    loop = {
        "task": "execution_for_loop",
        "parameter": "n",
        "values": f"(range({MOST_SETTINGS + 5}))",
        "task_list": [dig(days="(metadata['n'])")],
    }

    (found,) = plan(loop, dig(days=1)).estimates.views()

    assert found.tasks == MOST_SETTINGS + 1  # the last task has settings that are known
    assert found.largest == 1800 * (MOST_SETTINGS - 1)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.1, "s", "0.1 s"),
        (3.0, "s", "3 s"),
        (300, "s", "5 min"),
        (9000, "s", "2.5 h"),
        (4e5, "s", "4.63 d"),
        (4e5, "files", "4e+05 files"),
    ],
)
def test_values_are_shown_with_the_unit_that_fits(value: float, unit: str, shown: str) -> None:
    assert show_quantity(value, unit) == shown


class Digging(TaskSettings):
    count: int = 6


@task_type(version="1", estimates=[Estimate("processor time", "(0.5 * metadata['count'])", warn_above=2.0)])
def dig_here(context: TaskContext, settings: Digging) -> None: ...


def test_the_scheduler_understands_what_an_author_declares() -> None:
    found = describe_task_type(dig_here)
    declared = TaskTypeSpecification("dig", "1", found.settings_schema, {}, {}, estimates=tuple(found.estimates))

    assert estimate_all(declared, {}) == [3.0]
    assert estimate_all(declared, {"count": 2}) == [1.0]
