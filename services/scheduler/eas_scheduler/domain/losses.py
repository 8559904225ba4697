"""Whether a task is why its worker was lost: only where there is evidence is a loss held against it.

A worker may die of a task that it ran: of one that takes all the memory of the machine, for instance. More often it
dies of something else, and all that happened to run there is lost with it. It is evidence against a task that it was
alone on the worker, or that it was there each time that a worker was lost and no other task was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto


class Blame(Enum):
    """What the loss of a worker says of a task that it held."""

    NONE = auto()
    """Nothing: others were there as well, or the scheduler was away, too."""
    SOME = auto()
    """It was alone on the worker. But workers were also lost without it meanwhile."""
    MUCH = auto()
    """It was alone on the worker, and no worker was lost without it since the first time."""
    ALL = auto()
    """It was there each of several times, as no other task was."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What the loss of a worker means for one of the attempts that it held.

    Parameters
    ----------
    blame
        What it says of the task.
    position
        Where several tasks were there each time: how many of them are tried again before this one. So they part.
    times
        How many workers were lost under the task.
    """

    blame: Blame = Blame.NONE
    position: int = 0
    times: int = 1


@dataclass(frozen=True, slots=True)
class LostTask:
    """A task whose attempt was lost with its worker.

    Parameters
    ----------
    task_id
        The task.
    times
        How many workers were lost under it, this one included.
    times_without
        How many workers were lost without it since the first of these.
    """

    task_id: int
    times: int
    times_without: int


def judge_losses(tasks: Sequence[LostTask], limit: int) -> Mapping[int, Loss]:
    """Judge the loss of one worker.

    Parameters
    ----------
    tasks
        All that it held.
    limit
        A task that takes so many workers with it is quarantined.

    Returns
    -------
    Task id to what it means for the task.
    """
    if len(tasks) == 1:
        (task,) = tasks
        return {task.task_id: Loss(Blame.SOME if task.times_without else Blame.MUCH, times=task.times)}
    suspects = sorted(task.task_id for task in tasks if task.times >= limit and not task.times_without)
    found = {task.task_id: Loss(times=task.times) for task in tasks}
    if len(suspects) == 1:
        found[suspects[0]] = Loss(Blame.ALL, times=found[suspects[0]].times)
        return found
    for position, task_id in enumerate(suspects):
        found[task_id] = Loss(position=position, times=found[task_id].times)
    return found
