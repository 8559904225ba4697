"""Why a job is not done, told by its tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from eas.client.suite.paging import turn_tree
from eas.contracts.states import JobState, TaskState

if TYPE_CHECKING:
    from eas.client.scheduler import SchedulerClient
    from eas.contracts.diagnostics import WhyView
    from eas.contracts.scheduler import JobView, TaskCounts, TaskLine

#: What keeps a job from being done, the most telling first.
TELLING_STATES = (
    TaskState.FAILED,
    TaskState.CANCELLED,
    TaskState.RUNNING,
    TaskState.QUEUED,
    TaskState.BLOCKED,
    TaskState.WAITING,
)


async def explain_job(scheduler: SchedulerClient, job: JobView, limit: int) -> list[WhyView]:
    """Explain up to `limit` of the tasks that keep a job from being done. Its tree is read as far as that needs."""
    if job.state is JobState.DONE:
        return []
    seen = Counter[TaskState]()
    found: dict[TaskState, list[TaskLine]] = {state: [] for state in TELLING_STATES}
    async with aclosing(turn_tree(scheduler, job.job_id)) as lines:
        async for line in lines:
            seen[line.state] += 1
            if line.state in found and not line.children and len(found[line.state]) < limit:
                found[line.state].append(line)
            if _is_enough(found, seen, job.counts, limit):
                break
    chosen = [line for state in TELLING_STATES for line in found[state]][:limit]
    return [await scheduler.explain_task(line.task_id) for line in chosen]


def _is_enough(
    found: Mapping[TaskState, Sequence[TaskLine]], seen: Counter[TaskState], counts: TaskCounts, limit: int
) -> bool:
    """Tell whether nothing that is yet to be seen would be among the first `limit`."""
    number = 0
    for state in TELLING_STATES:
        number += len(found[state])
        if number >= limit:
            return True
        if seen[state] < getattr(counts, state.value):
            return False
    return True
