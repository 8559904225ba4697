"""Single tasks of a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from eas.client.suite.documents import NO_CHANGES, simplify
from eas.client.suite.facts import TaskFacts
from eas.client.suite.paging import MOST_RECORDS, list_records
from eas.client.suite.shown import Shown
from eas.contracts.logs import LEVEL_NUMBERS, LogQuery, StoredRecord
from eas.contracts.scheduler import TaskView
from eas.contracts.states import LogLevel

if TYPE_CHECKING:
    from eas.contracts.diagnostics import WhyView


class Task(Shown[TaskView], TaskFacts):
    """A task of a job."""

    async def refresh(self) -> Self:
        """Ask again how it stands."""
        self._view = await self._clients.scheduler.get_task(self.task_id)
        return self

    async def why(self) -> WhyView:
        """Ask why it stands where it does; `words` is for people."""
        return await self._clients.scheduler.explain_task(self.task_id)

    async def cancel(self) -> Self:
        """End it and all below it; what depends on them is blocked.

        Raises
        ------
        ConflictError
            It has ended already.
        """
        self._view = await self._clients.scheduler.cancel_task(self.task_id)
        return self

    async def retry(self, *, settings: Mapping[str, Any] = NO_CHANGES) -> Self:
        """Try it again; `settings` are used instead of the job's own from now on.

        Raises
        ------
        ConflictError
            It has neither failed nor been cancelled.
        InvalidInputError
            The settings do not fit.
        """
        changes = simplify(settings, "settings")
        self._view = await self._clients.scheduler.retry_task(self.task_id, settings=changes)
        return self

    async def excuse(self, excuse: str) -> Self:
        """Count it as done, without results, although it failed; `excuse` says why that may be.

        Raises
        ------
        ConflictError
            It has not failed, or others need its files.
        """
        self._view = await self._clients.scheduler.excuse_task(self.task_id, excuse)
        return self

    async def logs(self, *, level: LogLevel = LogLevel.DEBUG, limit: int | None = MOST_RECORDS) -> list[StoredRecord]:
        """List what its attempts logged, oldest first: the latest `limit` records of this level and above."""
        query = LogQuery(task_id=self.task_id, min_level=LEVEL_NUMBERS[level])
        return await list_records(self._clients.log_service, query, limit)
