"""What the loss of a worker says of the tasks that it held."""

from __future__ import annotations

import pytest

from eas.contracts.states import FailureReason
from eas_scheduler.domain.losses import Blame, Loss, LostTask, judge_losses
from eas_scheduler.domain.policies import RetryLimits, count_end, decide_retry

LIMITS = RetryLimits(attempts=2, losses=3, delay=1.0)


def judge(*tasks: LostTask) -> dict[int, Blame]:
    return {task_id: loss.blame for task_id, loss in judge_losses(tasks, 3).items()}


@pytest.mark.parametrize(
    ("tasks", "blames"),
    [
        ([LostTask(1, 1, 0)], {1: Blame.MUCH}),
        ([LostTask(1, 2, 4)], {1: Blame.SOME}),
        ([LostTask(1, 1, 0), LostTask(2, 1, 0)], {1: Blame.NONE, 2: Blame.NONE}),
        ([LostTask(1, 3, 0), LostTask(2, 1, 0)], {1: Blame.ALL, 2: Blame.NONE}),
        ([LostTask(1, 3, 1), LostTask(2, 1, 0)], {1: Blame.NONE, 2: Blame.NONE}),
        ([LostTask(1, 3, 0), LostTask(2, 3, 0)], {1: Blame.NONE, 2: Blame.NONE}),
        ([], {}),
    ],
)
def test_a_task_is_blamed_if_it_was_alone_or_there_each_time(tasks: list[LostTask], blames: dict[int, Blame]) -> None:
    assert judge(*tasks) == blames


def test_tasks_that_were_there_each_time_are_tried_again_one_after_the_other() -> None:
    losses = judge_losses([LostTask(7, 4, 0), LostTask(5, 4, 0), LostTask(6, 1, 0)], 3)
    pauses = {task_id: decide_retry(end(loss=loss), LIMITS).delay for task_id, loss in losses.items()}
    assert pauses == {5: 0.0, 6: 0.0, 7: 8.0}


def end(losses: int = 0, loss: Loss | None = None, strikes: int = 0):  # type: ignore[no-untyped-def]
    return count_end(FailureReason.LOST, strikes, losses, False, False, loss)


@pytest.mark.parametrize("before", [0, 5, 100])
def test_what_was_lost_with_others_is_always_tried_again_in_its_place_and_costs_nothing(before: int) -> None:
    ended = end(losses=2, loss=Loss(), strikes=before)
    assert (ended.strikes, ended.losses) == (before, 2)
    decision = decide_retry(ended, LIMITS)
    assert (decision.again, decision.keeps_place, decision.delay) == (True, True, 0.0)


def test_it_is_tried_again_whatever_its_rules_say() -> None:
    limits = RetryLimits(passing=frozenset({FailureReason.SCIENCE}))
    for blame in (Blame.NONE, Blame.SOME, Blame.MUCH):
        assert decide_retry(end(loss=Loss(blame)), limits).again
    assert not decide_retry(end(), limits).again, "its process was lost under it, and its worker was not"


def test_a_task_that_was_alone_each_time_is_quarantined() -> None:
    assert [decide_retry(end(losses=n, loss=Loss(Blame.MUCH)), LIMITS).again for n in range(4)] == [
        *(True, True, False, False)
    ]
    assert "quarantined: 3 workers" in decide_retry(end(losses=2, loss=Loss(Blame.MUCH)), LIMITS).why


def test_where_workers_are_lost_without_it_too_it_takes_three_times_as_many() -> None:
    assert decide_retry(end(losses=7, loss=Loss(Blame.SOME)), LIMITS).again
    assert not decide_retry(end(losses=8, loss=Loss(Blame.SOME)), LIMITS).again


def test_one_that_was_there_each_time_as_no_other_was_is_quarantined_at_once() -> None:
    decision = decide_retry(end(loss=Loss(Blame.ALL, times=3)), LIMITS)
    assert not decision.again
    assert "quarantined: 3 workers were lost while running it" in decision.why
