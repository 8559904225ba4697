"""Carry out operators' verdicts on versions: gate again what depends on them, and tell the product store."""

from __future__ import annotations

import logging

from eas.contracts.diagnostics import StepReason
from eas.contracts.errors import ConflictError
from eas.contracts.products import Verdict, VersionView
from eas.contracts.provenance import Direction, JudgedTask, VerdictOutcome, VersionVerdict
from eas.contracts.states import AttemptState, FailureReason, TaskState
from eas_scheduler.domain.changes import Changes
from eas_scheduler.domain.override import Maker, judge_output
from eas_scheduler.logic.control import heal
from eas_scheduler.logic.ports import Transactor, UnitOfWork
from eas_scheduler.logic.progress import block_what_follows, enqueue, publish
from eas_scheduler.logic.provenance import Provenance

logger = logging.getLogger(__name__)

_DEPTH = 100


class Overrides:
    """Lets operators overrule quality control."""

    def __init__(self, transactor: Transactor, provenance: Provenance) -> None:
        self._transactor = transactor
        self._provenance = provenance

    async def judge(self, version_id: int, verdict: VersionVerdict, *, by: str) -> VerdictOutcome:
        """Accept or reject a version; the same verdict again changes nothing.

        A rejected version's task is no longer done, but failed for quality: what waits for it is blocked, what is
        queued is withdrawn and blocked; what runs or has run stays, and is listed. An accepted version's task that
        failed for quality is done with it, if nothing else is wrong, and what it had blocked goes on.

        Raises
        ------
        NotFoundError
            The product store has no such version.
        ConflictError
            It is damaged and cannot be accepted, or another task has come to hold a name that it made.
        UnavailableError
            The product store cannot be reached.
        """
        graph = await self._provenance.trace(version_id, Direction.DOWN, _DEPTH)
        version = next(found for found in graph.versions if found.version_id == version_id)
        if verdict.passed and version.damaged:
            raise ConflictError(f"version {version_id} is damaged: it cannot be accepted", where="body.passed")

        def command(unit: UnitOfWork) -> list[JudgedTask]:
            makers = unit.overrides.find_makers(version_id, version.directory, version.filename, version.task_id)
            judged = [_judge(unit, maker, version, verdict, by) for maker in makers]
            _tell(unit.changes, version, verdict, by)
            return judged

        tasks = await self._transactor.run(command)
        logger.info("version %d was %s by %s", version_id, "accepted" if verdict.passed else "rejected", by)
        return VerdictOutcome(version_id=version_id, passed=verdict.passed, tasks=tasks, made_from_it=graph)


def _judge(unit: UnitOfWork, maker: Maker, version: VersionView, verdict: VersionVerdict, by: str) -> JudgedTask:
    words = f"{'accepted' if verdict.passed else 'rejected'} by {by}: {verdict.reason}"
    outputs = judge_output(maker.outputs, version.version_id, passed=verdict.passed, words=words)
    unit.overrides.set_outputs(maker.attempt_id, outputs)
    known = Maker(maker.attempt_id, maker.task_id, maker.job_id, maker.state, maker.reason, maker.accepted, outputs)
    outcome = JudgedTask(task_id=maker.task_id, attempt_id=maker.attempt_id, state=maker.state)
    if not verdict.passed:
        return _revoke(unit, known, f"version {version.version_id} was {words}", outcome)
    return _reinstate(unit, known, outcome)


def _revoke(unit: UnitOfWork, maker: Maker, words: str, outcome: JudgedTask) -> JudgedTask:
    if not maker.is_revoked_by_rejection():
        return outcome
    unit.overrides.mark_revoked(maker.task_id, maker.attempt_id, words)
    unit.changes.note_step(maker.job_id, maker.task_id, TaskState.DONE, TaskState.FAILED, FailureReason.QUALITY)
    queued = unit.overrides.hold_consumers(maker.task_id)
    task_ids = [task.task_id for task in queued]
    withdrawn = unit.cancellation.cancel_queued_attempts(task_ids, FailureReason.QUALITY, words, unit.changes.at)
    unit.overrides.mark_waiting(task_ids)
    for attempt in withdrawn:
        unit.changes.note_attempt(
            attempt.job_id,
            attempt.task_id,
            attempt.attempt_id,
            AttemptState.QUEUED,
            AttemptState.CANCELLED,
            FailureReason.QUALITY,
        )
    for task in queued:
        unit.changes.note_step(task.job_id, task.task_id, TaskState.QUEUED, TaskState.WAITING, FailureReason.QUALITY)
    block_what_follows(unit, [maker.task_id])
    return outcome.model_copy(
        update={"state": TaskState.FAILED, "withdrawn": [attempt.attempt_id for attempt in withdrawn]}
    )


def _reinstate(unit: UnitOfWork, maker: Maker, outcome: JudgedTask) -> JudgedTask:
    promises = unit.tasks.find_outputs([maker.task_id])
    if not maker.is_reinstated_by_acceptance({promise.slot for promise in promises}):
        return outcome
    own = {promise.slot for promise in promises}
    extra = [(output.directory, output.filename) for output in maker.outputs if output.slot not in own]
    if taken := unit.tasks.find_promises(extra):
        name = next(iter(taken))
        raise ConflictError(f"product {'/'.join(name)!r} belongs to another task by now", where="path.version_id")
    unit.overrides.mark_reinstated(maker.task_id, maker.attempt_id)
    unit.changes.note_step(maker.job_id, maker.task_id, TaskState.FAILED, TaskState.DONE, StepReason.OVERRULED)
    publish(unit, maker.task_id, maker.outputs, promises)
    heal(unit, [maker.task_id], [])
    enqueue(unit, unit.tasks.release_consumers([maker.task_id]))
    return outcome.model_copy(update={"state": TaskState.DONE})


def _tell(changes: Changes, version: VersionView, verdict: VersionVerdict, by: str) -> None:
    told = Verdict(
        attempt_id=version.attempt_id,
        version_id=version.version_id,
        passed=verdict.passed,
        reason=verdict.reason,
        author=by,
        decided_at=changes.at,
    )
    changes.tell("verdicts", {"verdicts": [told.model_dump()]})
