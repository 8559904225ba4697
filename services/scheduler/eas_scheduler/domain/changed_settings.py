"""Settings that a user changes when a task is tried again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from eas.contracts.errors import Problem
from eas_scheduler.domain.job_language.expansion import task_settings_of
from eas_scheduler.domain.job_language.expressions import Scope
from eas_scheduler.domain.job_language.flow_types import COMMON_KEYS
from eas_scheduler.domain.job_language.problems import json_path
from eas_scheduler.domain.task_settings import (
    Pointer,
    TaskTypeSpecification,
    check_settings,
    convert_settings,
    evaluate_settings,
)


def merge_changes(earlier: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Put a request's changes over earlier ones. None takes a change back; the expression ``(None)`` is a null."""
    return {key: value for key, value in {**earlier, **given}.items() if value is not None}


def find_faults(
    specification: TaskTypeSpecification | None,
    description: Mapping[str, Any],
    changed: Mapping[str, Any],
    scope: Scope,
) -> Iterator[Problem]:
    """Check a task's settings as they will be; places are those in a request, such as ``body.settings.period``.

    Parameters
    ----------
    specification
        Of the task's type; None where it is no longer known.
    description
        The task object of the job.
    changed
        What replaces its own keys.
    scope
        With what is known now. Expressions that need more are checked when the attempt is handed out.
    """
    foreign = [key for key in changed if key in COMMON_KEYS]
    for key in foreign:
        message = f"{key!r} belongs to every task object; only settings of the task type can be changed"
        yield Problem(slug="invalid_key", message=message, where=_place((key,)))
    evaluated = evaluate_settings(task_settings_of(description) | dict(changed), scope)
    for place, message in evaluated.problems:
        yield Problem(slug="invalid_expression", message=message, where=_place(place))
    if evaluated.problems or specification is None:
        return
    convert_settings(specification, evaluated)
    for place, problem in check_settings(specification, evaluated):
        if not place or place[0] not in foreign:
            yield problem.model_copy(update={"where": _place(place)})


def _place(pointer: Pointer) -> str:
    return "body.settings" + json_path(pointer)[1:]
