"""How much work to ask for: about a quarter of a second of it for each slot, judged by how long tasks took lately.

To this comes, by task type, how long it took lately to bring the inputs. So the next inputs are there when a slot is
done; and of long tasks one is asked for ahead, when the one that runs is about to end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: Weight of the latest run in the moving average.
WEIGHT = 0.3

#: What a task costs a slot even if it does nothing [s].
SHORTEST = 1e-4

#: After a run that made a worker hand back what waited behind it, nothing waits behind its type for so many runs, and
#: each further time for twice as many, up to a bound.
FIRST_CAUTION, MOST_CAUTION = 16, 4096

#: However long inputs take, work is not asked for earlier than this before a slot needs it, besides the horizon [s].
LONGEST_LEAD = 5.0


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
    first
        How long the first should take [s]; infinity where nobody knows.
    steady
        Whether attempts of the first one's type end when they should, as far as is known.
    """

    count: int = 0
    work: float = 0.0
    elapsed: float = 0.0
    first: float = 0.0
    steady: bool = True


@dataclass(frozen=True, slots=True)
class ClaimDemand:
    """Task type to the most attempts wanted, and the most in all."""

    per_type: dict[str, int]
    total: int


class RunTimes:
    """Recent run times by task type.

    Parameters
    ----------
    horizon
        How much work a slot should have before it, when its inputs are there [s].
    """

    def __init__(self, horizon: float = 0.25) -> None:
        self.horizon = horizon
        self._means: dict[str, float] = {}
        self._leads: dict[str, float] = {}
        self._cautions: dict[str, int] = {}
        self._runs_left: dict[str, int] = {}

    def observe(self, task_type: str, seconds: float) -> None:
        """Take note of how long a task occupied its slot. One long run makes a type long until short ones follow."""
        if self._runs_left.get(task_type, 0) > 0:
            self._runs_left[task_type] -= 1
        mean = self._means.get(task_type)
        if mean is None or seconds > self.horizon:
            self._means[task_type] = max(seconds, SHORTEST)
        else:
            self._means[task_type] = max((1 - WEIGHT) * mean + WEIGHT * seconds, SHORTEST)

    def observe_delay(self, task_type: str) -> None:
        """Take note that what waited behind a run of this type had to be handed back: it took longer than expected."""
        caution = min(2 * self._cautions.get(task_type, FIRST_CAUTION // 2), MOST_CAUTION)
        self._cautions[task_type] = self._runs_left[task_type] = caution

    def is_steady(self, task_type: str) -> bool:
        """Tell whether work may wait behind attempts of this type."""
        return not self._runs_left.get(task_type)

    def estimate(self, task_type: str) -> float:
        """Guess how long a task will take [s]; the whole horizon where nothing is known."""
        mean = self._means.get(task_type)
        return self.horizon if mean is None else mean

    def expect(self, task_type: str) -> float:
        """Tell how long a task will take [s]; infinity where nothing is known."""
        return self._means.get(task_type, math.inf)

    def observe_fetch(self, task_type: str, seconds: float) -> None:
        """Take note of how long it took to bring a task's inputs."""
        lead = self._leads.get(task_type, seconds)
        self._leads[task_type] = min((1 - WEIGHT) * lead + WEIGHT * seconds, LONGEST_LEAD)

    def ahead(self, task_type: str) -> float:
        """Tell how much work of this type a slot should have before it [s]."""
        return self.horizon + self._leads.get(task_type, 0.0)

    def is_short(self, task_type: str) -> bool:
        """Tell whether several tasks of this type fit into what a slot should have before it."""
        return self.is_steady(task_type) and self.expect(task_type) < self.ahead(task_type)

    def remaining(self, slot: SlotLoad) -> float:
        """Tell for how long a slot has work [s]; infinity where its task runs for longer than it should."""
        if not slot.count:
            return 0.0
        if not slot.steady or slot.elapsed > max(self.horizon, slot.first):
            return math.inf
        return math.inf if slot.first == math.inf else slot.work - min(slot.elapsed, slot.first)

    def room(self, slot: SlotLoad, task_type: str) -> float:
        """Tell how much more work of this type would keep a slot busy for as long as wanted [s]."""
        return max(0.0, self.ahead(task_type) - self.remaining(slot))

    def choose_demand(
        self, task_types: Iterable[str], slots: Iterable[SlotLoad], waiting: Mapping[str, int], most: int
    ) -> ClaimDemand:
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
        remaining = [self.remaining(load) for load in loads]
        last = [left for left, load in zip(remaining, loads, strict=True) if load.count == 1]
        free = sum(not load.count for load in loads) - sum(waiting.values())
        due = sum(left < self.horizon for left in last)
        limits = {}
        for task_type in task_types:  # with every report: most types are known by neither run nor fetch
            mean, lead = self._means.get(task_type), self._leads.get(task_type)
            ahead = self.horizon if lead is None else self.horizon + lead
            if mean is not None and mean < ahead and self.is_steady(task_type):
                promised = sum(count * min(self.estimate(name), ahead) for name, count in waiting.items())
                room = sum(ahead - left for left in remaining if left < ahead) - promised
                wanted = max(free, math.floor(room / mean))
            else:
                wanted = free + (due if lead is None else sum(left < ahead for left in last))
            if wanted > 0:
                limits[task_type] = min(wanted, most)
        return ClaimDemand(limits, max(limits.values(), default=0))
