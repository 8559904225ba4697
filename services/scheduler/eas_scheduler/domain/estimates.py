"""What the settings of tasks tell before these run, such as run times: by expressions that task types declare.

An estimate never makes a job fail: one that cannot be computed says nothing.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from eas.contracts.scheduler import EstimateDescription, EstimateView
from eas.quantities import show_quantity
from eas_scheduler.domain.job_language.expressions import Scope, evaluate
from eas_scheduler.domain.job_language.problems import json_path
from eas_scheduler.domain.task_settings import Pointer, TaskTypeSpecification

#: So many different settings of a plan are looked at. A loop over more of them is estimated by these.
MOST_SETTINGS = 10_000
#: Further than this no schema is followed: what refers to itself has an end.
_DEPTH = 20


@dataclass
class _Tally:
    """What is known of one estimate of a task type."""

    estimate: EstimateDescription
    tasks: int = 0
    total: float = 0.0
    largest: float = -math.inf
    where: Pointer = ()

    def add(self, value: float, where: Pointer) -> None:
        self.tasks += 1
        self.total += value
        if value > self.largest:
            self.largest, self.where = value, where


@dataclass
class Estimates:
    """Gathers the estimates of a plan, task by task."""

    _tallies: dict[tuple[str, int], _Tally] = field(default_factory=dict)
    _values: dict[tuple[str, bytes], list[float | None]] = field(default_factory=dict)

    def note(self, specification: TaskTypeSpecification, settings: Mapping[str, Any], pointer: Pointer) -> None:
        """Add what a task's settings, all of them known, tell.

        Parameters
        ----------
        specification
            Of its task type.
        settings
            As the job has them, without defaults.
        pointer
            The task's place in the document.
        """
        key = (specification.name, orjson.dumps(settings, option=orjson.OPT_NON_STR_KEYS))
        values = self._values.get(key)
        if values is None:
            if len(self._values) >= MOST_SETTINGS:
                return
            values = self._values[key] = estimate_all(specification, settings)
        for index, value in enumerate(values):
            if value is not None:
                tally = self._tallies.setdefault((specification.name, index), _Tally(specification.estimates[index]))
                tally.add(value, pointer)

    def views(self) -> list[EstimateView]:
        """Describe all estimates, those of one task type after another."""
        return [
            EstimateView(
                task_type=task_type,
                quantity=tally.estimate.quantity,
                unit=tally.estimate.unit,
                tasks=tally.tasks,
                largest=tally.largest,
                total=tally.total,
                where=json_path(tally.where),
                condition=tally.estimate.condition,
            )
            for (task_type, _), tally in sorted(self._tallies.items())
        ]

    def warnings(self) -> list[str]:
        """Say in words which estimates are larger than their task types expect."""
        return [
            _warn(task_type, tally)
            for (task_type, _), tally in sorted(self._tallies.items())
            if tally.estimate.warn_above is not None and tally.largest > tally.estimate.warn_above
        ]


def _warn(task_type: str, tally: _Tally) -> str:
    estimate = tally.estimate
    words = f"{task_type} at {json_path(tally.where)} will need about {show_quantity(tally.largest, estimate.unit)}"
    words += f" of {estimate.quantity}"
    if estimate.condition:
        words += f" {estimate.condition}"
    if tally.tasks > 1:
        words += f"; all {tally.tasks} tasks of the type about {show_quantity(tally.total, estimate.unit)}"
    return f"{words}: {estimate.advice}" if estimate.advice else words


def estimate_all(specification: TaskTypeSpecification, settings: Mapping[str, Any]) -> list[float | None]:
    """Compute the estimates of a task type for settings; None for each that gives no finite number."""
    schema = specification.settings_schema
    complete = fill_defaults(schema, settings, schema)
    return [_compute(estimate.expression, complete) for estimate in specification.estimates]


def _compute(expression: str, settings: Any) -> float | None:
    try:
        value = evaluate(expression, Scope(settings))
    except Exception:  # what a worker declares may be anything
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and abs(value) < 1e300 else None


def fill_defaults(schema: Any, values: Any, root: Mapping[str, Any], depth: int = 0) -> Any:
    """Add the defaults of a JSON Schema's properties, those of nested objects among them, where values are missing."""
    if not isinstance(schema, Mapping) or not isinstance(values, Mapping) or depth > _DEPTH:
        return values
    reference = schema.get("$ref")
    if isinstance(reference, str):
        definitions = root.get("$defs")
        target = definitions.get(reference.rpartition("/")[2]) if isinstance(definitions, Mapping) else None
        values = fill_defaults(target, values, root, depth + 1)
    for key in ("allOf", "anyOf"):
        for part in schema.get(key) or ():
            values = fill_defaults(part, values, root, depth + 1)
    filled = dict(values)
    properties = schema.get("properties")
    for name, inner in properties.items() if isinstance(properties, Mapping) else ():
        if name not in filled and isinstance(inner, Mapping) and "default" in inner:
            filled[name] = copy.deepcopy(inner["default"])
        if name in filled:
            filled[name] = fill_defaults(inner, filled[name], root, depth + 1)
    return filled
