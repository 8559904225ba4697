"""Answers why a task stands where it does."""

from __future__ import annotations

from typing import Protocol

from eas.contracts.diagnostics import WhyView
from eas_scheduler.domain.why import TaskFacts, WhyRules, explain
from eas_scheduler.logic.ports import Clock


class FactsReader(Protocol):
    """Looks up what bears on one task."""

    async def find_facts(self, task_id: int) -> TaskFacts:
        """Fetch the facts. Raises `NotFoundError`."""


class Explanation:
    """Explains tasks."""

    def __init__(self, facts: FactsReader, clock: Clock, rules: WhyRules) -> None:
        self._facts = facts
        self._clock = clock
        self._rules = rules

    async def explain(self, task_id: int) -> WhyView:
        """Say why a task stands where it does.

        Raises
        ------
        NotFoundError
            There is no such task.
        """
        return explain(await self._facts.find_facts(task_id), self._clock(), self._rules)
