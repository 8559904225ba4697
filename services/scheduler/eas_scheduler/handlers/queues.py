"""Queues: empty them, and fill them again. What is in them is among the diagnostics."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path

from eas.contracts.queues import PurgeResult, RescheduleRequest, RescheduleResult
from eas_scheduler.handlers.dependencies import Operator, Scheduler
from eas_scheduler.handlers.examples import RESCHEDULE

router = APIRouter(prefix="/queues", tags=["queues"])


@router.post("/reschedule", summary="Queue again what was purged, in all jobs", operation_id="reschedule_all")
async def reschedule_all(
    scheduler: Scheduler,
    _principal: Operator,
    body: Annotated[RescheduleRequest | None, Body(examples=[RESCHEDULE])] = None,
) -> RescheduleResult:
    """Give purged, and on request failed, tasks fresh attempts; what is queued or running is left alone."""
    return await scheduler.queues.reschedule(body or RescheduleRequest())


@router.post("/{task_type}/purge", summary="Empty a queue", operation_id="purge_queue")
async def purge_queue(
    task_type: Annotated[str, Path(examples=["transit_search_tls"])], scheduler: Scheduler, principal: Operator
) -> PurgeResult:
    """Cancel all that is queued of a type; what depends on it is blocked, until it is rescheduled."""
    return await scheduler.queues.purge(task_type, by=principal.name)
