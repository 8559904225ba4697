"""From a job document to a plan: counts, inheritance, dependencies, and every error with its place, all at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eas_scheduler.domain.job_language.document import check_document
from eas_scheduler.domain.job_language.expansion import describe_root, expand
from eas_scheduler.domain.job_language.loop_values import spread_values
from eas_scheduler.domain.job_language.plan import Plan
from eas_scheduler.domain.job_language.problems import ProblemList
from eas_scheduler.domain.task_settings import TaskTypeSpecification

Types = dict[str, TaskTypeSpecification]
NULL = TaskTypeSpecification("null", "1", {"type": "object", "additionalProperties": False}, {}, {})


def plan_of(document: Any, task_types: Types, seed: int = 1) -> tuple[Plan, dict[str, str]]:
    problems = ProblemList()
    check_document(document, task_types, problems)
    plan = expand(describe_root(document, seed, problems), task_types, problems)
    return plan, {problem.where or "": problem.slug for problem in problems.problems}


def producer(filename: str, **extra: Any) -> dict[str, Any]:
    return {"task": "make", "outputs": {"lightcurve": filename}, **extra}


def consumer(filename: str, **extra: Any) -> dict[str, Any]:
    return {"task": "find", "lc_duration": 40, "inputs": {"lightcurve": filename}, **extra}


def loop(parameter: str, body: list[Any], **values: Any) -> dict[str, Any]:
    return {"task": "execution_for_loop", "parameter": parameter, "task_list": body, **values}


def test_the_example_of_the_specification(task_types: Types) -> None:
    name = "'planet_{r_index}.gz'.format(**metadata)"
    body = [producer(name, name="make", specs={"radius": "(metadata['r'])"}), consumer(name, name="find")]
    job = {
        "job_name": "probe_a",
        "working_directory": "probe_a",
        "task_list": [loop("r", body, values=[0.3, "(constants.Rearth * 2)"])],
    }
    plan, problems = plan_of(job, task_types)
    assert problems == {}
    assert 1 + len(plan.tasks) == 8
    assert set(plan.products) == {("probe_a", "planet_0.gz"), ("probe_a", "planet_1.gz")}
    finders = [task for task in plan.tasks if task.task_type == "find"]
    assert [task.metadata for task in finders] == [
        {"r": 0.3, "r_index": 0},
        {"r": 2 * 0.08911486, "r_index": 1},
    ]
    assert [plan.tasks[task.input_sources["lightcurve"] or 0].task_type for task in finders] == ["make", "make"]
    assert {task.job_name for task in plan.tasks} == {"probe_a"}


def test_overrides_hold_for_all_that_a_task_spawns(task_types: Types) -> None:
    inner = {"task": "execution_chain", "job_name": "inner", "working_directory": "'sub_{i}'.format(**metadata)"}
    job = {
        "job_name": "outer",
        "task_list": [loop("i", [inner | {"task_list": [producer("a.gz", specs={"radius": 1})]}], values=[1, 2])],
    }
    plan, problems = plan_of(job, task_types)
    assert problems == {}
    made = [task for task in plan.tasks if task.task_type == "make"]
    assert [(task.job_name, task.working_directory) for task in made] == [("inner", "sub_1"), ("inner", "sub_2")]


def test_loop_variables_accumulate_and_keep_their_type(task_types: Types) -> None:
    body = [loop("b", [{"task": "null"}], linear_range=[0, 1, 3])]
    plan, problems = plan_of({"task_list": [loop("a", body, values=["x", 2, 0.5, True])]}, task_types)
    assert problems == {}
    leaves = [task.metadata for task in plan.tasks if task.task_type == "null"]
    assert len(leaves) == 12
    assert leaves[5] == {"a": 2, "a_index": 1, "b": 1.0, "b_index": 2}
    assert isinstance(leaves[5]["a_index"], int)
    assert leaves[9]["a"] is True


def test_a_loop_that_needs_metadata_is_left_for_later(task_types: Types) -> None:
    late = loop(
        "i", [{"task": "null"}], values="(requested_metadata['first']['list'])", requires_metadata_from=["first"]
    )
    plan, problems = plan_of({"task_list": [{"task": "null", "name": "first"}, late]}, task_types)
    assert problems == {}
    assert [(task.task_type, task.expanded) for task in plan.tasks] == [("null", False), ("execution_for_loop", False)]
    assert plan.tasks[1].requires == {"first": 0}


def test_the_last_of_equal_names_wins(task_types: Types) -> None:
    job = {"task_list": [*[{"task": "null", "name": "same"}] * 2, {"task": "null", "requires_metadata_from": ["same"]}]}
    plan, _ = plan_of(job, task_types)
    assert plan.tasks[2].requires == {"same": 1}


def test_all_problems_are_found_at_once_with_their_places(task_types: Types) -> None:
    job = {
        "jobname": "typo",
        "task_list": [
            consumer("../escape.gz"),
            {"task": "find", "inputs": {"lightcurve": "late.gz"}, "lc_durations": 3},
            producer("late.gz", specs={"radius": "big"}),
            producer("late.gz", specs={"radius": 1, "colour": "red"}),
            {"task": "nul"},
            {"name": "no type"},
            "text",
            {"task": "null", "requires_metadata_from": ["nobody"]},
            loop("q", [{"task": "null", "duration": "(__import__('os'))"}], log_range=[0, 1, 3]),
            loop("p", [{"task": "null", "duration": "(metadata['pp'])"}], values=[1, 2]),
            loop("n", [], linear_range=[0, 1, 2.5]),
            {"task": "execution_for_loop", "values": [1]},
            {"task": "find", "lc_duration": 1, "inputs": {"lightcurves": "a"}},
            {"task": "null", "inputs": []},
        ],
    }
    _, problems = plan_of(job, task_types)
    at = "$.task_list"
    assert problems == {
        "$.jobname": "unknown_key",
        f"{at}[0].inputs.lightcurve": "unsafe_path",
        f"{at}[1].inputs.lightcurve": "consumer_before_producer",
        f"{at}[1].lc_duration": "missing_setting",
        f"{at}[1].lc_durations": "unknown_setting",
        f"{at}[2].specs.radius": "invalid_setting",
        f"{at}[3].outputs.lightcurve": "duplicate_output",
        f"{at}[3].specs.colour": "unknown_setting",
        f"{at}[4].task": "unknown_task_type",
        f"{at}[5].task": "missing_task",
        f"{at}[6]": "invalid_type",
        f"{at}[7].requires_metadata_from[0]": "unknown_name",
        f"{at}[8].task_list[0].duration": "invalid_expression",
        f"{at}[8].log_range[0]": "invalid_value",
        f"{at}[9].task_list[0].duration": "invalid_expression",
        f"{at}[10].linear_range[2]": "invalid_value",
        f"{at}[11].parameter": "missing_setting",
        f"{at}[12].inputs.lightcurve": "missing_input",
        f"{at}[12].inputs.lightcurves": "unknown_input",
        f"{at}[13].inputs": "invalid_type",
    }


def test_an_output_without_the_loop_index_collides_in_the_second_iteration(task_types: Types) -> None:
    job = {"task_list": [loop("i", [producer("same.gz", specs={"radius": 1})], values=[1, 2])]}
    _, problems = plan_of(job, task_types)
    assert problems == {"$.task_list[0].task_list[0].outputs.lightcurve": "duplicate_output"}


@pytest.mark.parametrize(
    "document", [[], "text", None, 5, {"task_list": {}}, {"task_list": 3}, {"seed": -1}, {"task": "null"}]
)
def test_what_is_no_job_is_refused(document: Any, task_types: Types) -> None:
    problems = ProblemList()
    check_document(document, task_types, problems)
    assert problems.problems


def test_a_job_without_tasks_is_a_job(task_types: Types) -> None:
    plan, problems = plan_of({"_remark": "nothing yet"}, task_types)
    assert (plan.tasks, problems) == ([], {})


def test_the_same_seed_gives_the_same_plan(task_types: Types) -> None:
    job = {"task_list": [loop("i", [{"task": "null", "name": "'{}'.format(random.random())"}], values=[1, 2])]}
    first, again, other = (plan_of(job, task_types, seed)[0] for seed in (5, 5, 6))
    assert [task.name for task in first.tasks] == [task.name for task in again.tasks]
    assert [task.seed for task in first.tasks] != [task.seed for task in other.tasks]
    assert len({task.seed for task in first.tasks}) == len(first.tasks)


def test_ranges_include_both_ends_exactly() -> None:
    assert spread_values(0.1, 0.7, 4, logarithmic=False) == pytest.approx([0.1, 0.3, 0.5, 0.7])
    assert spread_values(0.01, 1, 3, logarithmic=True) == pytest.approx([0.01, 0.1, 1])
    assert spread_values(0.1, 0.7, 7, logarithmic=True)[-1] == 0.7
    assert spread_values(3, 9, 1, logarithmic=False) == [3]
    assert spread_values(3, 9, 0, logarithmic=False) == []


BODIES = st.recursive(
    st.just({"task": "null"}),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda body: {"task": "execution_chain", "task_list": body}),
        st.builds(
            lambda body, count: loop("v", body, values=list(range(count))),
            st.lists(inner, max_size=3),
            st.integers(0, 3),
        ),
    ),
    max_leaves=8,
)


def rows(task: dict[str, Any]) -> int:
    """Count rows by the algebra of the specification."""
    inner = sum(rows(child) for child in task.get("task_list", ()))
    if task["task"] == "execution_for_loop":
        return 1 + len(task["values"]) * (1 + inner)
    return 1 + inner


@given(st.lists(BODIES, max_size=3))
@settings(deadline=None)
def test_rows_follow_the_algebra(body: list[dict[str, Any]]) -> None:
    plan, problems = plan_of({"task_list": body}, {"null": NULL})
    assert problems == {}
    assert 1 + len(plan.tasks) == rows({"task": "execution_chain", "task_list": body})
    for number, task in enumerate(plan.tasks):
        assert task.parent is None or task.parent < number
        assert task.children == sum(other.parent == number for other in plan.tasks)
