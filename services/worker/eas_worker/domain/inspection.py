"""Whether a task type is declared as jobs, workers and readers need it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo

from eas.authoring.task_type import Slot, TaskSettings, TaskType
from eas.contracts.authoring import Finding
from eas.contracts.values import find_value_fault
from eas_worker.domain.failures import explain_settings

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
MIME_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")
#: How a description names a unit, or says that there is none.
UNIT = re.compile(r"\[.+\]|\bdays?\b|\bseconds?\b|\brelative\b|\bstandard deviations\b|1 - flux", re.IGNORECASE)
MAX_VERSION = 64
#: Names of task types that the scheduler runs itself begin so.
FLOW_CONTROL = "execution_"
#: Keys of a task object that are not settings.
TASK_KEYS = frozenset(
    {"task", "name", "inputs", "outputs", "job_name", "working_directory", "requires_metadata_from", "execution"}
)


def inspect_task_type(task_type: TaskType) -> list[Finding]:
    """Find what is wrong with a task type, and what could be better, without running it."""
    found = [*_inspect_names(task_type), *_inspect_slots(task_type), *_inspect_functions(task_type)]
    found += _inspect_settings(task_type.settings)
    if not any(finding.severity == "error" for finding in found):
        found += _inspect_example(task_type)
    return found


def _error(message: str) -> Finding:
    return Finding(severity="error", message=message)


def _advice(message: str) -> Finding:
    return Finding(severity="advice", message=message)


def _inspect_names(task_type: TaskType) -> Iterator[Finding]:
    if not NAME.fullmatch(task_type.name):
        yield _error(f"the name {task_type.name!r} is not a letter followed by up to 63 letters, digits or _ . -")
    elif task_type.name.startswith(FLOW_CONTROL):
        yield _error(f"the name {task_type.name!r}: names that begin with {FLOW_CONTROL!r} belong to flow control")
    if not isinstance(task_type.version, str) or not 0 < len(task_type.version) <= MAX_VERSION:
        yield _error(f"version {task_type.version!r}: expected text of 1 to {MAX_VERSION} characters")


def _inspect_slots(task_type: TaskType) -> Iterator[Finding]:
    for kind, slots in (("input", task_type.inputs), ("output", task_type.outputs)):
        names = [slot.name for slot in slots if isinstance(slot, Slot)]
        for slot in slots:
            if not isinstance(slot, Slot):
                yield _error(f"{kind}s hold {slot!r}; expected a Slot")
            elif not NAME.fullmatch(slot.name):
                yield _error(f"{kind} slot {slot.name!r} is not a letter followed by up to 63 letters, digits or _ . -")
            elif not MIME_TYPE.fullmatch(slot.mime_type):
                yield _error(f"{kind} slot {slot.name!r}: {slot.mime_type!r} is no media type, such as text/csv")
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield _error(f"{kind} slot {name!r} is declared twice")


def _inspect_functions(task_type: TaskType) -> Iterator[Finding]:
    functions: list[tuple[str, Callable[..., Any] | None, str]] = [
        ("run", task_type.run, "settings"),
        ("check", task_type.check, "metadata"),
    ]
    for name, function, second in functions:
        if function is None:
            continue
        if not callable(function):
            yield _error(f"{name} is a {type(function).__name__}, not a function")
        elif inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            yield _error(f"{name} is a coroutine or generator; expected a plain function")
        else:
            try:
                inspect.signature(function, follow_wrapped=False).bind(None, None)
            except TypeError as error:
                yield _error(f"{name} does not take (context, {second}): {error}")


def _inspect_settings(model: type[TaskSettings]) -> Iterator[Finding]:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        yield _error(f"settings is {model!r}; expected a class derived from TaskSettings")
        return
    try:
        schema = model.model_json_schema()
    except PydanticUserError as error:
        yield _error(f"settings have no JSON Schema: {str(error).splitlines()[0]}")
        return
    if (fault := find_value_fault(schema)) is not None:
        yield _error(f"settings: their JSON Schema: {fault}")
    for name in sorted(TASK_KEYS & schema.get("properties", {}).keys()):
        yield _error(f"setting {name!r}: every task object of a job has this key, it cannot be a setting")
    if model.model_config.get("extra") != "forbid" and model.model_fields:
        yield _advice("settings allow unknown keys, so that misspelt ones go unnoticed")
    yield from _inspect_fields(model)


def _inspect_fields(model: type[BaseModel]) -> Iterator[Finding]:
    fields = list(_walk(model, ""))
    for place, field in fields:
        yield from _inspect_default(field, place)
    if silent := [place for place, field in fields if not field.description]:
        yield _advice(f"settings without a description: {', '.join(silent)}")
    if unitless := [place for place, field in fields if _lacks_unit(field)]:
        yield _advice(f"settings whose description names no unit, such as [d] or [-]: {', '.join(unitless)}")


def _walk(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield prefix + name, field
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _walk(field.annotation, f"{prefix}{name}.")


def _lacks_unit(field: FieldInfo) -> bool:
    return field.annotation in (float, float | None) and not UNIT.search(field.description or "[-]")


def _inspect_default(field: FieldInfo, place: str) -> Iterator[Finding]:
    if field.is_required():
        return
    if field.default_factory is not None:
        return  # it runs when settings are made, and is tried with the example
    default = field.default
    plain = default.model_dump() if isinstance(default, BaseModel) else default
    if (fault := find_value_fault(plain)) is not None and fault.is_not_finite:
        yield _error(f"setting {place}: its default is not finite")
        return
    try:
        annotation: Any = Annotated[(field.annotation, None, *field.metadata)]
        TypeAdapter(annotation).validate_python(plain)
    except ValidationError as error:
        yield _error(f"setting {place}: its default {plain!r:.80} is refused: {error.errors()[0]['msg']}")


def _inspect_example(task_type: TaskType) -> Iterator[Finding]:
    example = task_type.example
    if example is None:
        yield _advice("there is no example, so it was not tried")
        return
    outputs = {} if example.outputs is None else example.outputs
    yield from _compare("input", example.inputs, task_type.inputs)
    if example.outputs is not None:
        yield from _compare("output", outputs, task_type.outputs)
    try:
        task_type.settings.model_validate(dict(example.settings))
    except ValidationError as error:
        yield _error(f"the example's {explain_settings(error)}")


def _compare(kind: str, given: Iterable[str], slots: Iterable[Slot]) -> Iterator[Finding]:
    known = {slot.name: slot for slot in slots}
    for name in given:
        if name not in known:
            yield _error(f"the example has an {kind} {name!r}, but there is no such slot")
    for slot in known.values():
        if slot.required and slot.name not in given:
            yield _error(f"the example lacks the {kind} {slot.name!r}")
