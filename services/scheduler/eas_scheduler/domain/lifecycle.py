"""THE state table: which state of an attempt or a task may follow which. Nothing else knows.

::

    queued → running → checking → accepted            all outputs passed quality control
                                → rejected            quality control said no
           → cancelled   running/checking → failed    the code raised, exited non-zero, ran out of memory or time
                         running/checking → lost      its lease expired, or its worker handed it back
                         running/checking → cancelled

Terminal states of attempts are final: whatever happens next is a new attempt. A user may have a failed or cancelled
task tried again, which heals what it blocked, or excuse a failed one, which then counts as done. An operator who
rejects a version makes its done task a failed one, and queued readers wait again; who accepts one makes a task done
that had failed for quality.
"""

from __future__ import annotations

from eas.contracts.states import AttemptState, JobState, TaskState

ATTEMPT_SUCCESSORS: dict[AttemptState, frozenset[AttemptState]] = {
    AttemptState.QUEUED: frozenset({AttemptState.RUNNING, AttemptState.CANCELLED}),
    AttemptState.RUNNING: frozenset(
        {AttemptState.CHECKING, AttemptState.FAILED, AttemptState.LOST, AttemptState.CANCELLED}
    ),
    AttemptState.CHECKING: frozenset(
        {
            AttemptState.ACCEPTED,
            AttemptState.REJECTED,
            AttemptState.FAILED,
            AttemptState.LOST,
            AttemptState.CANCELLED,
        }
    ),
    AttemptState.ACCEPTED: frozenset(),
    AttemptState.REJECTED: frozenset(),
    AttemptState.FAILED: frozenset(),
    AttemptState.LOST: frozenset(),
    AttemptState.CANCELLED: frozenset(),
}

#: States in which an attempt belongs to a worker under a lease.
LEASED = frozenset({AttemptState.RUNNING, AttemptState.CHECKING})

TASK_SUCCESSORS: dict[TaskState, frozenset[TaskState]] = {
    TaskState.WAITING: frozenset({TaskState.QUEUED, TaskState.BLOCKED, TaskState.CANCELLED}),
    TaskState.QUEUED: frozenset({TaskState.RUNNING, TaskState.FAILED, TaskState.CANCELLED, TaskState.WAITING}),
    TaskState.RUNNING: frozenset({TaskState.DONE, TaskState.FAILED, TaskState.QUEUED, TaskState.CANCELLED}),
    TaskState.DONE: frozenset({TaskState.FAILED}),
    TaskState.FAILED: frozenset({TaskState.QUEUED, TaskState.DONE}),
    TaskState.BLOCKED: frozenset({TaskState.WAITING, TaskState.CANCELLED}),
    TaskState.CANCELLED: frozenset({TaskState.QUEUED, TaskState.WAITING}),
}


class IllegalTransitionError(RuntimeError):
    """Code tried to move something to a state that may not follow. Always a defect of the scheduler."""

    def __init__(self, current: AttemptState | TaskState, wanted: AttemptState | TaskState) -> None:
        super().__init__(f"{type(current).__name__}: {wanted} may not follow {current}")


def path_to(current: AttemptState, wanted: AttemptState) -> tuple[AttemptState, ...]:
    """List the states an attempt passes through from `current` to `wanted`, both included.

    A worker reports how an attempt ended; that it was checked before it was accepted or rejected is implied.

    Raises
    ------
    IllegalTransitionError
        No such path.
    """
    if wanted in ATTEMPT_SUCCESSORS[current]:
        return (current, wanted)
    if current is AttemptState.RUNNING and wanted in ATTEMPT_SUCCESSORS[AttemptState.CHECKING]:
        return (current, AttemptState.CHECKING, wanted)
    raise IllegalTransitionError(current, wanted)


def check_task_step(current: TaskState, wanted: TaskState) -> None:
    """Refuse a step of a task that the table does not have.

    Raises
    ------
    IllegalTransitionError
        Always a defect of the scheduler.
    """
    if wanted not in TASK_SUCCESSORS[current]:
        raise IllegalTransitionError(current, wanted)


def job_state_of(*, unfinished: int, failed: int, blocked: int, cancelled: int) -> JobState:
    """Roll the counts of a job's tasks up into its state.

    Parameters
    ----------
    unfinished
        Tasks that are waiting, queued or running.
    failed, blocked, cancelled
        Tasks in those states.
    """
    if unfinished:
        return JobState.RUNNING
    if failed or blocked:
        return JobState.FAILED
    return JobState.CANCELLED if cancelled else JobState.DONE
