"""Evaluation that goes on after a mistake: what is wrong is noted with its place."""

from __future__ import annotations

from typing import Any

from eas.contracts.errors import InvalidExpressionError
from eas.contracts.execution import ExecutionRules
from eas_scheduler.domain.job_language.document import check_rules
from eas_scheduler.domain.job_language.expressions import Scope, UnknownMetadataError, evaluate
from eas_scheduler.domain.job_language.problems import ProblemList
from eas_scheduler.domain.task_settings import Pointer


def evaluate_or_note(value: Any, scope: Scope, place: Pointer, problems: ProblemList) -> tuple[bool, Any]:
    """Evaluate a value; note what is wrong with it. Returns whether all went well, and the result."""
    try:
        return True, evaluate(value, scope)
    except InvalidExpressionError as error:
        problems.add(error.slug, place, error.message)
    except UnknownMetadataError:
        problems.add("unknown_metadata", place, "the metadata of other tasks is not known here")
    return False, None


def evaluate_rules(raw: Any, scope: Scope, place: Pointer, problems: ProblemList) -> ExecutionRules | None:
    """Evaluate the rules of a task object; None where something is wrong with them, which is noted."""
    if not isinstance(raw, dict):
        return None
    outcomes = {key: evaluate_or_note(value, scope, (*place, key), problems) for key, value in raw.items()}
    if not all(good for good, _ in outcomes.values()):
        return None
    return check_rules({key: value for key, (_, value) in outcomes.items()}, place, problems)
