"""The state table: every pair of states is decided, and the decision is the one that is written in the design."""

from __future__ import annotations

from itertools import product

import pytest

from eas.contracts.states import AttemptState, JobState, TaskState
from eas_scheduler.domain.lifecycle import (
    ATTEMPT_SUCCESSORS,
    IllegalTransitionError,
    check_task_step,
    job_state_of,
    path_to,
)

ATTEMPT_STEPS = {
    "queued": "running cancelled",
    "running": "checking failed lost cancelled",
    "checking": "accepted rejected failed lost cancelled",
}
TASK_STEPS = {
    "waiting": "queued blocked cancelled",
    "queued": "running failed cancelled waiting",
    "running": "done failed queued cancelled",
    "done": "failed",
    "failed": "queued done",
    "blocked": "waiting cancelled",
    "cancelled": "queued waiting",
}


@pytest.mark.parametrize(("before", "after"), list(product(AttemptState, AttemptState)))
def test_every_pair_of_attempt_states_is_decided(before: AttemptState, after: AttemptState) -> None:
    allowed = after.value in ATTEMPT_STEPS.get(before.value, "").split()
    assert (after in ATTEMPT_SUCCESSORS[before]) is allowed


@pytest.mark.parametrize(("before", "after"), list(product(TaskState, TaskState)))
def test_every_pair_of_task_states_is_decided(before: TaskState, after: TaskState) -> None:
    if after.value in TASK_STEPS.get(before.value, "").split():
        check_task_step(before, after)
    else:
        with pytest.raises(IllegalTransitionError, match=f"{after} may not follow {before}"):
            check_task_step(before, after)


def test_a_report_implies_that_the_outputs_were_checked() -> None:
    running, checking, accepted = AttemptState.RUNNING, AttemptState.CHECKING, AttemptState.ACCEPTED
    assert path_to(running, accepted) == (running, checking, accepted)
    assert path_to(checking, accepted) == (checking, accepted)
    assert path_to(running, AttemptState.FAILED) == (running, AttemptState.FAILED)


@pytest.mark.parametrize("end", ["accepted", "rejected", "failed", "lost", "cancelled"])
def test_what_has_ended_stays_ended(end: str) -> None:
    for after in AttemptState:
        with pytest.raises(IllegalTransitionError):
            path_to(AttemptState(end), after)


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({"unfinished": 1, "failed": 1}, JobState.RUNNING),
        ({}, JobState.DONE),
        ({"failed": 1, "cancelled": 1}, JobState.FAILED),
        ({"blocked": 1}, JobState.FAILED),
        ({"cancelled": 1}, JobState.CANCELLED),
    ],
)
def test_a_job_is_what_its_tasks_are(counts: dict[str, int], state: JobState) -> None:
    assert job_state_of(**{"unfinished": 0, "failed": 0, "blocked": 0, "cancelled": 0} | counts) is state
