"""Attempts: what workers claim, keep alive and report."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Request, Response

from eas.contracts.scheduler import (
    AttemptView,
    ClaimRequest,
    ClaimResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    ReportRequest,
    ReportResponse,
)
from eas.contracts.values import Integer
from eas.http.disconnects import unless_gone
from eas.http.hot_route import HotRoute
from eas.http.responses import json_response
from eas_scheduler.handlers.dependencies import Reader, Scheduler, WorkerAccess
from eas_scheduler.handlers.examples import CLAIM, HEARTBEAT, REPORT

hot_router = APIRouter(prefix="/attempts", tags=["attempts"], route_class=HotRoute)
router = APIRouter(prefix="/attempts", tags=["attempts"])


@hot_router.post("/claim", summary="Claim attempts to run", operation_id="claim_attempts", response_model=ClaimResponse)
async def claim_attempts(
    body: Annotated[ClaimRequest, Body(examples=[CLAIM])],
    request: Request,
    scheduler: Scheduler,
    _principal: WorkerAccess,
) -> Response:
    """Take the oldest attempts that the worker can run; wait for the first one if there is none."""
    claim = scheduler.dispatch.claim(body)
    claimed = await (unless_gone(request, claim) if body.wait else claim)
    if claimed is not None and claimed.attempts and await request.is_disconnected():
        scheduler.dispatch.hand_back(body.worker_id, claimed.attempts)
    return json_response(claimed or ClaimResponse())


@hot_router.post(
    "/report", summary="Report how attempts ended", operation_id="report_attempts", response_model=ReportResponse
)
async def report_attempts(
    body: Annotated[ReportRequest, Body(examples=[REPORT])],
    request: Request,
    scheduler: Scheduler,
    _principal: WorkerAccess,
) -> Response:
    """Record reports, each by itself, and hand out new attempts in the same transaction.

    A report on an attempt that is no longer the worker's has the slug `attempt_closed` and changes nothing. What was
    handed out to a caller who did not wait for the answer goes back.
    """
    response = await scheduler.dispatch.report(body)
    if response.claimed is not None and response.claimed.attempts and await request.is_disconnected():
        scheduler.dispatch.hand_back(body.worker_id, response.claimed.attempts)
    return json_response(response)


@hot_router.post("/heartbeat", summary="Renew leases", operation_id="renew_leases", response_model=HeartbeatResponse)
async def renew_leases(
    request: Annotated[HeartbeatRequest, Body(examples=[HEARTBEAT])], scheduler: Scheduler, _principal: WorkerAccess
) -> Response:
    """Keep what a worker holds, and learn what it should stop."""
    return json_response(await scheduler.dispatch.beat(request))


@router.get("/{attempt_id}", summary="Show an attempt", operation_id="get_attempt")
async def get_attempt(
    attempt_id: Annotated[Integer, Path(examples=[17])], scheduler: Scheduler, _principal: Reader
) -> AttemptView:
    """Show one try at running a task: times, settings, what it read and made."""
    return await scheduler.views.get_attempt(attempt_id)
