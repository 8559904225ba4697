"""Decides from where on ids go on, after the scheduler was restored to an earlier moment."""

from __future__ import annotations

from dataclasses import dataclass

from eas.contracts.ids import KnownIds, LostTasks

#: So many ids are left unused behind those that are known: workers may hold some that no service has seen yet.
GAP = 10_000
JOB_GAP = 100


@dataclass(frozen=True)
class Resumption:
    """Where ids go on.

    Parameters
    ----------
    next_job, next_task, next_attempt
        The first ids that are given.
    lost_tasks
        Ids of tasks that the scheduler does not know, and that are not given any more.
    """

    next_job: int
    next_task: int
    next_attempt: int
    lost_tasks: LostTasks


def find_resumption(own: KnownIds, reserved: KnownIds, elsewhere: KnownIds, *, marked: bool) -> Resumption | None:
    """Say where ids go on; None where they can simply go on.

    No service can have seen an id that the scheduler has not committed before. So where another service knows a higher
    one, the scheduler is of an earlier moment than that service.

    Parameters
    ----------
    own
        The highest ids that the scheduler has.
    reserved
        The last ids that were set aside for it, whether they were given or not.
    elsewhere
        The highest ids that the other services have seen.
    marked
        Whether the scheduler's database was restored, and its ids were not compared since.
    """
    is_older = elsewhere.job > own.job or elsewhere.task > own.task or elsewhere.attempt > own.attempt
    if not (is_older or marked):
        return None
    highest = own.combine(reserved).combine(elsewhere)
    next_task = highest.task + 1 + GAP
    return Resumption(
        next_job=highest.job + 1 + JOB_GAP,
        next_task=next_task,
        next_attempt=highest.attempt + 1 + GAP,
        lost_tasks=LostTasks(first=own.task + 1, end=next_task),
    )
