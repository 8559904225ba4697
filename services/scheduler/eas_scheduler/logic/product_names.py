"""Names of products that only attempts know of: who may give them, and as which generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from eas.contracts.scheduler import AttemptReport, OutputVersion
from eas.contracts.states import FailureReason
from eas_scheduler.domain.attempt import KnownAttempt
from eas_scheduler.domain.job_mode import find_claim_fault, is_found_again
from eas_scheduler.domain.task import Promise
from eas_scheduler.logic.ports import UnitOfWork

Judged = list[tuple[KnownAttempt, AttemptReport]]


def refuse_taken_products(unit: UnitOfWork, judged: Judged, promises: Mapping[int, Sequence[Promise]]) -> Judged:
    """Fail attempts that made products under names that are another's.

    Re-runs may take names over, and so may a task type that finds again what it had found before.

    Parameters
    ----------
    judged
        Attempts with what they report; those that are not accepted are left as they are.
    promises
        Of each task, what the scheduler knew it would make.
    """
    extra = [
        (attempt, output)
        for attempt, report in judged
        if report.state == "accepted"
        for output in report.outputs
        if output.slot not in {promise.slot for promise in promises.get(attempt.task_id, ())}
    ]
    if not extra:
        return judged
    faults = _find_faults(unit, extra)
    return [
        (attempt, _fail(report, faults[attempt.attempt_id]) if attempt.attempt_id in faults else report)
        for attempt, report in judged
    ]


def _find_faults(unit: UnitOfWork, extra: Sequence[tuple[KnownAttempt, OutputVersion]]) -> dict[int, str]:
    """Look for names that are another's, in the tables and among what comes with the same reports."""
    known = unit.tasks.find_promises({(output.directory, output.filename) for _, output in extra})
    owners: dict[tuple[str, str], int] = {}
    faults: dict[int, str] = {}
    for attempt, output in extra:
        name = (output.directory, output.filename)
        others = [promise for promise in known.get(name, ()) if promise.task_id != attempt.task_id]
        owner = owners.setdefault(name, attempt.task_id)
        fault: str | None = None
        if owner != attempt.task_id:
            fault = f"is promised by task {owner} already"
        elif others:
            mode = unit.jobs.find_mode(attempt.job_id)
            slot = output.slot
            if is_found_again(others, attempt.task_type, slot):
                mode, slot = replace(mode, rerun=True), others[-1].slot
            fault = find_claim_fault(others, slot, attempt.job_id, mode)
        if fault is not None:
            words = f"product {output.filename!r} of directory {output.directory!r} {fault}"
            faults.setdefault(attempt.attempt_id, words)
    return faults


def _fail(report: AttemptReport, words: str) -> AttemptReport:
    return report.model_copy(
        update={"state": "failed", "reason": FailureReason.INPUT, "message": words, "metadata": {}}
    )


def register_names(unit: UnitOfWork, task_id: int, outputs: Sequence[OutputVersion]) -> None:
    """Register products that only their task knew of, with their versions; each is the newest of its name."""
    known = unit.tasks.find_promises({(output.directory, output.filename) for output in outputs})
    keys = unit.tasks.take_promise_ids(len(outputs))
    unit.tasks.add_promises(
        [
            Promise(
                key,
                task_id,
                output.slot,
                output.directory,
                output.filename,
                output.model_dump(),
                generation=known[name][-1].generation + 1
                if (name := (output.directory, output.filename)) in known
                else 1,
            )
            for key, output in zip(keys, outputs, strict=True)
        ]
    )
