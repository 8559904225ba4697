"""A task's own settings: evaluated in its scope and checked against what its task type's workers announced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jsonschema_rs
import orjson

from eas.contracts.coercion import coerce
from eas.contracts.errors import InvalidExpressionError, Problem
from eas.contracts.scheduler import EstimateDescription
from eas.contracts.values import MAX_SETTINGS_BYTES, find_value_fault
from eas_scheduler.domain.job_language.expressions import Scope, UnknownMetadataError, evaluate

Pointer = tuple[str | int, ...]


@dataclass(frozen=True)
class TaskTypeSpecification:
    """What the scheduler knows of a task type.

    Parameters
    ----------
    settings_schema
        JSON Schema of the task-specific keys.
    inputs, outputs
        Slot to whether it is required.
    mime_types
        Output slot to the type of what is written there.
    open_outputs
        Whether its tasks may make products that the job does not name.
    uses_seed
        Whether its tasks draw random numbers.
    estimates
        What its settings tell beforehand.
    """

    name: str
    version: str
    settings_schema: Mapping[str, Any]
    inputs: Mapping[str, bool]
    outputs: Mapping[str, bool]
    mime_types: Mapping[str, str] = field(default_factory=dict)
    open_outputs: bool = False
    uses_seed: bool = True
    estimates: tuple[EstimateDescription, ...] = ()


@dataclass
class EvaluatedSettings:
    """Settings with every expression replaced by its value.

    `unknown` holds the places that have to wait for metadata of tasks that have not run; `values` has None there.
    """

    values: dict[str, Any]
    unknown: list[Pointer] = field(default_factory=list)
    problems: list[tuple[Pointer, str]] = field(default_factory=list)


def evaluate_settings(settings: Mapping[str, Any], scope: Scope) -> EvaluatedSettings:
    """Evaluate the task-specific keys of a task object, keys and values, at every depth.

    Expressions that fail are noted as problems with their place; the rest is evaluated all the same. So is what comes
    out, where it is no value as `eas.contracts.values` says, or is too long in all.
    """
    result = EvaluatedSettings({})
    values = _evaluate(settings, scope, (), result)
    result.values = values
    if not result.problems and (fault := find_value_fault(values, most_bytes=MAX_SETTINGS_BYTES)) is not None:
        result.problems.append((fault.place, fault.message))
    return result


def _evaluate(value: Any, scope: Scope, pointer: Pointer, result: EvaluatedSettings) -> Any:
    if isinstance(value, Mapping):
        return {
            str(_evaluate(key, scope, (*pointer, key), result)): _evaluate(item, scope, (*pointer, key), result)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_evaluate(item, scope, (*pointer, index), result) for index, item in enumerate(value)]
    try:
        return evaluate(value, scope)
    except UnknownMetadataError:
        result.unknown.append(pointer)
    except InvalidExpressionError as error:
        result.problems.append((pointer, error.message))
    return None


def convert_settings(specification: TaskTypeSpecification, settings: EvaluatedSettings) -> None:
    """Give evaluated settings the types that the task type's schema means, such as true for 1. See `coerce`.

    What is not known yet stays None. To be called before `check_settings`.
    """
    settings.values = coerce(specification.settings_schema, settings.values)


def check_settings(
    specification: TaskTypeSpecification, settings: EvaluatedSettings
) -> Iterator[tuple[Pointer, Problem]]:
    """Check evaluated settings against the task type's schema, leaving out places that are not known yet.

    Yields
    ------
    pointer, problem
        The place within the settings, and what is wrong.
    """
    validator = _validator(orjson.dumps(specification.settings_schema, option=orjson.OPT_SORT_KEYS))
    if not settings.unknown and validator.is_valid(settings.values):
        return
    for found in validator.iter_errors(settings.values):
        for error in _leaves(found):
            yield from _explain(specification, error, settings.unknown)


def _leaves(error: Any) -> Iterator[Any]:
    """Look through "null or …", which is how an optional setting is spelt, to what is wrong with the other branch."""
    branches = getattr(error.kind, "context", None)
    if error.kind.name != "anyOf" or not branches:
        yield error
        return
    real = [branch for branch in branches if not (len(branch) == 1 and 'of type "null"' in branch[0].message)]
    if len(real) == 1:
        for inner in real[0]:
            yield from _leaves(inner)
    else:
        yield error


def _explain(
    specification: TaskTypeSpecification, error: Any, unknown: list[Pointer]
) -> Iterator[tuple[Pointer, Problem]]:
    pointer: Pointer = tuple(error.instance_path)
    name = specification.name
    match error.kind.name:
        case "required":
            missing = error.kind.property
            yield (*pointer, missing), Problem(slug="missing_setting", message=f"{name} needs the setting {missing!r}")
        case "additionalProperties":
            allowed = ", ".join(sorted(_properties(specification.settings_schema, pointer))) or "none"
            for key in error.kind.unexpected:
                message = f"{name} has no setting {key!r}; it has {allowed}"
                yield (*pointer, key), Problem(slug="unknown_setting", message=message)
        case _ if not any(_related(pointer, place) for place in unknown):
            yield pointer, Problem(slug="invalid_setting", message=f"{name}: {error.message}")


def _related(one: Pointer, other: Pointer) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _properties(schema: Mapping[str, Any], pointer: Pointer) -> set[str]:
    """Collect the property names that the schema knows at a place, following references."""
    definitions = schema.get("$defs", {})
    candidates: list[Mapping[str, Any]] = [schema]
    for part in (*pointer, None):
        candidates = list(_resolve(candidates, definitions))
        if part is None:
            break
        candidates = [found["properties"][part] for found in candidates if part in found.get("properties", {})]
    return {name for found in candidates for name in found.get("properties", {})}


def _resolve(candidates: list[Mapping[str, Any]], definitions: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for candidate in candidates:
        if "$ref" in candidate:
            yield from _resolve([definitions[candidate["$ref"].rpartition("/")[2]]], definitions)
        elif "anyOf" in candidate:
            yield from _resolve(candidate["anyOf"], definitions)
        else:
            yield candidate


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Any:
    return jsonschema_rs.validator_for(orjson.loads(schema))
