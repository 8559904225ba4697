"""What loops run over, and whether they go on."""

from __future__ import annotations

import math
from typing import Any

from eas.contracts.values import find_value_fault
from eas_scheduler.domain.job_language.evaluation import evaluate_or_note
from eas_scheduler.domain.job_language.expressions import Scope
from eas_scheduler.domain.job_language.flow_types import RANGE_KEYS
from eas_scheduler.domain.job_language.plan import MAX_TASKS, FlowTask
from eas_scheduler.domain.job_language.problems import ProblemList
from eas_scheduler.domain.task_settings import Pointer


def find_loop_values(flow: FlowTask, scope: Scope, problems: ProblemList) -> list[Any] | None:
    """Find the values of a for loop. None where there is something wrong with them, which is noted."""
    key = next((key for key in RANGE_KEYS if key in flow.description), None)
    if key is None:
        return None
    place = (*flow.pointer, key)
    good, raw = evaluate_or_note(flow.description[key], scope, place, problems)
    if not good:
        return None
    if not isinstance(raw, list):
        problems.add("invalid_type", place, "expected a list of values")
        return None
    outcomes = [evaluate_or_note(value, scope, (*place, index), problems) for index, value in enumerate(raw)]
    if not all(good for good, _ in outcomes):
        return None
    values = [value for _, value in outcomes]
    return _check_values(values, place, problems) if key == "values" else _spread(key, values, place, problems)


def _check_values(values: list[Any], place: Pointer, problems: ProblemList) -> list[Any] | None:
    for index, value in enumerate(values):
        if not isinstance(value, str | int | float | bool | None):
            problems.add("invalid_value", (*place, index), "expected text, a finite number, true or false")
            return None
        if (fault := find_value_fault(value)) is not None:
            problems.add("invalid_value", (*place, index), fault.message)
            return None
    return values


def _spread(key: str, bounds: list[Any], place: Pointer, problems: ProblemList) -> list[Any] | None:
    numbers = all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in bounds)
    if len(bounds) != 3 or not numbers or find_value_fault(bounds) is not None:
        problems.add("invalid_value", place, "expected three finite numbers: [start, end, number of values]")
        return None
    start, end, count = float(bounds[0]), float(bounds[1]), bounds[2]
    if count != int(count) or not 0 <= count <= MAX_TASKS:
        message = f"expected a whole number of values from 0 to {MAX_TASKS}, not {count}"
        problems.add("invalid_value", (*place, 2), message)
        return None
    if key == "log_range" and (start <= 0 or end <= 0):
        at = (*place, 0 if start <= 0 else 1)
        problems.add("invalid_value", at, "the ends of a logarithmic range are above zero")
        return None
    return spread_values(start, end, int(count), logarithmic=key == "log_range")


def spread_values(start: float, end: float, count: int, *, logarithmic: bool) -> list[float]:
    """Spread `count` values from `start` to `end`, both included, equally or logarithmically equally."""
    if count <= 1:
        return [start][:count]
    steps = count - 1
    if logarithmic and 0 < end / start < math.inf:
        inner = [start * (end / start) ** (index / steps) for index in range(1, steps)]
    elif logarithmic:  # the ends are so far apart that no number says how far
        inner = [start ** (1 - index / steps) * end ** (index / steps) for index in range(1, steps)]
    elif math.isfinite(end - start) and math.isfinite((end - start) * steps):
        inner = [start + (end - start) * index / steps for index in range(1, steps)]
    else:
        inner = [start * (1 - index / steps) + end * (index / steps) for index in range(1, steps)]
    return [start, *inner, end]
