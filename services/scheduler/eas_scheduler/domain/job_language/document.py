"""The form of a job document, checked before anything is evaluated: keys, types, names and expression syntax."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from eas.contracts.errors import InvalidExpressionError, Problem
from eas.contracts.execution import ExecutionRules
from eas.contracts.metadata import MAX_KEYWORD_LENGTH
from eas.contracts.values import MAX_LEVELS, find_value_fault, shorten_middle
from eas_scheduler.domain.job_language.expressions import MAX_TEXT, is_expression, parse_expression
from eas_scheduler.domain.job_language.flow_types import (
    CHAIN,
    COMMON_KEYS,
    CRITERION_KEYS,
    FLOW_KEYS,
    FLOW_TYPES,
    FOR_LOOP,
    INDEX_SUFFIX,
    RANGE_KEYS,
    REPEATING,
    is_comment,
)
from eas_scheduler.domain.job_language.problems import MAX_PLACE, ProblemList, json_path
from eas_scheduler.domain.task_settings import TaskTypeSpecification

MAX_NESTING = 50
#: Lists and objects inside each other: each nested task list takes two, and inside a task object there are values.
MAX_DOCUMENT_LEVELS = 2 * MAX_NESTING + MAX_LEVELS
MAX_VARIABLE_LENGTH = MAX_KEYWORD_LENGTH - len(INDEX_SUFFIX)
MAX_NAME_LENGTH = 256

_ROOT_KEYS = frozenset({"seed", "reuse"})
_LIST_KEYS = ("task_list", "else_task_list")


def resolve_pointer(document: Mapping[str, Any], pointer: tuple[str | int, ...]) -> dict[str, Any]:
    """Find the task object at a place that was found in this document before."""
    found: Any = document
    for part in pointer:
        found = found[part]
    if not isinstance(found, dict):
        raise KeyError(f"no task object at {json_path(pointer)}")
    return found


def find_document_fault(document: Any) -> Problem | None:
    """Find what keeps a document from being stored at all: too deep, numbers beyond 64 bits, keys that are too long."""
    fault = find_value_fault(document, levels=MAX_DOCUMENT_LEVELS, key_length=MAX_TEXT)
    if fault is None:
        return None
    message = fault.message
    if fault.slug == "too_deep":
        message = (
            f"nested too deep: a job has at most {MAX_DOCUMENT_LEVELS} levels, of which {MAX_NESTING} task lists take "
            f"two each, and values {MAX_LEVELS}"
        )
    return Problem(slug=fault.slug, message=message, where=shorten_middle(json_path(fault.place), MAX_PLACE))


def check_document(document: Any, task_types: Mapping[str, TaskTypeSpecification], found: ProblemList) -> None:
    """Check the form of a whole job document, at every depth, and note all problems in `found`.

    `find_document_fault` has found nothing in it.
    """
    if not isinstance(document, dict):
        found.add("invalid_type", (), f"a job is an object, not {_kind(document)}")
        return
    kind = document.get("task", CHAIN)
    if kind != CHAIN:
        found.add("invalid_value", ("task",), f"the top of a job is an {CHAIN}, not {kind!r}")
    _check_keys(document, (), COMMON_KEYS | FLOW_KEYS[CHAIN] | _ROOT_KEYS, found)
    seed = document.get("seed")
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**48):
        found.add("invalid_value", ("seed",), "expected a whole number from 0 to 2^48 - 1")
    if not isinstance(document.get("reuse", False), bool):
        found.add("invalid_type", ("reuse",), f"expected true or false, not {_kind(document['reuse'])}")
    for key in ("requires_metadata_from", "inputs", "outputs"):
        if document.get(key):
            found.add("invalid_key", (key,), "the top of a job has nothing before it to depend on, and no files")
    _check_common(document, (), found)
    _check_lists(document, (), task_types, found)


def _check_lists(
    holder: dict[str, Any],
    pointer: tuple[str | int, ...],
    task_types: Mapping[str, TaskTypeSpecification],
    found: ProblemList,
) -> None:
    for key in _LIST_KEYS:
        tasks = holder.get(key)
        if tasks is None:
            continue
        place = (*pointer, key)
        if not isinstance(tasks, list):
            found.add("invalid_type", place, f"expected a list of task objects, not {_kind(tasks)}")
        elif len(place) > 2 * MAX_NESTING:
            found.add("too_deep", place, f"task lists are nested more than {MAX_NESTING} deep")
        else:
            for index, task in enumerate(tasks):
                _check_task(task, (*place, index), task_types, found)


def _check_task(
    task: Any, pointer: tuple[str | int, ...], task_types: Mapping[str, TaskTypeSpecification], found: ProblemList
) -> None:
    if not isinstance(task, dict):
        found.add("invalid_type", pointer, f"expected a task object, not {_kind(task)}")
        return
    kind = task.get("task")
    if not isinstance(kind, str) or not kind.strip():
        found.add("missing_task", (*pointer, "task"), "every task object needs the name of its task type under 'task'")
        return
    _check_common(task, pointer, found)
    if is_expression(kind):
        return
    kind = kind.strip()
    if kind in FLOW_TYPES:
        _check_keys(task, pointer, COMMON_KEYS | FLOW_KEYS[kind], found)
        if kind == FOR_LOOP:
            _check_for_loop(task, pointer, found)
        if kind in CRITERION_KEYS:
            _check_criterion(task, CRITERION_KEYS[kind], pointer, found)
        if kind in REPEATING:
            _check_repeating(task, pointer, found)
        _check_lists(task, pointer, task_types, found)
    elif kind not in task_types:
        known = ", ".join(sorted({*task_types, *FLOW_TYPES}))
        found.add("unknown_task_type", (*pointer, "task"), f"there is no task type {kind!r}; there are {known}")


def _check_common(task: dict[str, Any], pointer: tuple[str | int, ...], found: ProblemList) -> None:
    own = {key: value for key, value in task.items() if key not in _LIST_KEYS}
    if (fault := find_value_fault(own, key_length=MAX_TEXT)) is not None:
        found.add(fault.slug, (*pointer, *fault.place), fault.message)
        return
    for key in ("name", "job_name", "working_directory"):
        value = task.get(key)
        if value is not None and not isinstance(value, str):
            found.add("invalid_type", (*pointer, key), f"expected text, not {_kind(value)}")
    for key in ("inputs", "outputs"):
        files = task.get(key)
        if files is None:
            continue
        if not isinstance(files, dict):
            found.add("invalid_type", (*pointer, key), f"expected an object of slot and filename, not {_kind(files)}")
            continue
        for slot, filename in files.items():
            if not isinstance(filename, str):
                found.add("invalid_type", (*pointer, key, slot), f"expected a filename, not {_kind(filename)}")
    names = task.get("requires_metadata_from")
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        found.add("invalid_type", (*pointer, "requires_metadata_from"), "expected a list of task names")
    rules = task.get("execution")
    if isinstance(rules, dict):
        known = {key: value for key, value in rules.items() if not (isinstance(value, str) and is_expression(value))}
        check_rules(known, (*pointer, "execution"), found)
    elif rules is not None:
        found.add("invalid_type", (*pointer, "execution"), f"expected an object of rules, not {_kind(rules)}")
    for path, text in _expressions(task, pointer):
        try:
            parse_expression(text.strip())
        except InvalidExpressionError as error:
            found.add(error.slug, path, error.message)


def check_rules(values: dict[str, Any], place: tuple[str | int, ...], found: ProblemList) -> ExecutionRules | None:
    """Read rules that have no expressions left; None where something is wrong with them, which is noted."""
    try:
        return ExecutionRules.model_validate(values)
    except ValidationError as error:
        for fault in error.errors():
            known = ", ".join(ExecutionRules.model_fields)
            extra = fault["type"] == "extra_forbidden"
            message = f"there is no such rule; there are {known}" if extra else fault["msg"]
            found.add("unknown_key" if extra else "invalid_value", (*place, *fault["loc"]), message)
    return None


def _check_for_loop(task: dict[str, Any], pointer: tuple[str | int, ...], found: ProblemList) -> None:
    parameter = task.get("parameter")
    if not isinstance(parameter, str) or not parameter.strip():
        found.add("missing_setting", (*pointer, "parameter"), "a for loop needs the name of the metadata that it sets")
    elif not is_expression(parameter):
        check_variable(parameter.strip(), (*pointer, "parameter"), found)
    if not any(key in task for key in RANGE_KEYS):
        found.add("missing_setting", pointer, "a for loop needs one of 'values', 'linear_range' or 'log_range'")
    values = task.get("values")
    if "values" in task and not isinstance(values, list | str):
        found.add("invalid_type", (*pointer, "values"), f"expected a list, not {_kind(values)}")
    for key in ("linear_range", "log_range"):
        bounds = task.get(key)
        if key in task and not (isinstance(bounds, str) or (isinstance(bounds, list) and len(bounds) == 3)):
            found.add("invalid_type", (*pointer, key), "expected [start, end, number of values]")


def check_variable(name: str, place: tuple[str | int, ...], found: ProblemList) -> bool:
    """Check the name of the metadata that a loop sets; the product store bounds the names of metadata."""
    if 0 < len(name) <= MAX_VARIABLE_LENGTH:
        return True
    found.add("invalid_value", place, f"expected a name of 1 to {MAX_VARIABLE_LENGTH} characters, not {len(name)}")
    return False


def _check_criterion(task: dict[str, Any], key: str, pointer: tuple[str | int, ...], found: ProblemList) -> None:
    criterion = task.get(key)
    if key not in task:
        found.add("missing_setting", (*pointer, key), f"{task['task'].strip()} needs something to test")
    elif isinstance(criterion, str) and not is_expression(criterion):
        message = f"{criterion!r} is plain text, which always counts as true; an expression begins with a bracket"
        found.add("invalid_value", (*pointer, key), message)


def _check_repeating(task: dict[str, Any], pointer: tuple[str | int, ...], found: ProblemList) -> None:
    name = task.get("iteration_name")
    if not isinstance(name, str) or not name.strip():
        found.add("missing_setting", (*pointer, "iteration_name"), "the loop needs a name for its iterations")
    elif not is_expression(name):
        check_variable(name.strip(), (*pointer, "iteration_name"), found)
    required = task.get("requires_metadata_from_child")
    place = (*pointer, "requires_metadata_from_child")
    if not (isinstance(required, list) and all(isinstance(entry, str) for entry in required)):
        found.add("missing_setting", place, "expected the list of names whose results the test needs")
    most = task.get("max_iterations")
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        found.add("invalid_value", (*pointer, "max_iterations"), "expected a whole number from 1")


def _check_keys(
    task: dict[str, Any], pointer: tuple[str | int, ...], allowed: frozenset[str], found: ProblemList
) -> None:
    for key in task:
        if key not in allowed and not is_comment(key):
            message = f"unknown key {key!r}; known are {', '.join(sorted(allowed))}, and remarks that begin with '_'"
            found.add("unknown_key", (*pointer, key), message)


def _expressions(value: Any, pointer: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Find the expressions of one task object, leaving out those of the tasks inside it."""
    if isinstance(value, str):
        if is_expression(value):
            yield pointer, value
    elif isinstance(value, dict):
        for key, item in value.items():
            if is_expression(key):
                yield (*pointer, key), key
            if key not in _LIST_KEYS:
                yield from _expressions(item, (*pointer, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _expressions(item, (*pointer, index))


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"
