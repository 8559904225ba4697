"""In which order queued attempts of one priority are claimed, so that jobs take turns.

This is start-time fair queueing (Goyal, Vin and Cheng 1996) with each job as one flow and each attempt as one unit of
cost. An attempt gets a start tag when it is queued, and the lowest tag is claimed first. Attempts of a job that are
queued together have successive tags, whatever their types, and a job that comes later begins at the tag that is claimed
next. So ten attempts behind twenty thousand of another job are claimed in turn with the next ten of those.

What is compared is what is queued: no state is kept besides the tags, and nothing is written when attempts are claimed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eas_scheduler.domain.attempt import QueuedAttempt

#: Parts of a room that together fill it may add up to a little more.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class QueueEnds:
    """The start tags in a queue, which is of one task type and one priority.

    Parameters
    ----------
    head, tail
        The lowest and the highest; None where the queue is empty.
    others
        The highest of the heads of the queues of other task types at the same priority, asked for where this queue is
        empty; None where those are empty, too.
    """

    head: int | None
    tail: int | None
    others: int | None = None


def find_first_tag(ends: QueueEnds, job_queued: int) -> int:
    """Find the start tag of the next attempt that a job puts into a queue; those after it have successive tags.

    Parameters
    ----------
    ends
        Of the queue before.
    job_queued
        How many attempts the job has queued, of any task type. The new one comes behind as many turns, but never
        behind what is queued later: then what a job has in queues that nobody serves does not hold it up elsewhere.
    """
    if ends.head is None or ends.tail is None:
        return ends.others or 0
    return min(ends.head + job_queued, ends.tail + 1)


def fill_room(wanted: Mapping[str, int], queued: Sequence[QueuedAttempt]) -> list[QueuedAttempt]:
    """Choose from what a worker could be given, in its order, no more than the worker has room for.

    What a worker wants of a type is what would fill all its room. So each attempt takes one part in so many of it: one
    that lasts for minutes takes a slot, and one that lasts for a millisecond hardly anything. What does not fit and all
    that comes later stays in the queues, where other workers find it.

    Parameters
    ----------
    wanted
        Task type to the most attempts of it.
    queued
        The first attempts of these types.
    """
    left = 1.0
    chosen: list[QueuedAttempt] = []
    for attempt in queued:
        share = 1.0 / wanted[attempt.task_type]
        if share > left + _ROUNDING and chosen:
            break
        left -= share
        chosen.append(attempt)
    return chosen
