"""How attempts begin and end, and what follows: consumers become ready; tasks are tried again, fail, or are blocked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from eas.contracts.errors import AttemptClosedError
from eas.contracts.execution import ExecutionRules
from eas.contracts.scheduler import AttemptReport, OutputVersion, ReportResult
from eas.contracts.states import AttemptState, FailureReason, TaskState
from eas.contracts.texts import cut_message, cut_reason
from eas.contracts.values import MAX_METADATA_BYTES, MAX_RESULT_BYTES, find_value_fault
from eas_scheduler.domain.attempt import KnownAttempt, QueuedAttempt
from eas_scheduler.domain.control import ControlledTask
from eas_scheduler.domain.lifecycle import LEASED
from eas_scheduler.domain.losses import Loss
from eas_scheduler.domain.policies import RetryLimits, count_end, decide_retry
from eas_scheduler.domain.rules import find_rules, queue_attempt
from eas_scheduler.domain.task import Promise, ReadyTask
from eas_scheduler.logic.ports import UnitOfWork
from eas_scheduler.logic.product_names import refuse_taken_products, register_names

Queueable = TypeVar("Queueable", ReadyTask, ControlledTask)

#: Who holds attempts that the scheduler ends itself, such as those of flow-control tasks.
SCHEDULER = "scheduler"

_DEFAULT_REASONS = {
    "rejected": FailureReason.QUALITY,
    "failed": FailureReason.SCIENCE,
    "lost": FailureReason.LOST,
    "cancelled": FailureReason.CANCELLED,
}


def take_attempts(
    unit: UnitOfWork,
    attempts: Sequence[QueuedAttempt],
    worker_id: str,
    lease_token: str,
    lease: timedelta,
) -> None:
    """Queued to running, for attempts and their tasks."""
    unit.attempts.mark_running(
        [attempt.attempt_id for attempt in attempts],
        worker_id=worker_id,
        lease_token=lease_token,
        expires_at=unit.changes.at + lease,
        at=unit.changes.at,
    )
    unit.tasks.mark_running([attempt.task_id for attempt in attempts])
    for attempt in attempts:
        unit.changes.note_attempt(
            attempt.job_id, attempt.task_id, attempt.attempt_id, AttemptState.QUEUED, AttemptState.RUNNING
        )
        unit.changes.note_task(attempt.job_id, TaskState.QUEUED, TaskState.RUNNING)
        unit.changes.queued[attempt.task_type] -= 1


def enqueue(unit: UnitOfWork, tasks: Sequence[ReadyTask]) -> None:
    """Give tasks that have become ready an attempt, most of them their first."""
    if not tasks:
        return
    attempts = queue_next_attempts(unit, tasks, undecided=lambda task: task.reuse)
    unit.tasks.mark_queued([task.task_id for task in tasks])
    for attempt in attempts:
        unit.changes.note_queued(attempt)
        unit.changes.note_task(attempt.job_id, TaskState.WAITING, TaskState.QUEUED)


def queue_next_attempts(
    unit: UnitOfWork, tasks: Sequence[Queueable], *, undecided: Callable[[Queueable], bool]
) -> list[QueuedAttempt]:
    """Queue the next attempt of each of some tasks; `undecided` says which may adopt what an equal one has made."""
    at, of_types = unit.changes.at, unit.registry.find_rules()
    attempts = [
        queue_attempt(
            attempt_id,
            task_id=task.task_id,
            job_id=task.job_id,
            task_type=task.task_type,
            rules=find_rules(task.execution, task.task_type, of_types),
            at=at,
            number=task.attempts + 1,
            undecided=undecided(task),
        )
        for attempt_id, task in zip(unit.attempts.take_ids(len(tasks)), tasks, strict=True)
    ]
    unit.attempts.add_queued(attempts, at)
    return attempts


def block_what_follows(unit: UnitOfWork, causes: Iterable[int] | Mapping[int, int]) -> None:
    """Block everything that waits for tasks that will not be done; a mapping names the cause behind each of them."""
    known = causes if isinstance(causes, Mapping) else {cause: cause for cause in causes}
    for task in unit.tasks.block_consumers(known):
        unit.changes.note_step(task.job_id, task.task_id, TaskState.WAITING, TaskState.BLOCKED)


def record_reports(
    unit: UnitOfWork, worker_id: str, reports: Sequence[AttemptReport], limits: RetryLimits
) -> list[ReportResult]:
    """Take a worker's reports. One for an attempt that is not open and the worker's own changes nothing.

    The same report sent again, as after a lost answer, is answered as it was the first time.
    """
    attempt_ids = [report.attempt_id for report in reports]
    unit.tasks.prefetch_outcomes(attempt_ids)
    known = unit.attempts.find_known(attempt_ids)
    results: list[ReportResult] = []
    valid: dict[int, tuple[KnownAttempt, AttemptReport]] = {}
    for report in reports:
        attempt = known.get(report.attempt_id)
        fault = _find_fault(attempt, worker_id, report)
        if fault is not None or attempt is None:
            message = fault or "no such attempt"
            results.append(
                ReportResult(
                    attempt_id=report.attempt_id, recorded=False, slug=AttemptClosedError.slug, message=message
                )
            )
            continue
        if attempt.state in LEASED:
            valid[attempt.attempt_id] = (attempt, report)
        results.append(ReportResult(attempt_id=report.attempt_id, recorded=True))
    settle(unit, list(valid.values()), limits)
    return results


def _find_fault(attempt: KnownAttempt | None, worker_id: str, report: AttemptReport) -> str | None:
    if attempt is None:
        return f"there is no attempt {report.attempt_id}"
    if attempt.worker_id != worker_id or attempt.lease_token != report.lease_token:
        return f"attempt {report.attempt_id} is not held by {worker_id} under this lease"
    if attempt.state not in LEASED and attempt.state.value != report.state:
        return f"attempt {report.attempt_id} has ended: {attempt.state.value}"
    return None


def settle(
    unit: UnitOfWork,
    ended: Sequence[tuple[KnownAttempt, AttemptReport]],
    limits: RetryLimits,
    losses: Mapping[int, Loss] | None = None,
) -> None:
    """End leased attempts as their reports say and draw every consequence, in the transaction that ends them."""
    if not ended:
        return
    promises: dict[int, list[Promise]] = {}
    for promise in unit.tasks.find_outputs([attempt.task_id for attempt, _ in ended]):
        promises.setdefault(promise.task_id, []).append(promise)
    judged = [(attempt, _judge(report, promises.get(attempt.task_id, ()))) for attempt, report in ended]
    judged = refuse_taken_products(unit, judged, promises)
    unit.attempts.mark_ended([report for _, report in judged], unit.changes.at)
    for attempt, report in judged:
        unit.changes.note_attempt(
            attempt.job_id,
            attempt.task_id,
            attempt.attempt_id,
            attempt.state,
            AttemptState(report.state),
            report.reason,
        )
        if report.outputs:
            unit.changes.tell("verdicts", _verdicts(report, unit.changes.at))
    _accept(unit, [pair for pair in judged if pair[1].state == "accepted"], promises)
    of_types = unit.registry.find_rules()
    for attempt, report in judged:
        if attempt.task_type in of_types and of_types[attempt.task_type].max_running is not None:
            unit.changes.note_room(attempt.task_type)
        if report.state != "accepted":
            loss = losses.get(attempt.attempt_id) if losses else None
            _try_again_or_fail(unit, attempt, report, limits, loss)


def _judge(report: AttemptReport, promises: Sequence[Promise]) -> AttemptReport:
    """Turn a report of success that is none into one of failure, and give every failure a reason.

    Metadata that cannot be stored are left out, whatever the report says; the attempt ends with words.
    """
    report, unsound = _drop_unsound_metadata(report)
    if report.state != "accepted":
        words = "; ".join(part for part in (report.message, *unsound) if part) if unsound else report.message
        reason = report.reason or _DEFAULT_REASONS[report.state]
        return report.model_copy(update={"reason": reason, "message": words})
    made = {output.slot for output in report.outputs}
    faults = [f"output {promise.slot!r} was not made" for promise in promises if promise.slot not in made]
    faults += [f"output {output.slot!r}: {output.qc_reason}" for output in report.outputs if output.passed_qc is False]
    faults += unsound
    if not faults:
        return report
    # An operator may accept what was made after all, and then its metadata counts.
    words = cut_message("; ".join(faults))
    return report.model_copy(update={"state": "rejected", "reason": FailureReason.QUALITY, "message": words})


def _drop_unsound_metadata(report: AttemptReport) -> tuple[AttemptReport, list[str]]:
    """Leave metadata out that cannot be stored. Returns words for each."""
    faults: list[str] = []
    changes: dict[str, Any] = {}
    if report.metadata and (fault := find_value_fault(report.metadata, most_bytes=MAX_RESULT_BYTES)) is not None:
        faults.append(f"metadata {fault}")
        changes["metadata"] = {}
    outputs: list[OutputVersion] = []
    for output in report.outputs:
        fault = find_value_fault(output.metadata, most_bytes=MAX_METADATA_BYTES) if output.metadata else None
        if fault is not None:
            faults.append(f"output {output.slot!r}: metadata {fault}")
            changes["outputs"] = outputs
        outputs.append(output if fault is None else output.model_copy(update={"metadata": {}}))
    return (report.model_copy(update=changes), faults) if changes else (report, faults)


def _accept(
    unit: UnitOfWork,
    accepted: Sequence[tuple[KnownAttempt, AttemptReport]],
    promises: dict[int, list[Promise]],
) -> None:
    if not accepted:
        return
    unit.tasks.mark_done({attempt.task_id: attempt.attempt_id for attempt, _ in accepted})
    for attempt, report in accepted:
        unit.changes.note_task(attempt.job_id, TaskState.RUNNING, TaskState.DONE)
        if report.outputs:
            publish(unit, attempt.task_id, report.outputs, promises.get(attempt.task_id, ()))
    enqueue(unit, unit.tasks.release_consumers([attempt.task_id for attempt, _ in accepted]))


def publish(unit: UnitOfWork, task_id: int, outputs: Sequence[OutputVersion], promises: Sequence[Promise]) -> None:
    """Give the task's products their new versions; products that only the task knew of are registered."""
    by_slot = {promise.slot: promise.promise_id for promise in promises}
    unit.tasks.set_versions({by_slot[output.slot]: output.model_dump() for output in outputs if output.slot in by_slot})
    extra = [output for output in outputs if output.slot not in by_slot]
    if extra:
        register_names(unit, task_id, extra)


def _try_again_or_fail(
    unit: UnitOfWork,
    attempt: KnownAttempt,
    report: AttemptReport,
    limits: RetryLimits,
    loss: Loss | None = None,
) -> None:
    reason = report.reason or FailureReason.INFRASTRUCTURE
    limited = attempt.memory_gb is not None
    ended = count_end(reason, attempt.strikes, attempt.losses, attempt.cancel_requested, limited, loss)
    strikes, losses = ended.strikes, ended.losses
    rules = find_rules(attempt.execution, attempt.task_type, unit.registry.find_rules())
    decision = decide_retry(ended, limits.under(rules))
    if decision.again:
        (attempt_id,) = unit.attempts.take_ids(1)
        more = 2.0 if decision.more_memory else 1.0
        again = queue_attempt(
            attempt_id,
            task_id=attempt.task_id,
            job_id=attempt.job_id,
            task_type=attempt.task_type,
            rules=rules,
            at=unit.changes.at,
            number=attempt.number + 1,
            delay=decision.delay,
            memory_gb=None if attempt.memory_gb is None else more * attempt.memory_gb,
            start_tag=_keep_place(attempt, rules) if decision.keeps_place else None,
        )
        unit.attempts.add_queued([again], unit.changes.at)
        unit.tasks.mark_queued_again(attempt.task_id, strikes=strikes, losses=losses)
        unit.changes.note_queued(again)
        unit.changes.note_task(attempt.job_id, TaskState.RUNNING, TaskState.QUEUED)
        return
    words = "; ".join(part for part in (report.message, decision.why) if part) or reason.value
    end = TaskState.CANCELLED if decision.cancelled else TaskState.FAILED
    why = FailureReason.CANCELLED if decision.cancelled else reason
    unit.tasks.mark_ended(attempt.task_id, end, reason=why, message=words, strikes=strikes, losses=losses)
    if decision.cancelled:
        unit.changes.note_step(attempt.job_id, attempt.task_id, TaskState.RUNNING, end, why)
    else:
        unit.changes.note_task(attempt.job_id, TaskState.RUNNING, end)
    block_what_follows(unit, [attempt.task_id])


def fail_for_good(unit: UnitOfWork, attempt: KnownAttempt, report: AttemptReport) -> None:
    """End a held attempt and its task as failed, with the least that this takes: no rules, no retry, no verdicts."""
    reason = report.reason or FailureReason.INFRASTRUCTURE
    unit.attempts.mark_ended([report], unit.changes.at)
    unit.changes.note_attempt(
        attempt.job_id, attempt.task_id, attempt.attempt_id, attempt.state, AttemptState(report.state), reason
    )
    unit.tasks.mark_ended(
        attempt.task_id,
        TaskState.FAILED,
        reason=reason,
        message=report.message or reason.value,
        strikes=attempt.strikes + 1,
        losses=attempt.losses,
    )
    unit.changes.note_task(attempt.job_id, TaskState.RUNNING, TaskState.FAILED)
    block_what_follows(unit, [attempt.task_id])


def _keep_place(attempt: KnownAttempt, rules: ExecutionRules) -> int | None:
    """Find the start tag of the next attempt of a task that keeps its place; places of another priority are others."""
    return attempt.start_tag if (rules.priority or 0) == attempt.priority else None


def _verdicts(report: AttemptReport, at: datetime) -> dict[str, Any]:
    accepted = report.state == "accepted"
    return {
        "verdicts": [
            {
                "attempt_id": report.attempt_id,
                "semantic_type": output.slot,
                "version_id": output.version_id,
                "passed": accepted,
                "reason": cut_reason(output.qc_reason or ("" if accepted else report.message or report.state)),
                "decided_at": at,
            }
            for output in report.outputs
        ]
    }


def give_up_overdue(unit: UnitOfWork, overdue: Sequence[KnownAttempt]) -> None:
    """Fail tasks that nobody took in time."""
    if not overdue:
        return
    words = "nobody took it in time: it was queued for longer than its queue_timeout"
    unit.attempts.mark_overdue([attempt.attempt_id for attempt in overdue], words, unit.changes.at)
    unit.tasks.mark_overdue([attempt.task_id for attempt in overdue], words)
    for attempt in overdue:
        unit.changes.note_attempt(
            attempt.job_id,
            attempt.task_id,
            attempt.attempt_id,
            AttemptState.QUEUED,
            AttemptState.CANCELLED,
            FailureReason.TIMEOUT,
        )
        unit.changes.note_task(attempt.job_id, TaskState.QUEUED, TaskState.FAILED)
    block_what_follows(unit, [attempt.task_id for attempt in overdue])


def lose(
    unit: UnitOfWork,
    attempts: Sequence[KnownAttempt],
    why: str,
    limits: RetryLimits,
    *,
    reason: FailureReason = FailureReason.LOST,
    losses: Mapping[int, Loss] | None = None,
) -> None:
    """End attempts whose worker is not coming back.

    Parameters
    ----------
    losses
        What the loss means for a task, by its id; nothing where it is not named.
    """
    losses = losses or {}
    meant = {one.attempt_id: losses.get(one.task_id, Loss()) for one in attempts}
    reports = [
        AttemptReport(
            attempt_id=attempt.attempt_id,
            lease_token=attempt.lease_token or "",
            state="lost",
            reason=reason,
            message=why,
        )
        for attempt in attempts
    ]
    settle(unit, list(zip(attempts, reports, strict=True)), limits, meant)
