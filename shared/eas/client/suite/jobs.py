"""Jobs: what became of a submitted document."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Self

from eas.client.suite.documents import NO_CHANGES, simplify
from eas.client.suite.downloads import Download, download_job
from eas.client.suite.explaining import explain_job
from eas.client.suite.facts import JobFacts
from eas.client.suite.paging import (
    MOST_RECORDS,
    gather_outcomes,
    gather_timings,
    list_products,
    list_records,
    list_results,
    list_tree,
)
from eas.client.suite.products import Product
from eas.client.suite.shown import Shown
from eas.client.suite.waiting import look_until_end
from eas.client.suite.watching import watch_job
from eas.contracts.diagnostics import JobEnd, JobFilter, ProgressTable, ResultTables, StateChange, WhyView
from eas.contracts.logs import LEVEL_NUMBERS, LogQuery, StoredRecord
from eas.contracts.scheduler import JobView, ResultView, TaskLine
from eas.contracts.states import FailureReason, LogLevel


class Job(Shown[JobView], JobFacts):
    """A submitted job."""

    async def refresh(self) -> Self:
        """Ask again how it stands."""
        self._view = await self._clients.scheduler.get_job(self.job_id)
        return self

    async def wait(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the user's wish, and the error says that the job goes on
        on_progress: Callable[[JobView], object] | None = None,
    ) -> Self:
        """Wait until it has ended, however it ended. A suite that is started again meanwhile is waited for, too.

        Parameters
        ----------
        timeout
            The longest to wait [s]; None for ever.
        on_progress
            Called twice a second with how it stands.

        Raises
        ------
        JobTimeoutError
            It was still running then, and goes on.
        UnavailableError
            The scheduler has not answered for a minute.
        """
        async with aclosing(self.look_until_end(timeout=timeout)) as looks:
            async for view in looks:
                if on_progress is not None:
                    on_progress(view)
        return self

    async def look_until_end(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as of wait
    ) -> AsyncGenerator[JobView, None]:
        """Go through looks at it, two a second, until it has ended. Raises what `wait` raises."""
        async with aclosing(look_until_end(self._clients.scheduler, self.job_id, timeout)) as looks:
            async for self._view in looks:
                yield self._view

    async def watch(self, *, after: int = 0) -> AsyncGenerator[StateChange | JobEnd, None]:
        """Go through its state changes, first to last and as they happen, until it has ended.

        No change is missed or told twice, also where the suite is started again meanwhile.

        Parameters
        ----------
        after
            Begin after the change of this `event_id`.

        Raises
        ------
        UnavailableError
            The scheduler has not answered for a minute.
        """
        async with aclosing(watch_job(self._clients.scheduler, self.job_id, after)) as changes:
            async for change in changes:
                if isinstance(change, JobEnd):
                    await self.refresh()
                yield change

    async def document(self) -> dict[str, Any]:
        """Show the document that it was made from."""
        return await self._clients.scheduler.get_job_document(self.job_id)

    async def tree(self, *, depth: int | None = None, running: bool = False) -> list[TaskLine]:
        """List its tasks in pre-order, `depth` levels below its root; all for None.

        With `running`, only those that run, and the tasks above them.
        """
        return await list_tree(self._clients.scheduler, self.job_id, max_depth=depth, running=running)

    async def results(self, *, task_type: str | None = None) -> list[ResultView]:
        """List what its finished tasks (of one type) found."""
        return await list_results(self._clients.scheduler, self.job_id, task_type=task_type)

    async def why(self, *, limit: int = 10) -> list[WhyView]:
        """Ask why it is not done: for up to `limit` tasks, first those that failed, then those that are yet to end.

        Flow control, which only follows its tasks, is left out. A done job gives an empty list.
        """
        await self.refresh()
        return await explain_job(self._clients.scheduler, self.view, limit)

    async def progress(self) -> ProgressTable:
        """Count its tasks by type and state."""
        return await self._clients.scheduler.get_progress(JobFilter(self.job_id))

    async def outcomes(self) -> ResultTables:
        """Tabulate what its tasks inherited against PASS, FAIL and UNDEFINED."""
        return await gather_outcomes(self._clients.scheduler, JobFilter(self.job_id))

    async def timings(self) -> ResultTables:
        """Tabulate what its tasks inherited against the run times of their attempts [s]."""
        return await gather_timings(self._clients.scheduler, JobFilter(self.job_id))

    async def logs(self, *, level: LogLevel = LogLevel.DEBUG, limit: int | None = MOST_RECORDS) -> list[StoredRecord]:
        """List what its tasks logged, oldest first: the latest `limit` records of this level and above."""
        query = LogQuery(job_id=self.job_id, min_level=LEVEL_NUMBERS[level])
        return await list_records(self._clients.log_service, query, limit)

    async def outputs(self, *, glob: str | None = None) -> list[Product]:
        """List its products, also those that are only planned; `glob` chooses by filename, such as ``*.png``."""
        found = await list_products(self._clients.product_store, glob=glob, job_id=self.job_id)
        return [Product(self._clients, view) for view in found]

    async def download(self, folder: Path | str, *, glob: str | None = None) -> list[Download]:
        """Fetch the latest versions of its products into a folder, which is made if it is missing.

        They keep their filenames; where the job wrote into several directories, these too.

        Raises
        ------
        DamagedError
            Stored bytes are damaged, or were on the way.
        FileError
            A file cannot be written.
        """
        return await download_job(self._clients.product_store, self.job_id, Path(folder), glob=glob)

    async def cancel(self) -> Self:
        """End everything of it that has not ended."""
        self._view = await self._clients.scheduler.cancel_job(self.job_id)
        return self

    async def pause(self) -> Self:
        """Let nothing more of it be handed out; what runs goes on.

        Raises
        ------
        ConflictError
            It has ended.
        """
        self._view = await self._clients.scheduler.pause_job(self.job_id)
        return self

    async def resume(self) -> Self:
        """Go on with it, if it is paused."""
        self._view = await self._clients.scheduler.resume_job(self.job_id)
        return self

    async def retry(
        self,
        *,
        task_ids: Sequence[int] = (),
        reasons: Sequence[FailureReason] = (),
        settings: Mapping[str, Any] = NO_CHANGES,
    ) -> Self:
        """Try again what failed: everything, or these tasks, or what ended for one of these reasons.

        Parameters
        ----------
        settings
            Task-specific keys to be used instead of the job's own from now on; None takes a change back.

        Raises
        ------
        ConflictError
            A named task has neither failed nor been cancelled, or there is nothing to be changed.
        InvalidInputError
            The settings do not fit all of the tasks.
        """
        self._view = await self._clients.scheduler.retry_job(
            self.job_id, task_ids=task_ids, reasons=reasons, settings=simplify(settings, "settings")
        )
        return self

    async def reschedule(self, *, failed: bool = False) -> Self:
        """Queue again what was purged of it, and with `failed` also what failed. Twice is as good as once."""
        await self._clients.scheduler.reschedule(self.job_id, failed=failed)
        return await self.refresh()

    async def excuse(self, task_id: int, excuse: str) -> Self:
        """Count a failed task of it as done, without results; `excuse` says why that may be.

        Raises
        ------
        ConflictError
            It has not failed, or others need its files.
        """
        await self._clients.scheduler.excuse_task(task_id, excuse)
        return await self.refresh()
