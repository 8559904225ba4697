"""Prepares attempts: evaluates their settings, finds the versions that they read, and takes their fingerprints."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from eas.contracts.metadata import Metadata
from eas.isolation import describe_error, is_passing
from eas_scheduler.domain.attempt import MetDependency, QueuedAttempt, TaskToRun
from eas_scheduler.domain.fingerprint import Fingerprint, take_fingerprint
from eas_scheduler.domain.job_language.document import resolve_pointer
from eas_scheduler.domain.job_language.expansion import task_settings_of
from eas_scheduler.domain.job_language.expressions import Scope
from eas_scheduler.domain.job_language.problems import json_path
from eas_scheduler.domain.prepared import PreparedAttempt
from eas_scheduler.domain.task import FILE, METADATA, Promise
from eas_scheduler.domain.task_settings import (
    TaskTypeSpecification,
    check_settings,
    convert_settings,
    evaluate_settings,
)
from eas_scheduler.logic.ports import UnitOfWork

logger = logging.getLogger(__name__)


def prepare_attempts(unit: UnitOfWork, attempts: Sequence[QueuedAttempt]) -> list[PreparedAttempt]:
    """Prepare attempts of tasks whose dependencies are met, in their order.

    One that cannot be prepared, whatever is raised, comes back with the `fault`, and the others are prepared.
    """
    task_ids = [attempt.task_id for attempt in attempts]
    tasks, met, promises = unit.tasks.find_material(task_ids)
    documents = unit.jobs.find_documents({attempt.job_id for attempt in attempts})
    dependencies: dict[int, list[MetDependency]] = {}
    for found in met:
        dependencies.setdefault(found.task_id, []).append(found)
    outputs: dict[int, list[Promise]] = {}
    for promise in promises:
        outputs.setdefault(promise.task_id, []).append(promise)
    task_types: dict[str, TaskTypeSpecification] | None = None
    prepared: list[PreparedAttempt] = []
    for attempt in attempts:
        task = tasks[attempt.task_id]
        needs = dependencies.get(attempt.task_id, ())
        promised = outputs.get(attempt.task_id, ())
        try:
            settings = task_settings_of(resolve_pointer(documents[task.job_id], task.pointer))
            settings |= task.changed_settings
            if not settings and not needs and not promised:
                prepared.append(PreparedAttempt(attempt, task))
                continue
            task_types = task_types or unit.registry.find_task_types()
            prepared.append(_prepare(attempt, task, settings, needs, promised, task_types.get(task.task_type)))
        except Exception as error:
            if is_passing(error):
                raise
            logger.exception("attempt %d cannot be prepared", attempt.attempt_id)
            fault = f"its settings and inputs cannot be worked out: {describe_error(error)}"
            prepared.append(PreparedAttempt(attempt, task, fault=fault))
    return prepared


def _prepare(
    attempt: QueuedAttempt,
    task: TaskToRun,
    settings: dict[str, Any],
    needs: Sequence[MetDependency],
    outputs: Sequence[Promise],
    specification: TaskTypeSpecification | None,
) -> PreparedAttempt:
    requested = {need.label: need.metadata for need in needs if need.kind == METADATA}
    inputs = {need.label: need.version for need in needs if need.kind == FILE and need.version is not None}
    if settings:
        settings, fault = _evaluate(task, settings, requested, specification)
        if fault is not None:
            return PreparedAttempt(attempt, task, fault=fault)
    fingerprint: Fingerprint | None = None
    if specification is not None and (settings or inputs or outputs):
        fingerprint = take_fingerprint(
            task_type=task.task_type,
            version=specification.version,
            settings=settings,
            metadata=task.metadata,
            seed=task.seed if specification.uses_seed else None,
            requested=requested,
            inputs=inputs,
            outputs={promise.slot: promise.filename for promise in outputs},
        )
    return PreparedAttempt(attempt, task, settings, inputs, outputs, fingerprint)


def _evaluate(
    task: TaskToRun,
    settings: Mapping[str, Any],
    requested: Mapping[str, Metadata],
    specification: TaskTypeSpecification | None,
) -> tuple[dict[str, Any], str | None]:
    """Evaluate a task's settings with all that is known now. Returns them, or words for what is wrong with them."""
    evaluated = evaluate_settings(settings, Scope(task.metadata, requested, task.seed))
    faults = [(place, message) for place, message in evaluated.problems]
    if not faults and specification is not None:
        convert_settings(specification, evaluated)
        faults = [(place, problem.message) for place, problem in check_settings(specification, evaluated)]
    if faults:
        return {}, "; ".join(f"{json_path((*task.pointer, *place))}: {message}" for place, message in faults)
    return evaluated.values, None
