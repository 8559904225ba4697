"""Workers: announce, list, dismiss."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query

from eas.contracts.scheduler import WorkerAnnouncement, WorkerView, WorkerWelcome
from eas_scheduler.handlers.dependencies import Operator, Reader, Scheduler, WorkerAccess
from eas_scheduler.handlers.examples import ANNOUNCEMENT

router = APIRouter(prefix="/workers", tags=["workers"])


@router.post("", summary="Announce a worker", operation_id="announce_worker")
async def announce_worker(
    announcement: Annotated[WorkerAnnouncement, Body(examples=[ANNOUNCEMENT])],
    scheduler: Scheduler,
    _principal: WorkerAccess,
) -> WorkerWelcome:
    """Say who a worker is and what it can run. Announcing it again replaces what was said."""
    return await scheduler.dispatch.announce(announcement)


@router.get("", summary="List workers", operation_id="list_workers")
async def list_workers(scheduler: Scheduler, _principal: Reader) -> list[WorkerView]:
    """List workers with when they were last heard and how much they hold."""
    return await scheduler.views.list_workers()


@router.post("/{worker_id}/drain", status_code=204, summary="Let a worker stop", operation_id="drain_worker")
async def drain_worker(
    worker_id: Annotated[str, Path(examples=["node7-4711"])], scheduler: Scheduler, _principal: Operator
) -> None:
    """Let a worker take nothing more, finish or hand back what it has, and end, as SIGTERM would.

    It hears of it with its next heartbeat.
    """
    await scheduler.dispatch.drain(worker_id)


@router.delete("/{worker_id}", status_code=204, summary="Declare a worker gone", operation_id="dismiss_worker")
async def dismiss_worker(
    worker_id: Annotated[str, Path(examples=["node7-4711"])],
    scheduler: Scheduler,
    _principal: WorkerAccess,
    in_good_order: Annotated[bool, Query(description="What it still holds was handed back, not lost.")] = False,
) -> None:
    """End the worker's leases at once instead of waiting for them to expire; its tasks are tried again.

    A worker does this for itself when it stops, and whoever started it when it died.
    """
    await scheduler.dispatch.dismiss(worker_id, in_good_order=in_good_order)
