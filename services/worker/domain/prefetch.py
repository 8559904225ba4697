"""How much work to ask for: about a quarter of a second of it for each slot, judged by how long tasks took lately."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: Weight of the latest run in the moving average.
WEIGHT = 0.3

#: What a task costs a slot even if it does nothing [s].
SHORTEST = 1e-4


@dataclass(frozen=True, slots=True)
class SlotLoad:
    """What one slot has to do.

    Parameters
    ----------
    count
        Attempts given to it.
    work
        How long all of them should take [s].
    elapsed
        For how long the first has been running [s].
    """

    count: int = 0
    work: float = 0.0
    elapsed: float = 0.0


@dataclass(frozen=True, slots=True)
class Wish:
    """Task type to the most attempts wanted, and the most in all."""

    limits: dict[str, int]
    limit: int


class RunTimes:
    """Recent run times by task type.

    Parameters
    ----------
    horizon
        How much work a slot should have before it [s]. A type whose runs are longer is never prefetched.
    """

    def __init__(self, horizon: float = 0.25) -> None:
        self.horizon = horizon
        self._means: dict[str, float] = {}

    def observe(self, task_type: str, seconds: float) -> None:
        """Take note of how long a task occupied its slot. One long run makes a type long until short ones follow."""
        mean = self._means.get(task_type)
        if mean is None or seconds > self.horizon:
            self._means[task_type] = max(seconds, SHORTEST)
        else:
            self._means[task_type] = max((1 - WEIGHT) * mean + WEIGHT * seconds, SHORTEST)

    def estimate(self, task_type: str) -> float:
        """Guess how long a task will take [s]; the whole horizon where nothing is known."""
        mean = self._means.get(task_type)
        return self.horizon if mean is None else mean

    def is_short(self, task_type: str) -> bool:
        """Tell whether several tasks of this type fit into the horizon."""
        return self.estimate(task_type) < self.horizon

    def room(self, slot: SlotLoad) -> float:
        """Tell how much more work would keep a slot busy for the horizon [s]; the whole horizon where it is idle."""
        if not slot.count:
            return self.horizon
        if slot.elapsed > self.horizon:
            return 0.0
        return max(0.0, self.horizon - slot.work)

    def wish(self, task_types: Iterable[str], slots: Iterable[SlotLoad], waiting: Mapping[str, int], most: int) -> Wish:
        """Decide what to ask for.

        Parameters
        ----------
        task_types
            What the worker can run.
        slots
            What its slots are doing.
        waiting
            Attempts that it holds, or has asked for, and that no slot has yet, by task type.
        most
            The most attempts to ask for.
        """
        loads = list(slots)
        promised = sum(count * self.estimate(name) for name, count in waiting.items())
        room = sum(self.room(load) for load in loads) - promised
        idle = max(0, sum(not load.count for load in loads) - sum(waiting.values()))
        limits = {}
        for task_type in task_types:
            wanted = max(idle, math.floor(room / self.estimate(task_type))) if self.is_short(task_type) else idle
            if wanted > 0:
                limits[task_type] = min(wanted, most)
        return Wish(limits, max(limits.values(), default=0))
