"""What users do to jobs and tasks that are there: cancel, pause, resume, try again, excuse."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from eas.contracts.diagnostics import StepReason
from eas.contracts.errors import ConflictError, InvalidInputError, NotFoundError, Problem
from eas.contracts.execution import TaskTypeRules
from eas.contracts.scheduler import JobView, RetryRequest, TaskRetryRequest
from eas.contracts.states import AttemptState, FailureReason, TaskState
from eas_scheduler.domain.control import NOT_RUNNING, RETRYABLE, ControlledJob, ControlledTask, choose_states
from eas_scheduler.logic.changed_settings import change_rules, change_settings
from eas_scheduler.logic.ports import Transactor, UnitOfWork
from eas_scheduler.logic.progress import block_what_follows, enqueue, queue_next_attempts
from eas_scheduler.logic.wakeups import Wakeups

logger = logging.getLogger(__name__)

#: The most tasks that one transaction cancels, so that workers are heard in between.
_AT_ONCE = 20_000
_SHOWN = 100


class Control:
    """Carries out what users want of jobs and tasks."""

    def __init__(self, transactor: Transactor, wakeups: Wakeups) -> None:
        self._transactor = transactor
        self._wakeups = wakeups

    async def cancel_job(self, job_id: int, *, by: str) -> JobView:
        """End everything of a job that has not ended; doing it again changes nothing.

        What no worker holds is cancelled at once, a large job in several transactions, of which the last one sees that
        nothing is left. What a worker holds ends when the worker has heard of it, or its lease.

        Raises
        ------
        NotFoundError
            There is no such job.
        """
        after, job = 0, None
        while job is None:
            command = partial(_cancel_some, job_id=job_id, after=after, words=f"cancelled by {by}")
            after, job = await self._transactor.run(command)
        logger.info("job %d was cancelled by %s", job_id, by)
        return job

    async def pause_job(self, job_id: int) -> JobView:
        """Hand out nothing more of a job; what runs goes on.

        Raises
        ------
        NotFoundError
            There is no such job.
        ConflictError
            It has ended.
        """
        return await self._set_paused(job_id, paused=True)

    async def resume_job(self, job_id: int) -> JobView:
        """Go on with a paused job. Raises `NotFoundError`."""
        return await self._set_paused(job_id, paused=False)

    async def _set_paused(self, job_id: int, *, paused: bool) -> JobView:
        def command(unit: UnitOfWork) -> JobView:
            job = _get_job(unit, job_id)
            if paused and job.ended:
                raise ConflictError(f"job {job_id} has ended; there is nothing to pause", where="path.job_id")
            if job.paused is not paused:
                held = unit.jobs.set_paused(job_id, unit.changes.at, paused=paused)
                unit.changes.note_pause(job_id, job.root_task_id, paused=paused)
                if not paused:
                    unit.changes.queued.update(held)
                    unit.changes.timed = unit.changes.undecided = True
            return unit.describe_job(job_id)

        return await self._transactor.run(command)

    async def set_rules(self, task_type: str, rules: TaskTypeRules, *, by: str) -> None:
        """Set the rules for the attempts of a task type, in place of those that were set before.

        Raises
        ------
        NotFoundError
            No worker has announced such a task type.
        """

        def command(unit: UnitOfWork) -> None:
            if task_type not in unit.registry.find_task_types():
                raise NotFoundError(f"there is no task type {task_type!r} that workers run", where="path.name")
            unit.registry.save_rules(task_type, rules, at=unit.changes.at, by=by)

        await self._transactor.run(command)
        self._wakeups.wake_claims()
        logger.info("the rules of %s were set by %s: %s", task_type, by, rules.said())

    async def retry_job(self, job_id: int, request: RetryRequest, *, by: str) -> JobView:
        """Try again what failed: the tasks that the request means, and with them what they blocked.

        All of them get the changes that it asks for, or nothing happens.

        Raises
        ------
        NotFoundError
            There is no such job, or it has no such task.
        ConflictError
            A named task has neither failed nor been cancelled, or nothing is there to be changed.
        InvalidInputError
            Tasks and reasons were both named, or the changed settings do not fit.
        """
        if request.task_ids and request.reasons:
            raise InvalidInputError("name tasks or reasons, not both", where="body.reasons")

        def command(unit: UnitOfWork) -> JobView:
            _get_job(unit, job_id)
            if request.task_ids:
                tasks = _find_named(unit, job_id, request.task_ids)
            else:
                states = choose_states(request.reasons)
                tasks = unit.selection.find_ended_badly(job_id, states, request.reasons)
            _retry(unit, tasks, request, by)
            return unit.describe_job(job_id)

        return await self._transactor.run(command)

    async def cancel_task(self, task_id: int, *, by: str) -> None:
        """End a task and all below it; what depends on them is blocked. Doing it again changes nothing.

        Raises
        ------
        NotFoundError
            There is no such task.
        ConflictError
            It, and all below it, has ended already.
        """

        def command(unit: UnitOfWork) -> None:
            tree = unit.selection.find_subtree(task_id)
            task = next((found for found in tree if found.task_id == task_id), None)
            if task is None:
                raise _no_task(task_id)
            running = [found.task_id for found in tree if found.state is TaskState.RUNNING]
            not_running = [found for found in tree if found.state in NOT_RUNNING]
            if not running and not not_running and task.state is not TaskState.CANCELLED:
                raise ConflictError(f"task {task_id} has ended: {task.state.value}", where="path.task_id")
            unit.cancellation.request_cancel(running)
            cancel_not_running(unit, not_running, f"cancelled by {by}")
            unit.cancellation.mark_given_up([found.task_id for found in tree if found.purged], f"cancelled by {by}")

        await self._transactor.run(command)
        logger.info("task %d was cancelled by %s", task_id, by)

    async def retry_task(self, task_id: int, request: TaskRetryRequest, *, by: str) -> None:
        """Try a failed or cancelled task again, with the changes that the request asks for.

        Raises
        ------
        NotFoundError
            There is no such task.
        ConflictError
            It has neither failed nor been cancelled.
        InvalidInputError
            The changed settings do not fit.
        """

        def command(unit: UnitOfWork) -> None:
            _retry(unit, _find_named(unit, None, [task_id]), request, by)

        await self._transactor.run(command)

    async def excuse_task(self, task_id: int, excuse: str, *, by: str) -> None:
        """Count a failed task as done, without results, so that what asked for its metadata goes on.

        Raises
        ------
        NotFoundError
            There is no such task.
        ConflictError
            It has not failed, or others need the files that it did not make.
        """

        def command(unit: UnitOfWork) -> None:
            found = unit.selection.find_tasks([task_id])
            if not found:
                raise _no_task(task_id)
            (task,) = found
            if task.state is not TaskState.FAILED:
                raise ConflictError(f"task {task_id} is {task.state.value}, not failed", where="path.task_id")
            if unit.selection.has_readers(task_id):
                raise ConflictError(
                    f"other tasks read files that task {task_id} did not make: only trying again can help",
                    where="path.task_id",
                )
            unit.retries.mark_excused(task_id, excuse)
            unit.changes.note_step(task.job_id, task_id, TaskState.FAILED, TaskState.DONE, StepReason.EXCUSED)
            heal(unit, [task_id], [])
            enqueue(unit, unit.tasks.release_consumers([task_id]))

        await self._transactor.run(command)
        logger.info("task %d was excused by %s: %s", task_id, by, excuse)


def _get_job(unit: UnitOfWork, job_id: int) -> ControlledJob:
    job = unit.jobs.find(job_id)
    if job is None:
        raise NotFoundError(f"there is no job {job_id}", where="path.job_id")
    return job


def _no_task(task_id: int) -> NotFoundError:
    return NotFoundError(f"there is no task {task_id}", where="path.task_id")


def _find_named(unit: UnitOfWork, job_id: int | None, task_ids: Sequence[int]) -> list[ControlledTask]:
    """Find the tasks that are to be tried again by name, or refuse them all."""
    found = {task.task_id: task for task in unit.selection.find_tasks(task_ids)}
    strange = [key for key in task_ids if key not in found or job_id not in (None, found[key].job_id)]
    if strange and job_id is None:
        raise _no_task(strange[0])
    if strange:
        raise NotFoundError(f"job {job_id} has no task {strange[0]}", where="body.task_ids")
    others = [task for task in found.values() if task.state not in RETRYABLE]
    if others:
        problems = [
            Problem(slug=ConflictError.slug, message=f"task {task.task_id} is {task.state.value}")
            for task in others[:_SHOWN]
        ]
        message = "only failed and cancelled tasks can be tried again"
        raise ConflictError(message, where="path.task_id" if job_id is None else "body.task_ids", problems=problems)
    return list(found.values())


def _cancel_some(unit: UnitOfWork, *, job_id: int, after: int, words: str) -> tuple[int, JobView | None]:
    """Cancel a part of a job. Returns where to go on, and the job once there is nothing left of it."""
    _get_job(unit, job_id)
    tasks = unit.selection.find_not_running(job_id, after, _AT_ONCE)
    cancel_not_running(unit, tasks, words, outside=job_id)
    complete = after == 0 and len(tasks) < _AT_ONCE
    if complete:
        unit.cancellation.mark_given_up(unit.selection.find_out_of_queue(job_id, failed=False), words)
        unit.cancellation.request_cancel_of_job(job_id)
    if complete:
        return 0, unit.describe_job(job_id)
    return (tasks[-1].task_id if len(tasks) == _AT_ONCE else 0), None


def cancel_not_running(
    unit: UnitOfWork,
    tasks: Sequence[ControlledTask],
    words: str,
    *,
    reason: FailureReason = FailureReason.CANCELLED,
    outside: int | None = None,
) -> None:
    """Cancel tasks that no worker holds, and block what waits for them, if a job ends only outside of that job."""
    task_ids = [task.task_id for task in tasks]
    queued = [task.task_id for task in tasks if task.state is TaskState.QUEUED]
    unit.cancellation.mark_cancelled(tasks, reason, words)
    for attempt in unit.cancellation.cancel_queued_attempts(queued, reason, words, unit.changes.at):
        unit.changes.note_attempt(
            attempt.job_id,
            attempt.task_id,
            attempt.attempt_id,
            AttemptState.QUEUED,
            AttemptState.CANCELLED,
            reason,
        )
        unit.changes.note_task(attempt.job_id, TaskState.QUEUED, TaskState.CANCELLED)
    for task in tasks:
        if task.state is not TaskState.QUEUED:
            unit.changes.note_step(task.job_id, task.task_id, task.state, TaskState.CANCELLED, reason)
    block_what_follows(unit, unit.cancellation.find_awaited(task_ids, outside=outside))


def _retry(unit: UnitOfWork, tasks: Sequence[ControlledTask], request: TaskRetryRequest, by: str) -> None:
    """Try tasks again as the request says."""
    reason = None
    if request.settings:
        change_settings(unit, tasks, request.settings, by=by, at=unit.changes.at)
        reason = StepReason.CHANGED_SETTINGS
    if request.execution is not None and request.execution.said():
        tasks = change_rules(unit, tasks, request.execution, by=by, at=unit.changes.at)
        reason = reason or StepReason.CHANGED_RULES
    try_again(unit, tasks, reason)


def try_again(unit: UnitOfWork, tasks: Sequence[ControlledTask], reason: StepReason | None = None) -> None:
    """Give tasks fresh attempts; those whose dependencies are not met wait, and what they had blocked heals."""
    ready = [task for task in tasks if not task.unmet]
    waiting = [task for task in tasks if task.unmet]
    unit.retries.mark_restored(ready, TaskState.QUEUED)
    unit.retries.mark_restored(waiting, TaskState.WAITING)
    modes = {job_id: unit.jobs.find_mode(job_id) for job_id in {task.job_id for task in ready}}
    attempts = queue_next_attempts(unit, ready, undecided=lambda task: modes[task.job_id].reuse)
    for attempt, task in zip(attempts, ready, strict=True):
        unit.changes.note_queued(attempt, reason)
        unit.changes.note_task(task.job_id, task.state, TaskState.QUEUED)
    for task in waiting:
        before = task.state
        if before is TaskState.FAILED:  # what it read was withdrawn since: it goes back to its queue, and on from there
            unit.changes.note_step(task.job_id, task.task_id, before, TaskState.QUEUED, reason)
            before = TaskState.QUEUED
        unit.changes.note_step(task.job_id, task.task_id, before, TaskState.WAITING, reason)
    heal(unit, [task.task_id for task in tasks], [task.task_id for task in waiting])


def heal(unit: UnitOfWork, sources: Sequence[int], restored: Sequence[int]) -> None:
    """Let what was blocked by `sources` wait again, unless it, or what was restored, has other causes to be blocked."""
    healed = unit.retries.unblock_consumers(sources)
    for task in healed:
        unit.changes.note_step(task.job_id, task.task_id, TaskState.BLOCKED, TaskState.WAITING)
    causes = unit.retries.find_causes([*(task.task_id for task in healed), *restored])
    block_what_follows(unit, causes)
