"""Start tags, and how much of a queue one claim takes."""

from __future__ import annotations

import pytest

from eas_scheduler.domain.attempt import QueuedAttempt
from eas_scheduler.domain.fair_order import QueueEnds, fill_room, find_first_tag


@pytest.mark.parametrize(
    ("ends", "job_queued", "tag"),
    [
        (QueueEnds(None, None), 0, 0),
        (QueueEnds(None, None, others=40), 7, 40),
        (QueueEnds(40, 20_000), 0, 40),
        (QueueEnds(40, 20_000), 100, 140),
        (QueueEnds(40, 60), 100, 61),
    ],
)
def test_a_job_begins_where_the_queue_is_and_never_behind_its_end(ends: QueueEnds, job_queued: int, tag: int) -> None:
    assert find_first_tag(ends, job_queued) == tag


def queue(*task_types: str) -> list[QueuedAttempt]:
    return [QueuedAttempt(number, number, 1, 1, task_type) for number, task_type in enumerate(task_types)]


@pytest.mark.parametrize(
    ("wanted", "task_types", "taken"),
    [
        ({"long": 1, "short": 100}, ["long", "short"], 1),
        ({"long": 1, "short": 100}, ["short", "short", "long"], 2),
        ({"long": 2, "short": 100}, ["short", "long", "long"], 2),
        ({"long": 3, "short": 100}, ["long"] * 5, 3),
        ({"long": 7}, ["long"] * 7, 7),
        ({"a": 10, "b": 20}, ["a"] * 5 + ["b"] * 15, 15),
        ({"long": 1}, ["long"], 1),
        ({"long": 1}, [], 0),
    ],
)
def test_a_claim_takes_what_fills_the_room_in_the_order_of_the_queue(
    wanted: dict[str, int], task_types: list[str], taken: int
) -> None:
    attempts = queue(*task_types)
    assert fill_room(wanted, attempts) == attempts[:taken]
