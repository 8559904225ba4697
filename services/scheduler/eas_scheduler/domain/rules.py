"""The rules by which attempts are made: what a task says, over what an operator has set for its type."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from eas.contracts.execution import ExecutionRules, TaskTypeRules
from eas_scheduler.domain.attempt import QueuedAttempt
from eas_scheduler.domain.job_language.flow_types import FLOW_TYPES

#: What an operator has set, by task type.
TypeRules = Mapping[str, TaskTypeRules]

NO_RULES = ExecutionRules()


def find_rules(own: Mapping[str, Any] | None, task_type: str, of_types: TypeRules) -> ExecutionRules:
    """Find the rules for a task.

    Parameters
    ----------
    own
        What its description and those around it say, as it is stored.
    task_type
        Its type.
    of_types
        What operators have set.
    """
    return complete_rules(NO_RULES if own is None else ExecutionRules.model_validate(own), task_type, of_types)


def complete_rules(own: ExecutionRules, task_type: str, of_types: TypeRules) -> ExecutionRules:
    """Fill what a task's rules do not say from those of its type."""
    of_type = of_types.get(task_type)
    if of_type is None:
        return own
    return of_type if own is NO_RULES else own.over(of_type)


def queue_attempt(
    attempt_id: int,
    *,
    task_id: int,
    job_id: int,
    task_type: str,
    rules: ExecutionRules,
    at: datetime,
    number: int = 1,
    delay: float = 0.0,
    memory_gb: float | None = None,
    undecided: bool = False,
    start_tag: int | None = None,
) -> QueuedAttempt:
    """Make an attempt that is to be queued at the time `at`.

    Parameters
    ----------
    delay
        Pause before anyone may claim it [s].
    memory_gb
        What it gets if that is not what the rules say, because an earlier attempt needed more.
    undecided
        Whether the scheduler looks first for something that it can adopt; flow control never adopts.
    start_tag
        Its place in the queue; None: the place that comes next to its job.
    """
    undecided = undecided and task_type not in FLOW_TYPES
    if rules is NO_RULES and not delay and memory_gb is None:
        return QueuedAttempt(attempt_id, task_id, job_id, number, task_type, undecided=undecided, start_tag=start_tag)
    begin = at + timedelta(seconds=delay)
    limit = None if task_type in FLOW_TYPES else rules.queue_timeout
    return QueuedAttempt(
        attempt_id,
        task_id,
        job_id,
        number,
        task_type,
        priority=rules.priority or 0,
        not_before=begin if delay else None,
        overdue_at=None if limit is None else begin + timedelta(seconds=limit),
        memory_gb=rules.memory_gb if memory_gb is None else memory_gb,
        undecided=undecided,
        start_tag=start_tag,
    )


def count_room(wanted: Mapping[str, int], leased: Mapping[str, int], of_types: TypeRules) -> dict[str, int]:
    """Bound what a claim wants of each type by how many more of it may run."""
    room = dict(wanted)
    for name, most in wanted.items():
        rules = of_types.get(name)
        if rules is not None and rules.max_running is not None:
            room[name] = max(0, min(most, rules.max_running - leased.get(name, 0)))
    return room
