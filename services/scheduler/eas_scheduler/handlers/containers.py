"""Worker containers: the registry, and what each kind of worker was given."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Request

from eas.contracts.containers import ContainerView, RegistryView, ResourcesView
from eas.http.bodies import read_bounded
from eas_scheduler.domain.containers import Resources, read_registry
from eas_scheduler.handlers.dependencies import Operator, Reader, Scheduler
from eas_scheduler.handlers.examples import REGISTRY

router = APIRouter(prefix="/containers", tags=["containers"])

MAX_REGISTRY_BYTES = 4 * 2**20
_BODY = {
    "requestBody": {
        "required": True,
        "description": "A task-type registry.",
        "content": {"application/xml": {"schema": {"type": "string"}, "example": REGISTRY}},
    }
}


@router.get("", summary="List containers", operation_id="list_containers")
async def list_containers(scheduler: Scheduler, _principal: Reader) -> RegistryView:
    """List the kinds of worker with what they can run, ask for and were given."""
    return await scheduler.containers.list_all()


@router.put("", summary="Load a registry", operation_id="load_registry", openapi_extra=_BODY)
async def load_registry(request: Request, scheduler: Scheduler, _principal: Operator) -> RegistryView:
    """Add the containers and task types of a registry. Assignments that are there stay."""
    return await scheduler.containers.load(read_registry(await read_bounded(request, MAX_REGISTRY_BYTES)))


@router.put("/{name:path}/assignment", summary="Assign resources", operation_id="assign_resources")
async def assign_resources(
    name: Annotated[str, Path(examples=["eas_worker_tls"])],
    resources: Annotated[ResourcesView, Body(examples=[{"cpu": 20, "gpu": 0, "memory_gb": 16}])],
    scheduler: Scheduler,
    _principal: Operator,
) -> ContainerView:
    """Say what each worker of a kind was given. Its workers heed it when they start; 0 GB of memory is no limit."""
    return await scheduler.containers.assign(name, Resources(**resources.model_dump()))
