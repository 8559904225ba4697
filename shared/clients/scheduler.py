"""The scheduler's operations, typed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import httpx
import orjson
from pydantic import BaseModel, TypeAdapter

from shared.clients.base import Model, ServiceClient, raise_for_error
from shared.clients.event_stream import read_events
from shared.clients.kept_connections import KeptConnections
from shared.contracts.containers import ContainerView, RegistryView, ResourcesView
from shared.contracts.diagnostics import (
    HostTable,
    JobEnd,
    JobFilter,
    ProgressTable,
    QueueContent,
    QueueTable,
    ResultTables,
    StateChange,
    Timeline,
    TroublePage,
    WhyView,
)
from shared.contracts.errors import UnavailableError
from shared.contracts.execution import ExecutionRules, TaskTypeRules
from shared.contracts.provenance import MAX_DEPTH, Direction, ProvenanceGraph, VerdictOutcome, VersionVerdict
from shared.contracts.queues import PurgeResult, RescheduleRequest, RescheduleResult
from shared.contracts.scheduler import (
    AttemptView,
    ClaimRequest,
    ClaimResponse,
    ExcuseRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    JobPage,
    JobPlan,
    JobView,
    ReportRequest,
    ReportResponse,
    ResultPage,
    RetryRequest,
    TaskPage,
    TaskRetryRequest,
    TaskTypeView,
    TaskView,
    WorkerAnnouncement,
    WorkerView,
    WorkerWelcome,
)
from shared.contracts.states import FailureReason, JobState

_DOCUMENT = TypeAdapter(dict[str, Any])
#: How much longer than the scheduler may wait the client waits for its answer [s].
PATIENCE = 10.0
#: A stream of events that is silent for so long is broken: the scheduler sends a comment every 15 s [s].
EVENT_SILENCE = 45.0

#: How long verbs on jobs of any size may take [s].
LONG = 300.0
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})

_WORKERS = TypeAdapter(list[WorkerView])
_TASK_TYPES = TypeAdapter(list[TaskTypeView])


class SchedulerClient(ServiceClient):
    """Client of the scheduler. See `ServiceClient` for its parameters and for what every call may raise."""

    def __init__(self, url: str, token: str | None, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__(url, token, transport=transport)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        kept = transport is None and KeptConnections.suits(url)
        self._kept = KeptConnections(url, headers) if kept else None

    async def close(self) -> None:
        """Close the connections."""
        if self._kept is not None:
            await self._kept.close()
        await super().close()

    async def announce(self, announcement: WorkerAnnouncement) -> WorkerWelcome:
        """Say that a worker is there and what it can run. Saying it again replaces what was said."""
        return await self._post(WorkerWelcome, "workers", announcement)

    async def dismiss(self, worker_id: str) -> None:
        """Declare a worker gone: what it holds is lost at once.

        Raises
        ------
        NotFoundError
            No such worker.
        """
        await self._send("DELETE", f"workers/{worker_id}")

    async def list_workers(self) -> list[WorkerView]:
        """List the workers that have announced themselves."""
        return self._read(_WORKERS.validate_json, await self._send("GET", "workers"))

    async def list_task_types(self) -> list[TaskTypeView]:
        """List the task types that jobs may name."""
        return self._read(_TASK_TYPES.validate_json, await self._send("GET", "task-types"))

    async def set_rules(self, task_type: str, rules: TaskTypeRules) -> TaskTypeRules:
        """Set the rules for the attempts of a task type, in place of those that were set before.

        Raises
        ------
        NotFoundError
            No worker has announced such a task type.
        """
        return await self._call(TaskTypeRules, "PUT", f"task-types/{quote(task_type, safe='')}/rules", body=rules)

    async def list_containers(self) -> RegistryView:
        """List the kinds of worker with what they can run, ask for and were given."""
        return await self._call(RegistryView, "GET", "containers")

    async def load_registry(self, registry: str | bytes) -> RegistryView:
        """Add the containers and task types of a registry in XML; what was assigned before stays.

        Raises
        ------
        InvalidInputError
            It is no registry; `problems` says all that is wrong with it, and nothing of it was taken.
        """
        typed = {"Content-Type": "application/xml"}
        return RegistryView.model_validate_json(await self._send_text("containers", registry, typed, method="PUT"))

    async def assign_resources(self, name: str, resources: ResourcesView) -> ContainerView:
        """Say what each worker of a container is given. Workers heed it when they start.

        Raises
        ------
        NotFoundError
            There is no such container.
        """
        return await self._call(ContainerView, "PUT", f"containers/{quote(name, safe='')}/assignment", body=resources)

    async def claim(self, request: ClaimRequest) -> ClaimResponse:
        """Ask for work, waiting up to ``request.wait`` seconds for the first attempt.

        Raises
        ------
        NotFoundError
            The scheduler does not know the worker: announce it again.
        """
        return await self._post(ClaimResponse, "attempts/claim", request, wait=request.wait)

    async def report(self, request: ReportRequest) -> ReportResponse:
        """Say how attempts ended, and claim further ones in the same round trip."""
        wait = request.claim.wait if request.claim else 0.0
        return await self._post(ReportResponse, "attempts/report", request, wait=20.0 + wait)

    async def beat(self, request: HeartbeatRequest) -> HeartbeatResponse:
        """Renew the leases of all attempts that a worker holds.

        Raises
        ------
        NotFoundError
            The scheduler does not know the worker: announce it again.
        """
        return await self._post(HeartbeatResponse, "attempts/heartbeat", request)

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

    async def cancel_job(self, job_id: int) -> JobView:
        """End everything of a job that has not ended."""
        return await self._call(JobView, "POST", f"jobs/{job_id}/cancel", read_timeout=LONG)

    async def pause_job(self, job_id: int) -> JobView:
        """Let nothing more of a job be handed out.

        Raises
        ------
        ConflictError
            It has ended.
        """
        return await self._call(JobView, "POST", f"jobs/{job_id}/pause", read_timeout=LONG)

    async def resume_job(self, job_id: int) -> JobView:
        """Go on with a paused job."""
        return await self._call(JobView, "POST", f"jobs/{job_id}/resume", read_timeout=LONG)

    async def retry_job(
        self,
        job_id: int,
        *,
        task_ids: Sequence[int] = (),
        reasons: Sequence[FailureReason] = (),
        settings: Mapping[str, Any] = MappingProxyType({}),
        execution: ExecutionRules | None = None,
    ) -> JobView:
        """Try again what failed: everything, or these tasks, or what ended for one of these reasons.

        Parameters
        ----------
        settings
            Task-specific keys to be used instead of the job's own from now on; None takes a change back.
        execution
            Rules to be used instead of the job's own from now on.

        Raises
        ------
        ConflictError
            A named task has neither failed nor been cancelled, or there is nothing to be changed.
        InvalidInputError
            The settings do not fit all of the tasks.
        """
        request = RetryRequest(
            task_ids=list(task_ids), reasons=list(reasons), settings=dict(settings), execution=execution
        )
        return await self._call(JobView, "POST", f"jobs/{job_id}/retry", body=request, read_timeout=LONG)

    async def cancel_task(self, task_id: int) -> TaskView:
        """End a task and all below it; what depends on them is blocked.

        Raises
        ------
        ConflictError
            It has ended already.
        """
        return await self._call(TaskView, "POST", f"tasks/{task_id}/cancel", read_timeout=LONG)

    async def retry_task(
        self,
        task_id: int,
        *,
        settings: Mapping[str, Any] = MappingProxyType({}),
        execution: ExecutionRules | None = None,
    ) -> TaskView:
        """Try a failed or cancelled task again; settings and rules are used instead of the job's own from now on.

        Raises
        ------
        ConflictError
            It has neither failed nor been cancelled.
        InvalidInputError
            The settings do not fit.
        """
        request = TaskRetryRequest(settings=dict(settings), execution=execution)
        return await self._call(TaskView, "POST", f"tasks/{task_id}/retry", body=request, read_timeout=LONG)

    async def excuse_task(self, task_id: int, excuse: str) -> TaskView:
        """Count a failed task as done, without results.

        Raises
        ------
        ConflictError
            It has not failed, or others need its files.
        """
        body = ExcuseRequest(excuse=excuse)
        return await self._call(TaskView, "POST", f"tasks/{task_id}/excuse", body=body, read_timeout=LONG)

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

    async def explain_task(self, task_id: int) -> WhyView:
        """Ask why a task stands where it does."""
        return await self._call(WhyView, "GET", f"tasks/{task_id}/why")

    async def get_progress(self, chosen: JobFilter) -> ProgressTable:
        """Count tasks by type and state."""
        return await self._call(ProgressTable, "GET", "diagnostics/progress", params=asdict(chosen))

    async def get_outcomes(
        self, chosen: JobFilter, *, after: str | None = None, limit: int | None = None
    ) -> ResultTables:
        """Tabulate the outcomes of done tasks."""
        params = {**asdict(chosen), "after": after, "limit": limit}
        return await self._call(ResultTables, "GET", "diagnostics/outcomes", params=params)

    async def get_timings(
        self, chosen: JobFilter, *, after: str | None = None, limit: int | None = None
    ) -> ResultTables:
        """Tabulate the times of attempts."""
        params = {**asdict(chosen), "after": after, "limit": limit}
        return await self._call(ResultTables, "GET", "diagnostics/timings", params=params)

    async def list_errors(
        self, chosen: JobFilter, *, before: int | None = None, limit: int | None = None
    ) -> TroublePage:
        """List the latest attempts that did not end well, newest last."""
        params = {**asdict(chosen), "before": before, "limit": limit}
        return await self._call(TroublePage, "GET", "diagnostics/errors", params=params)

    async def get_timeline(
        self, chosen: JobFilter, *, min_duration: float | None = None, limit: int | None = None
    ) -> Timeline:
        """List the latest attempts by worker and start; `min_duration` in seconds."""
        params = {**asdict(chosen), "min_duration": min_duration, "limit": limit}
        return await self._call(Timeline, "GET", "diagnostics/timeline", params=params)

    async def list_hosts(self) -> HostTable:
        """List the machines whose workers are here."""
        return await self._call(HostTable, "GET", "diagnostics/hosts")

    async def list_queues(self) -> QueueTable:
        """List the queues in which something waits."""
        return await self._call(QueueTable, "GET", "queues")

    async def get_queue(self, task_type: str) -> QueueContent:
        """Show the head of one queue.

        Raises
        ------
        NotFoundError
            There is no such task type.
        """
        return await self._call(QueueContent, "GET", f"queues/{quote(task_type, safe='')}")

    async def purge_queue(self, task_type: str) -> PurgeResult:
        """Cancel all that is queued of a task type; what depends on it is blocked, until it is rescheduled.

        Raises
        ------
        NotFoundError
            There is no such task type.
        """
        path = f"queues/{quote(task_type, safe='')}/purge"
        return await self._call(PurgeResult, "POST", path, read_timeout=LONG)

    async def reschedule(self, job_id: int | None = None, *, failed: bool = False) -> RescheduleResult:
        """Queue again what was purged; what is queued or running is left alone, so that twice is as good as once.

        Parameters
        ----------
        job_id
            In this job; None for all.
        failed
            Tasks that failed, too.

        Raises
        ------
        NotFoundError
            There is no such job.
        """
        path = "queues/reschedule" if job_id is None else f"jobs/{job_id}/reschedule"
        body = RescheduleRequest(failed=failed)
        return await self._call(RescheduleResult, "POST", path, body=body, read_timeout=LONG)

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
        timeout = httpx.Timeout(EVENT_SILENCE, connect=5.0)
        try:
            async with self._http.stream("GET", path, params=params, timeout=timeout) as response:
                if not response.is_success:
                    await response.aread()
                    raise_for_error(response)
                async for event in read_events(response.aiter_lines()):
                    if event is not None and event.name == "change":
                        yield self._read(StateChange.model_validate_json, event.data.encode())
                    elif event is not None and event.name == "end":
                        yield self._read(JobEnd.model_validate_json, event.data.encode())
                        return
        except httpx.HTTPError as error:
            raise UnavailableError(f"{self._http.base_url}{path}: {error or type(error).__name__}") from error
        raise UnavailableError(f"{self._http.base_url}{path}: the stream has ended")

    async def get_attempt(self, attempt_id: int) -> AttemptView:
        """Show one attempt."""
        return await self._call(AttemptView, "GET", f"attempts/{attempt_id}")

    async def trace_version(
        self, version_id: int, *, direction: Direction = Direction.BOTH, depth: int = MAX_DEPTH
    ) -> ProvenanceGraph:
        """Show what a version was made from, what was made from it, or both.

        Raises
        ------
        NotFoundError
            There is no such version.
        """
        query = {"direction": direction.value, "depth": depth}
        return await self._call(ProvenanceGraph, "GET", f"versions/{version_id}/provenance", params=query)

    async def trace_version_as_prov(
        self, version_id: int, *, direction: Direction = Direction.BOTH, depth: int = MAX_DEPTH
    ) -> dict[str, Any]:
        """Show the same as W3C PROV-JSON. Raises `NotFoundError`."""
        query = {"direction": direction.value, "depth": depth}
        content = await self._send("GET", f"versions/{version_id}/provenance/prov", params=query)
        return self._read(_DOCUMENT.validate_json, content)

    async def judge_version(self, version_id: int, *, passed: bool, reason: str) -> VerdictOutcome:
        """Accept or reject a version, and gate again what depends on it.

        Raises
        ------
        NotFoundError
            There is no such version.
        ConflictError
            It cannot be accepted.
        """
        body = VersionVerdict(passed=passed, reason=reason)
        return await self._call(VerdictOutcome, "POST", f"versions/{version_id}/verdicts", body=body)

    async def _post(self, model: type[Model], path: str, body: BaseModel, *, wait: float = 20.0) -> Model:
        if self._kept is None:
            return await self._call(model, "POST", path, body=body, read_timeout=wait + PATIENCE)
        answer = await self._kept.post(path, body.model_dump_json().encode(), wait + PATIENCE)
        if answer.status >= 300:
            raise_for_error(answer.to_response())
        return self._read(model.model_validate_json, answer.content)

    async def _send_text(
        self, path: str, document: str | bytes, headers: Mapping[str, str] = _NO_HEADERS, *, method: str = "POST"
    ) -> bytes:
        """Send text as it was written, broken or not: the service's error then names the place in the user's text."""
        text = document.encode() if isinstance(document, str) else document
        if self._kept is not None and method == "POST":
            answer = await self._kept.post(path, text, LONG, headers)
            if answer.status >= 300:
                raise_for_error(answer.to_response())
            return answer.content
        typed = {"Content-Type": "application/json", **headers}
        try:
            response = await self._http.request(
                method, path, content=text, headers=typed, timeout=httpx.Timeout(LONG, connect=5.0)
            )
        except httpx.HTTPError as error:
            raise UnavailableError(f"{self._http.base_url}{path}: {error or type(error).__name__}") from error
        raise_for_error(response)
        return response.content


def _with_mode(path: str, rerun: bool, reuse: bool) -> str:
    asked = [name for name, said in (("rerun=true", rerun), ("reuse=true", reuse)) if said]
    return f"{path}?{'&'.join(asked)}" if asked else path
