"""Which of several schedulers leads."""

from __future__ import annotations

from fastapi import APIRouter

from eas.contracts.replicas import LeadershipView
from eas_scheduler.handlers.dependencies import Reader, Scheduler

router = APIRouter(tags=["replicas"])


@router.get("/leadership", summary="Which scheduler leads", operation_id="get_leadership")
async def get_leadership(scheduler: Scheduler, _principal: Reader) -> LeadershipView:
    """Tell which of the schedulers on this database reaps, relays and expands, and until when unless it says so again.

    All of them serve requests.
    """
    found = await scheduler.leadership.find()
    if found is None:
        return LeadershipView(leads=scheduler.leads)
    return LeadershipView(holder=found.holder, fence=found.fence, expires_at=found.expires_at, leads=scheduler.leads)
