"""Conditionals, do-while and while loops: what they spawn, how many rows that makes, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eas_scheduler.domain.job_language.document import check_document
from eas_scheduler.domain.job_language.expansion import describe_root, expand
from eas_scheduler.domain.job_language.plan import FlowTask, Plan
from eas_scheduler.domain.job_language.problems import ProblemList
from eas_scheduler.domain.task_settings import TaskTypeSpecification

NULL = TaskTypeSpecification("null", "1", {"type": "object"}, {}, {})
TYPES = {"null": NULL}
LEAF = {"task": "null"}


def plan_of(*tasks: dict[str, Any], most: int = 100) -> tuple[Plan, dict[str, str]]:
    document = {"task_list": list(tasks)}
    problems = ProblemList()
    check_document(document, TYPES, problems)
    plan = expand(describe_root(document, 1, problems), TYPES, problems, max_iterations=most)
    return plan, {problem.where or "": problem.slug for problem in problems.problems}


def branch(criterion: Any, *, then: list[Any] | None = None, other: list[Any] | None = None) -> dict[str, Any]:
    task: dict[str, Any] = {"task": "execution_conditional", "criterion": criterion}
    return task | ({} if then is None else {"task_list": then}) | ({} if other is None else {"else_task_list": other})


def repeat(kind: str, test: str, body: list[Any], names: list[str], name: str = "pass", **extra: Any) -> dict[str, Any]:
    key = "criterion" if kind == "while" else "repeat_criterion"
    return {
        "task": f"execution_{kind}_loop",
        "iteration_name": name,
        "requires_metadata_from_child": names,
        key: test,
        "task_list": body,
    } | extra


def flow_of(task: dict[str, Any], iteration: int, requested: dict[str, Any], **metadata: Any) -> FlowTask:
    return FlowTask(task["task"], task, ("task_list", 0), 1, None, "", metadata, 1, requested, iteration)


@pytest.mark.parametrize(
    ("criterion", "types"),
    [
        ("(1 < 2)", ["execution_conditional", "execution_chain", "null", "null"]),
        ("(1 > 2)", ["execution_conditional", "execution_chain", "null"]),
        (True, ["execution_conditional", "execution_chain", "null", "null"]),
        (0, ["execution_conditional", "execution_chain", "null"]),
    ],
)
def test_a_conditional_spawns_one_chain_with_the_branch(criterion: Any, types: list[str]) -> None:
    plan, problems = plan_of(branch(criterion, then=[LEAF, LEAF], other=[LEAF]))
    assert problems == {}
    assert [task.task_type for task in plan.tasks] == types


def test_the_tasks_of_the_other_branch_have_their_own_place() -> None:
    plan, _ = plan_of(branch(False, then=[LEAF], other=[LEAF, LEAF]))
    assert plan.tasks[-1].pointer == ("task_list", 0, "else_task_list", 1)


@pytest.mark.parametrize("task", [branch(True, other=[LEAF]), branch(False, then=[LEAF])])
def test_a_branch_that_is_not_there_is_no_error(task: dict[str, Any]) -> None:
    plan, problems = plan_of(task)
    assert problems == {}
    assert [found.task_type for found in plan.tasks] == ["execution_conditional"]


def test_a_conditional_that_needs_a_result_waits_for_it() -> None:
    task = branch("(requested_metadata['find']['sde'] > 9)", then=[LEAF]) | {"requires_metadata_from": ["find"]}
    plan, problems = plan_of(LEAF | {"name": "find"}, task)
    assert problems == {}
    assert not plan.tasks[1].expanded
    found = expand(flow_of(task, 0, {"find": {"sde": 12}}), TYPES, ProblemList())
    assert [one.task_type for one in found.tasks] == ["execution_chain", "null"]
    assert expand(flow_of(task, 0, {"find": {"sde": 2}}), TYPES, ProblemList()).tasks == []


def test_the_do_while_of_the_specification() -> None:
    task = repeat("do_while", "(metadata['pass_index'] < 2)", [LEAF | {"name": "chk"}], ["chk"])
    plan, problems = plan_of(task)
    assert problems == {}
    assert [(one.task_type, one.iteration) for one in plan.tasks] == [
        ("execution_do_while_loop", 0),
        ("execution_chain", 0),
        ("null", 0),
        ("execution_do_while_loop", 1),
    ]
    assert plan.tasks[3].requires == {"chk": 2}
    assert plan.tasks[2].metadata == {"pass_index": 1}
    second = expand(flow_of(task, 1, {"chk": {}}, pass_index=1), TYPES, ProblemList())
    assert [one.task_type for one in second.tasks] == ["execution_chain", "null", "execution_do_while_loop"]
    assert second.tasks[0].parent is None
    assert second.tasks[1].metadata == {"pass_index": 2}
    assert expand(flow_of(task, 2, {"chk": {}}, pass_index=2), TYPES, ProblemList()).tasks == []


def test_a_do_while_runs_at_least_once_and_a_while_perhaps_not() -> None:
    assert len(plan_of(repeat("do_while", "(False)", [LEAF], []))[0].tasks) == 1 + 2 + 1
    assert len(plan_of(repeat("while", "(False)", [LEAF], []))[0].tasks) == 1


@given(st.integers(0, 6), st.integers(0, 3), st.sampled_from(["while", "do_while"]))
def test_rows_of_repeated_loops_follow_the_algebra(iterations: int, body: int, kind: str) -> None:
    plan, problems = plan_of(repeat(kind, f"(metadata['pass_index'] < {iterations})", [LEAF] * body, []))
    ran = max(iterations, 1 if kind == "do_while" else 0)
    assert problems == {}
    assert len(plan.tasks) == 1 + ran * (2 + body)
    assert plan.tasks[0].children == ran
    chains = [task for task in plan.tasks if task.task_type == "execution_chain"]
    assert [task.metadata["pass_index"] for task in chains] == list(range(1, ran + 1))
    assert {task.parent for task in chains} <= {0}
    assert len({task.seed for task in plan.tasks}) == len(plan.tasks)


def test_loops_of_the_same_name_inside_each_other_count_by_themselves() -> None:
    inner = repeat("do_while", "(metadata['pass_index'] < 2)", [LEAF], [])
    plan, problems = plan_of(repeat("do_while", "(metadata['pass_index'] < 3)", [inner], []))
    assert problems == {}
    assert sum(task.task_type == "null" for task in plan.tasks) == 3 * 2


def test_a_loop_that_never_ends_is_stopped_with_words() -> None:
    plan, problems = plan_of(repeat("while", "(True)", [LEAF], []), most=50)
    assert problems == {"$.task_list[0]": "too_many_iterations"}
    assert sum(task.task_type == "null" for task in plan.tasks) == 50
    own = repeat("while", "(True)", [LEAF], [], max_iterations=3)
    found = ProblemList()
    expand(replace(flow_of(own, 3, {}), metadata={"pass_index": 3}), TYPES, found)
    assert "after 3 iterations" in found.problems[0].message


def test_what_is_wrong_is_named_with_its_place() -> None:
    _, problems = plan_of(
        branch("false", then=[LEAF]),
        {"task": "execution_conditional", "task_list": {}},
        branch("(metadata['nothing'])", then=[LEAF]),
        repeat("do_while", "(True)", [LEAF], ["nobody"]),
        {"task": "execution_do_while_loop", "task_list": [LEAF]},
        repeat("while", "(1 / 0)", [LEAF], [], max_iterations=0),
        branch(True, other=[{"task": "nul"}]),
    )
    assert problems == {
        "$.task_list[0].criterion": "invalid_value",
        "$.task_list[1].criterion": "missing_setting",
        "$.task_list[1].task_list": "invalid_type",
        "$.task_list[2].criterion": "invalid_expression",
        "$.task_list[3].requires_metadata_from_child[0]": "unknown_name",
        "$.task_list[4].iteration_name": "missing_setting",
        "$.task_list[4].requires_metadata_from_child": "missing_setting",
        "$.task_list[4].repeat_criterion": "missing_setting",
        "$.task_list[5].max_iterations": "invalid_value",
        "$.task_list[5].criterion": "invalid_expression",
        "$.task_list[6].else_task_list[0].task": "unknown_task_type",
    }
