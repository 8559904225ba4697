"""Changes settings and rules of tasks that are tried again: of all tasks of a request, or of none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from eas.contracts.errors import ConflictError, InvalidInputError, Problem
from eas.contracts.execution import ExecutionRules
from eas.contracts.metadata import Metadata
from eas_scheduler.domain.changed_settings import find_faults, merge_changes
from eas_scheduler.domain.control import ControlledTask
from eas_scheduler.domain.job_language.document import resolve_pointer
from eas_scheduler.domain.job_language.expressions import Scope
from eas_scheduler.domain.job_language.flow_types import FLOW_TYPES
from eas_scheduler.domain.job_language.problems import MAX_PROBLEMS
from eas_scheduler.domain.task import METADATA
from eas_scheduler.logic.ports import UnitOfWork

_AT_ONCE = 500
_PLACE = "body.settings"


def change_settings(
    unit: UnitOfWork, tasks: Sequence[ControlledTask], settings: Mapping[str, Any], *, by: str, at: datetime
) -> None:
    """Give tasks settings that replace their job's own from their next attempt on.

    Raises
    ------
    InvalidInputError
        Flow-control tasks are among them, or the settings do not fit all of them; every problem is listed once.
    ConflictError
        There is no task to be changed.
    """
    if not tasks:
        raise ConflictError("there is nothing to be tried again with these settings", where=_PLACE)
    flow = [task for task in tasks if task.task_type in FLOW_TYPES]
    if flow:
        first = flow[0]
        message = f"task {first.task_id} is an {first.task_type}; only tasks that workers run have settings"
        raise InvalidInputError(message, where=_PLACE)
    changed: dict[int, dict[str, Any]] = {}
    problems: dict[tuple[str, str | None], Problem] = {}
    for start in range(0, len(tasks), _AT_ONCE):
        part = tasks[start : start + _AT_ONCE]
        for task_id, result, faults in _try_on(unit, part, settings):
            changed[task_id] = result
            for fault in faults:
                words = f"task {task_id}: {fault.message}"
                problems.setdefault((fault.slug, fault.where), fault.model_copy(update={"message": words}))
    if problems:
        found = list(problems.values())[:MAX_PROBLEMS]
        raise InvalidInputError("the settings do not fit; nothing was changed", where=found[0].where, problems=found)
    unit.retries.set_changed_settings(changed, by, at)


def change_rules(
    unit: UnitOfWork, tasks: Sequence[ControlledTask], rules: ExecutionRules, *, by: str, at: datetime
) -> list[ControlledTask]:
    """Give tasks rules that replace their job's own for all further attempts. Returns the tasks with them.

    Raises
    ------
    ConflictError
        There is no task to be changed.
    """
    if not tasks:
        raise ConflictError("there is nothing to be tried again by these rules", where="body.execution")
    earlier = unit.retries.find_changed_execution([task.task_id for task in tasks])
    changed: list[ControlledTask] = []
    for task in tasks:
        own = ExecutionRules.model_validate(task.execution or {})
        changed.append(replace(task, execution=rules.over(own).said()))
    said = rules.said()
    unit.retries.set_changed_execution(
        {task.task_id: (task.execution or {}, earlier[task.task_id] | said) for task in changed}, by, at
    )
    return changed


def _try_on(
    unit: UnitOfWork, tasks: Sequence[ControlledTask], settings: Mapping[str, Any]
) -> list[tuple[int, dict[str, Any], list[Problem]]]:
    """Say for each task what its changes will be, and what is wrong with them."""
    task_types = unit.registry.find_task_types()
    details = unit.tasks.find_to_run([task.task_id for task in tasks])
    documents = unit.jobs.find_documents({task.job_id for task in tasks})
    requested: defaultdict[int, dict[str, Metadata]] = defaultdict(dict)
    for need in unit.tasks.find_dependencies([task.task_id for task in tasks]):
        if need.kind == METADATA:
            requested[need.task_id][need.label] = need.metadata
    found = []
    for task in tasks:
        detail = details[task.task_id]
        changed = merge_changes(detail.changed_settings, settings)
        scope = Scope(detail.metadata, None if task.unmet else requested[task.task_id], detail.seed)
        description = resolve_pointer(documents[task.job_id], detail.pointer)
        faults = find_faults(task_types.get(task.task_type), description, changed, scope)
        found.append((task.task_id, changed, list(faults)))
    return found
