"""Hands queued attempts out: takes them for a worker and puts together all that it needs to know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex
from typing import Any

from services.scheduler.domain.attempt import MetDependency, QueuedAttempt, TaskToRun
from services.scheduler.domain.changes import Changes
from services.scheduler.domain.expansion import task_settings_of
from services.scheduler.domain.expressions import Scope
from services.scheduler.domain.job_document import FLOW_TYPES, json_path, resolve_pointer
from services.scheduler.domain.policies import RetryLimits
from services.scheduler.domain.rules import count_room, find_rules
from services.scheduler.domain.task import FILE, METADATA, Promise
from services.scheduler.domain.task_settings import TaskTypeSpecification, check_settings, evaluate_settings
from services.scheduler.logic.expansion import take_attempts
from services.scheduler.logic.ports import UnitOfWork
from services.scheduler.logic.progress import settle
from shared.contracts.scheduler import AttemptReport, ClaimedAttempt, ClaimRequest, OutputVersion
from shared.contracts.states import FailureReason


@dataclass(frozen=True)
class DispatchRules:
    """How leases are given.

    Parameters
    ----------
    lease
        How long a claimed attempt belongs to its worker without a heartbeat.
    limits
        Of retries.
    """

    lease: timedelta
    limits: RetryLimits


def hand_out(unit: UnitOfWork, changes: Changes, request: ClaimRequest, rules: DispatchRules) -> list[ClaimedAttempt]:
    """Take the oldest attempts that a claim asks for. Some may fail here, so that fewer come back."""
    wanted = {name: most for name, most in request.limits.items() if name not in FLOW_TYPES}
    of_types = unit.registry.find_rules()
    if any(name in wanted and rules.max_running is not None for name, rules in of_types.items()):
        wanted = count_room(wanted, unit.attempts.count_held(), of_types)
    queued = unit.attempts.find_queued(wanted, request.limit)
    if not queued:
        return []
    token = token_hex(8)
    take_attempts(unit, changes, queued, request.worker_id, token, rules.lease)
    return _Briefing(unit, changes, token, rules.limits).brief(queued)


class _Briefing:
    """Puts together all that a worker needs to know of the attempts it has just been given."""

    def __init__(self, unit: UnitOfWork, changes: Changes, lease_token: str, limits: RetryLimits) -> None:
        self._unit = unit
        self._changes = changes
        self._token = lease_token
        self._limits = limits

    def brief(self, attempts: Sequence[QueuedAttempt]) -> list[ClaimedAttempt]:
        """Brief attempts. One whose settings cannot be evaluated fails here and is left out."""
        unit = self._unit
        task_ids = [attempt.task_id for attempt in attempts]
        tasks = unit.tasks.find_to_run(task_ids)
        documents = unit.jobs.find_documents({attempt.job_id for attempt in attempts})
        dependencies: dict[int, list[MetDependency]] = {}
        for found in unit.tasks.find_dependencies(task_ids):
            dependencies.setdefault(found.task_id, []).append(found)
        outputs: dict[int, list[Promise]] = {}
        for promise in unit.tasks.find_outputs(task_ids):
            outputs.setdefault(promise.task_id, []).append(promise)
        task_types: dict[str, TaskTypeSpecification] | None = None
        claimed: list[ClaimedAttempt] = []
        faults: dict[int, str] = {}
        for attempt in attempts:
            task = tasks[attempt.task_id]
            settings = task_settings_of(resolve_pointer(documents[task.job_id], task.pointer))
            settings |= task.changed_settings
            needs = dependencies.get(attempt.task_id, [])
            if settings:
                task_types = task_types or unit.registry.find_task_types()
                settings, fault = _evaluate(task, settings, needs, task_types)
                if fault is not None:
                    faults[attempt.attempt_id] = fault
                    continue
            claimed.append(self._describe(attempt, task, settings, needs, outputs.get(attempt.task_id, ())))
        unit.attempts.record_limits(
            [
                (one.attempt_id, one.run_timeout, one.memory_gb)
                for one in claimed
                if one.run_timeout is not None or one.memory_gb is not None
            ]
        )
        unit.attempts.record_what_it_reads(
            [
                (one.attempt_id, one.settings, {slot: version.model_dump() for slot, version in one.inputs.items()})
                for one in claimed
                if one.settings or one.inputs
            ]
        )
        self._fail(faults)
        return claimed

    def _describe(
        self,
        attempt: QueuedAttempt,
        task: TaskToRun,
        settings: dict[str, Any],
        needs: Sequence[MetDependency],
        outputs: Sequence[Promise],
    ) -> ClaimedAttempt:
        rules = find_rules(task.execution, task.task_type, self._unit.registry.find_rules())
        return ClaimedAttempt(
            attempt_id=attempt.attempt_id,
            lease_token=self._token,
            task_id=task.task_id,
            job_id=task.job_id,
            number=attempt.number,
            task_type=task.task_type,
            task_name=task.name,
            job_name=task.job_name,
            working_directory=task.working_directory,
            settings=settings,
            metadata=task.metadata,
            inputs={
                need.label: OutputVersion.model_validate(need.version)
                for need in needs
                if need.kind == FILE and need.version is not None
            },
            outputs={promise.slot: promise.filename for promise in outputs},
            seed=task.seed,
            rerun=task.rerun,
            run_timeout=rules.run_timeout,
            memory_gb=rules.memory_gb if attempt.memory_gb is None else attempt.memory_gb,
        )

    def _fail(self, faults: Mapping[int, str]) -> None:
        if not faults:
            return
        known = self._unit.attempts.find_known(list(faults))
        ended = [
            (
                known[attempt_id],
                AttemptReport(
                    attempt_id=attempt_id,
                    lease_token=self._token,
                    state="failed",
                    reason=FailureReason.INPUT,
                    message=words,
                ),
            )
            for attempt_id, words in faults.items()
        ]
        settle(self._unit, self._changes, ended, self._limits)


def _evaluate(
    task: TaskToRun,
    settings: dict[str, Any],
    needs: Sequence[MetDependency],
    task_types: Mapping[str, TaskTypeSpecification],
) -> tuple[dict[str, Any], str | None]:
    """Evaluate a task's settings with all that is known now. Returns them, or words for what is wrong with them."""
    requested = {need.label: need.metadata for need in needs if need.kind == METADATA}
    evaluated = evaluate_settings(settings, Scope(task.metadata, requested, task.seed))
    faults = [(place, message) for place, message in evaluated.problems]
    specification = task_types.get(task.task_type)
    if not faults and specification is not None:
        faults = [(place, problem.message) for place, problem in check_settings(specification, evaluated)]
    if faults:
        return {}, "; ".join(f"{json_path((*task.pointer, *place))}: {message}" for place, message in faults)
    return evaluated.values, None
