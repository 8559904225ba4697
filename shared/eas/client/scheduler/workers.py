"""What workers say, and what operators say of workers."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import TypeAdapter

from eas.client.scheduler.connection import SchedulerConnection
from eas.contracts.containers import ContainerView, RegistryView, ResourcesView
from eas.contracts.execution import TaskTypeRules
from eas.contracts.scheduler import (
    ClaimRequest,
    ClaimResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    ReportRequest,
    ReportResponse,
    TaskTypeView,
    WorkerAnnouncement,
    WorkerView,
    WorkerWelcome,
)

_WORKERS = TypeAdapter(list[WorkerView])
_TASK_TYPES = TypeAdapter(list[TaskTypeView])


class WorkerCalls(SchedulerConnection):
    """What workers say, and what operators say of workers."""

    async def announce(self, announcement: WorkerAnnouncement) -> WorkerWelcome:
        """Say that a worker is there and what it can run. Saying it again replaces what was said."""
        return await self._post(WorkerWelcome, "workers", announcement)

    async def dismiss(self, worker_id: str, *, in_good_order: bool = False) -> None:
        """Declare a worker gone: what it holds is lost at once, or handed back where it leaves in good order.

        Raises
        ------
        NotFoundError
            No such worker.
        """
        query = {"in_good_order": "true"} if in_good_order else None
        await self._send("DELETE", f"workers/{worker_id}", params=query)

    async def drain(self, worker_id: str) -> None:
        """Let a worker stop in good order; it hears of it with its next heartbeat. Needs the scope operate.

        Raises
        ------
        NotFoundError
            No such worker, or it is gone.
        """
        await self._send("POST", f"workers/{worker_id}/drain")

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
