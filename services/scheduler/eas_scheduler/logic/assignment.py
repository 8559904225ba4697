"""Assigns queued attempts: takes them for a worker, and builds what the worker needs to run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex

from eas.contracts.scheduler import AttemptReport, ClaimedAttempt, ClaimRequest, OutputVersion
from eas.contracts.states import FailureReason
from eas_scheduler.domain.attempt import QueuedAttempt
from eas_scheduler.domain.fair_order import fill_room
from eas_scheduler.domain.job_language.flow_types import FLOW_TYPES
from eas_scheduler.domain.policies import RetryLimits
from eas_scheduler.domain.prepared import PreparedAttempt
from eas_scheduler.domain.rules import count_room, find_rules
from eas_scheduler.logic.ports import UnitOfWork
from eas_scheduler.logic.preparation import prepare_attempts
from eas_scheduler.logic.progress import settle, take_attempts


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


def assign_queued(unit: UnitOfWork, request: ClaimRequest, rules: DispatchRules) -> list[ClaimedAttempt]:
    """Take the first attempts that a claim asks for: none for a worker that is not known, or was declared gone.

    Some may fail here, so that fewer come back.
    """
    return assign_chosen(unit, choose_attempts(unit, request), request.worker_id, rules)


def choose_attempts(unit: UnitOfWork, request: ClaimRequest) -> list[QueuedAttempt]:
    """List the attempts that a claim would get, and leave them where they are."""
    wanted = {name: most for name, most in request.per_type.items() if name not in FLOW_TYPES}
    of_types = unit.registry.find_rules()
    if any(name in wanted and found.max_running is not None for name, found in of_types.items()):
        wanted = count_room(wanted, unit.attempts.count_leased(), of_types)
    queued = unit.attempts.find_queued(wanted, request.total, worker_id=request.worker_id)
    return fill_room(request.per_type, queued) if request.share_room else queued


def assign_chosen(
    unit: UnitOfWork, queued: Sequence[QueuedAttempt], worker_id: str, rules: DispatchRules
) -> list[ClaimedAttempt]:
    """Take attempts for a worker. Raises where another transaction has taken one of them."""
    if not queued:
        return []
    token = token_hex(8)
    take_attempts(unit, queued, worker_id, token, rules.lease)
    return AssignmentBuilder(unit, token, rules.limits).build(queued)


class AssignmentBuilder:
    """Builds what a worker needs to run the attempts that were assigned to it."""

    def __init__(self, unit: UnitOfWork, lease_token: str, limits: RetryLimits) -> None:
        self._unit = unit
        self._token = lease_token
        self._limits = limits

    def build(self, attempts: Sequence[QueuedAttempt]) -> list[ClaimedAttempt]:
        """Describe attempts. An attempt whose settings cannot be evaluated fails here and is left out."""
        unit = self._unit
        prepared = prepare_attempts(unit, attempts)
        good = [one for one in prepared if one.fault is None]
        claimed = [self._describe(one) for one in good]
        unit.attempts.record_limits(
            [
                (one.attempt_id, one.run_timeout, one.memory_gb)
                for one in claimed
                if one.run_timeout is not None or one.memory_gb is not None
            ]
        )
        unit.attempts.record_preparation(good)
        self._fail({one.attempt.attempt_id: one.fault for one in prepared if one.fault is not None})
        return claimed

    def _describe(self, prepared: PreparedAttempt) -> ClaimedAttempt:
        attempt, task = prepared.attempt, prepared.task
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
            settings=prepared.settings,
            metadata=task.metadata,
            inputs={slot: OutputVersion.model_validate(version) for slot, version in prepared.inputs.items()},
            outputs={promise.slot: promise.filename for promise in prepared.outputs},
            seed=task.seed,
            rerun=task.rerun,
            run_timeout=rules.run_timeout,
            memory_gb=rules.memory_gb if attempt.memory_gb is None else attempt.memory_gb,
            cpu_timeout=rules.cpu_timeout,
            disk_gb=rules.disk_gb,
            max_processes=rules.max_processes,
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
        settle(self._unit, ended, self._limits)
