"""Submitting jobs, looking at them and following them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import orjson

from eas.client.event_stream import read_events
from eas.client.scheduler.connection import PATIENCE, SchedulerConnection
from eas.contracts.diagnostics import JobEnd, StateChange
from eas.contracts.errors import UnavailableError
from eas.contracts.scheduler import AttemptView, JobPage, JobPlan, JobView, ResultPage, TaskPage, TaskView
from eas.contracts.states import JobState

#: A stream of events that is silent for so long is broken: the scheduler sends a comment every 15 s [s].
EVENT_SILENCE = 45.0


class JobCalls(SchedulerConnection):
    """Submitting jobs, looking at them and following them."""

    async def submit_job(
        self, document: str | bytes, *, idempotency_key: str | None = None, rerun: bool = False, reuse: bool = False
    ) -> JobView:
        """Submit a job: its JSON text as the user wrote it.

        Parameters
        ----------
        document
            The text.
        idempotency_key
            Up to 128 printable characters. Submitting the same document again under the same key returns the first job.
        rerun
            Make new versions of the job's products that exist already, which is refused otherwise.
        reuse
            Let tasks adopt what equal attempts made, instead of running.

        Raises
        ------
        InvalidJsonError
            The text is not JSON.
        InvalidJobError
            The job cannot be run; `problems` says all that is wrong with it.
        ProductExistsError
            Products of it exist already, or, for a re-run, are still being made; `problems` lists them.
        ConflictError
            The key was used for another document, or with another `rerun` or `reuse`.
        """
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        path = _with_mode("jobs", rerun, reuse)
        return self._read(JobView.model_validate_json, await self._send_text(path, document, headers))

    async def plan_job(self, document: str | bytes, *, rerun: bool = False, reuse: bool = False) -> JobPlan:
        """Ask what submitting a job would make. Raises what `submit_job` would raise; changes nothing."""
        return self._read(
            JobPlan.model_validate_json, await self._send_text(_with_mode("jobs/plan", rerun, reuse), document)
        )

    async def list_jobs(
        self,
        *,
        name: str | None = None,
        state: JobState | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> JobPage:
        """List jobs, newest first."""
        params = {"name": name, "state": state and state.value, "before": before, "limit": limit}
        return await self._call(JobPage, "GET", "jobs", params=params)

    async def get_job(self, job_id: int, *, wait: float | None = None) -> JobView:
        """Show a job, waiting up to `wait` seconds for its end."""
        timeout = None if wait is None else wait + PATIENCE
        return await self._call(JobView, "GET", f"jobs/{job_id}", params={"wait": wait}, read_timeout=timeout)

    async def get_job_document(self, job_id: int) -> dict[str, Any]:
        """Show the document that a job was made from."""
        document: dict[str, Any] = orjson.loads(await self._send("GET", f"jobs/{job_id}/document"))
        return document

    async def get_tree(
        self,
        job_id: int,
        *,
        root: int | None = None,
        max_depth: int | None = None,
        running: bool = False,
        after: str | None = None,
        limit: int | None = None,
    ) -> TaskPage:
        """List a job's tasks in pre-order, from `root` or the job's own root down to `max_depth` levels below it.

        With `running`, only those that run, and the tasks above them.
        """
        params = {"root": root, "max_depth": max_depth, "after": after, "limit": limit, "running": running or None}
        return await self._call(TaskPage, "GET", f"jobs/{job_id}/tree", params=params)

    async def get_results(
        self, job_id: int, *, task_type: str | None = None, after: int | None = None, limit: int | None = None
    ) -> ResultPage:
        """List the outcomes of a job's finished tasks."""
        params = {"task_type": task_type, "after": after, "limit": limit}
        return await self._call(ResultPage, "GET", f"jobs/{job_id}/results", params=params)

    async def get_task(self, task_id: int) -> TaskView:
        """Show a task with its attempts."""
        return await self._call(TaskView, "GET", f"tasks/{task_id}")

    async def get_attempt(self, attempt_id: int) -> AttemptView:
        """Show one attempt."""
        return await self._call(AttemptView, "GET", f"attempts/{attempt_id}")

    async def follow(
        self, job_id: int | None = None, *, after: int | None = None
    ) -> AsyncGenerator[StateChange | JobEnd, None]:
        """Follow state changes as they happen: of a job until it has ended, or, for None, of all for ever.

        Parameters
        ----------
        job_id
            Which job.
        after
            Go on after this event; by default a job is followed from its first change, and all from now on.

        Raises
        ------
        NotFoundError
            There is no such job.
        UnavailableError
            The stream broke off; follow again after the last event that came.
        """
        path = "events" if job_id is None else f"jobs/{job_id}/events"
        params = {} if after is None else {"after": after}
        async with self._stream(path, params=params, read_timeout=EVENT_SILENCE) as response:
            async for event in read_events(response.aiter_lines()):
                if event is not None and event.name == "change":
                    yield self._read(StateChange.model_validate_json, event.data.encode())
                elif event is not None and event.name == "end":
                    yield self._read(JobEnd.model_validate_json, event.data.encode())
                    return
        raise UnavailableError(f"{self.url}{path}: the stream has ended")


def _with_mode(path: str, rerun: bool, reuse: bool) -> str:
    asked = [name for name, said in (("rerun=true", rerun), ("reuse=true", reuse)) if said]
    return f"{path}?{'&'.join(asked)}" if asked else path
