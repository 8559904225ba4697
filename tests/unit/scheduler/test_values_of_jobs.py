"""Values in job documents and out of expressions: what cannot be stored is refused at once, with its place."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest

from eas.contracts.errors import InvalidExpressionError, InvalidJobError, InvalidJsonError
from eas.contracts.metadata import MAX_KEYWORD_LENGTH
from eas.contracts.values import MAX_LEVELS, MAX_METADATA_BYTES, MAX_SETTINGS_BYTES
from eas_scheduler.domain.job_language.document import MAX_NESTING, check_document
from eas_scheduler.domain.job_language.expansion import describe_root, expand
from eas_scheduler.domain.job_language.expressions import Scope, evaluate
from eas_scheduler.domain.job_language.loop_values import spread_values
from eas_scheduler.domain.job_language.plan import Plan
from eas_scheduler.domain.job_language.problems import ProblemList
from eas_scheduler.domain.task_settings import TaskTypeSpecification, evaluate_settings
from eas_scheduler.logic.submission import parse_document

TaskTypes = dict[str, TaskTypeSpecification]
FREE = TaskTypeSpecification("free", "1", {"type": "object"}, {}, {"table": False})
GAIA = 4658478254654321234
NAN = float("nan")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(metadata['star'] * 10)", "at most 64 bits"),
        ("(2**63)", "at most 64 bits"),
        ("(2**64)", "at most 64 bits"),
        ("(-2**63 - 1)", "at most 64 bits"),
        ("([1, {'a': [2**70]}])", "[1].a[0]"),
        ("(int('9' * 300))", "at most 64 bits"),
        ("(float('nan'))", "not finite"),
        ("(1e308 * 10)", "not finite"),
        ("({'a': float('inf')})", "a: inf is not finite"),
        ("({1: 2})", "no text"),
        ("((-1) ** 0.5)", "complex has no JSON form"),
        ("(constants)", "Constants has no JSON form"),
        (r"'\ud800'", "lone surrogate"),
        (r"({'\ud800': 1})", "lone surrogate"),
    ],
)
def test_an_expression_gives_a_value_that_can_be_stored(text: str, words: str) -> None:
    with pytest.raises(InvalidExpressionError) as caught:
        evaluate(text, Scope({"star": GAIA}))
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(2**63 - 1)", 2**63 - 1),
        ("(-2**63)", -(2**63)),
        ("(2**70 // 2**60)", 1024),
        ("(metadata['star'] * 10 % 7)", GAIA * 10 % 7),
        ("(-0.0)", 0.0),
        ("(sum([[1], [2]], [0]))", [0, 1, 2]),
        ("(round(1234, -2))", 1200),
        ("(round(2.5))", 2),
    ],
)
def test_on_the_way_numbers_may_be_larger(text: str, value: Any) -> None:
    assert evaluate(text, Scope({"star": GAIA})) == value


@pytest.mark.parametrize(
    "text",
    [
        "(10**10**10)",
        "('a' * 10**9)",
        "'{:>1000000000}'.format(1)",
        "(f'{1:>1000000000}')",
        "('%1000000000d' % 1)",
        "(round(5, -1000000000))",
        "(('{0}' * 20000).format('x' * 65536))",
        "(('%(a)s' * 9000) % {'a': 'x' * 65536})",
        "(random.betavariate(float('nan'), 1))",
        "(random.betavariate(1, float('inf')))",
        "([" + ", ".join(["len(sorted(range(200000)))"] * 120) + "])",
    ],
)
def test_no_expression_takes_long(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(InvalidExpressionError):
        evaluate(text, Scope({}))
    assert time.process_time() - begun < 3


def test_lists_are_joined_in_one_pass() -> None:
    begun = time.process_time()
    assert evaluate("(len(sum([[1]] * 100000, [])))", Scope({})) == 100_000
    assert time.process_time() - begun < 3


# --- documents


def refuse(document: Any) -> InvalidJobError:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(InvalidJobError) as caught:
        parse_document(text)
    return caught.value


def in_settings(value: str) -> bytes:
    return b'{"task_list": [{"task": "null"}, {"task": "null", "duration": {"a": [%s]}}]}' % value.encode()


@pytest.mark.parametrize("number", ["9223372036854775808", "18446744073709551616", "-9223372036854775809", "1" * 200])
def test_a_whole_number_beyond_64_bits_is_refused_where_it_stands(number: str) -> None:
    error = refuse(in_settings(number))
    assert error.where == "$.task_list[1].duration.a[0]"
    assert "64 bits" in error.problems[0].message


@pytest.mark.parametrize("number", ["9223372036854775807", "-9223372036854775808"])
def test_a_whole_number_of_64_bits_stays_what_it_is(number: str) -> None:
    assert parse_document(in_settings(number))["task_list"][1]["duration"]["a"] == [int(number)]


def test_a_long_number_that_is_not_whole_stays_what_it_is() -> None:
    assert parse_document(b'{"a": 0.12345678901234567890, "b": 1e30}') == {"a": 0.12345678901234568, "b": 1e30}


@pytest.mark.parametrize("levels", [200, 300, 1000])
def test_a_deep_setting_is_refused_where_it_stands(levels: int) -> None:
    error = refuse(in_settings("[" * levels + "1" + "]" * levels))
    assert error.where is not None
    assert error.where.startswith("$.task_list[1].duration.a[0][0]")
    assert str(MAX_LEVELS) in error.problems[0].message


@pytest.mark.parametrize("levels", [2_000, 100_000])
def test_what_is_deeper_than_any_reader_goes_is_no_json(levels: int) -> None:
    with pytest.raises(InvalidJsonError, match="nested too deep"):
        parse_document(in_settings("[" * levels + "1" + "]" * levels))


def test_keys_may_be_expressions_and_not_longer() -> None:
    document = {"task_list": [{"task": "null", "('" + "a" * 4000 + "'[:3])": 1}]}
    assert parse_document(json.dumps(document).encode()) == document
    error = refuse({"task_list": [{"task": "null", "a" * 5000: 1}]})
    assert error.where == "$.task_list[0]"


def plan(document: dict[str, Any], task_types: TaskTypes) -> tuple[Plan, list[tuple[str, str, str]]]:
    """Plan a job as a submission does. Returns the plan, and slug, place and words of its problems."""
    document = parse_document(json.dumps(document).encode())
    problems = ProblemList()
    check_document(document, task_types, problems)
    made = expand(describe_root(document, 1, problems), task_types, problems)
    return made, [(found.slug, str(found.where), found.message) for found in problems.problems]


def faults(document: dict[str, Any], task_types: TaskTypes) -> list[tuple[str, str]]:
    return [(slug, where) for slug, where, _ in plan(document, task_types)[1]]


def nest(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("around", [0, 20])
def test_a_setting_has_as_many_levels_wherever_its_task_stands(around: int) -> None:
    def document(levels: int) -> dict[str, Any]:
        task: dict[str, Any] = {"task": "free", "a": nest(levels)}
        for _ in range(around):
            task = {"task": "execution_chain", "task_list": [task]}
        return {"task_list": [task]}

    assert faults(document(MAX_LEVELS - 1), {"free": FREE}) == []
    ((slug, where, message),) = plan(document(MAX_LEVELS), {"free": FREE})[1]
    assert slug == "too_deep"
    assert ".a[0]" in where
    assert str(MAX_LEVELS) in message


@pytest.mark.parametrize("chains", [60, 400])
def test_task_lists_that_are_nested_too_deep_are_refused(chains: int, task_types: TaskTypes) -> None:
    task: dict[str, Any] = {"task": "null"}
    for _ in range(chains):
        task = {"task": "execution_chain", "task_list": [task]}
    document = {"task_list": [task]}
    if chains > 2 * MAX_NESTING:
        assert refuse(document).problems[0].slug == "too_deep"
    else:
        assert [slug for slug, _ in faults(document, task_types)] == ["too_deep"]


def test_the_name_of_a_setting_is_bounded_when_it_is_known() -> None:
    evaluated = evaluate_settings({"('a' * 300)": 1}, Scope({}))
    assert [(place, "300 characters" in words) for place, words in evaluated.problems] == [((), True)]


def test_settings_are_bounded_in_all() -> None:
    part = "v" * 65_000
    assert evaluate_settings({str(index): part for index in range(60)}, Scope({})).problems == []
    evaluated = evaluate_settings({str(index): part for index in range(70)}, Scope({}))
    ((_, words),) = evaluated.problems
    assert str(MAX_SETTINGS_BYTES) in words


# --- what tasks inherit


def loop(parameter: str = "p", values: Any = (1,), task: dict[str, Any] | None = None) -> dict[str, Any]:
    tasks = [task or {"task": "null"}]
    return {"task": "execution_for_loop", "parameter": parameter, "values": values, "task_list": tasks}


@pytest.mark.parametrize("values", [["a", "v" * 100_000], "('v' * 40000, 'b')"], ids=["plain", "expression"])
def test_a_loop_value_that_the_product_store_would_refuse_is_refused_here(values: Any, task_types: TaskTypes) -> None:
    index = 1 if isinstance(values, list) else 0
    ((slug, where, message),) = plan({"task_list": [loop(values=values)]}, task_types)[1]
    assert (slug, where) == ("too_large", f"$.task_list[0].values[{index}]")
    assert str(MAX_METADATA_BYTES) in message


def test_what_nested_loops_give_counts_together(task_types: TaskTypes) -> None:
    part = "v" * (MAX_METADATA_BYTES // 2)
    assert faults({"task_list": [loop("a", [part])]}, task_types) == []
    document = {"task_list": [loop("a", [part], loop("b", [part]))]}
    assert faults(document, task_types) == [("too_large", "$.task_list[0].task_list[0].values[0]")]


@pytest.mark.parametrize("length", [MAX_KEYWORD_LENGTH - len("_index") + 1, MAX_KEYWORD_LENGTH])
@pytest.mark.parametrize("written", ["plain", "expression"])
def test_a_loop_variable_leaves_room_for_its_index(length: int, written: str, task_types: TaskTypes) -> None:
    def spell(length: int) -> str:
        return "x" * length if written == "plain" else f"('x' * {length})"

    assert faults({"task_list": [loop(spell(length))]}, task_types) == [("invalid_value", "$.task_list[0].parameter")]
    assert faults({"task_list": [loop(spell(MAX_KEYWORD_LENGTH - len("_index")))]}, task_types) == []


@pytest.mark.parametrize("name", ["flow", "parent", "position", "changes", "self", "metadata"])
def test_a_loop_variable_may_have_any_name(name: str, task_types: TaskTypes) -> None:
    made, problems = plan({"task_list": [loop(name, [5])]}, task_types)
    assert problems == []
    assert [task.metadata.get(name) for task in made.tasks if task.task_type == "null"] == [5]


@pytest.mark.parametrize("value", ["(2**63)", "(float('nan'))", "(1e308 * 10)", r"'\ud800'"])
def test_a_loop_value_out_of_an_expression_can_be_stored(value: str, task_types: TaskTypes) -> None:
    document = {"task_list": [loop(values=[1, value])]}
    assert faults(document, task_types) == [("invalid_expression", "$.task_list[0].values[1]")]


@pytest.mark.parametrize("logarithmic", [False, True])
def test_ranges_of_extreme_ends_stay_finite_and_in_order(logarithmic: bool) -> None:
    for start, end in ((1e-308, 1e308), (1e308, 1e-308), (5e-324, 1.7e308)):
        found = spread_values(start, end, 7, logarithmic=logarithmic)
        assert all(math.isfinite(value) for value in found)
        assert found == sorted(found, reverse=start > end)
        assert len(set(found)) == 7
    found = spread_values(-1.7e308, 1.7e308, 5, logarithmic=False)
    assert all(math.isfinite(value) for value in found)


# --- names


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "a\tb", "'line\\n'"])
@pytest.mark.parametrize("key", ["name", "job_name"])
def test_a_name_is_one_line(key: str, name: str, task_types: TaskTypes) -> None:
    document = {"task_list": [{"task": "null", key: name}]}
    assert faults(document, task_types) == [("invalid_value", f"$.task_list[0].{key}")]


@pytest.mark.parametrize("slot", ["", "a\nb", "s" * 300])
def test_a_slot_has_a_name_that_the_product_store_takes(slot: str, task_types: TaskTypes) -> None:
    chain = {"task": "execution_chain", "outputs": {slot: "file"}, "task_list": [{"task": "null"}]}
    assert [slug for slug, _ in faults({"task_list": [chain]}, task_types)] == ["invalid_value"]
