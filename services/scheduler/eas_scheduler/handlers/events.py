"""Live events: state changes as a stream of server-sent events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response

from eas.contracts.diagnostics import JobEnd
from eas.contracts.values import Integer
from eas.http.event_stream import (
    MAX_EVENT_ID,
    STREAM_RESPONSE,
    EventStream,
    Occurrences,
    SentEvent,
    read_last_event_id,
)
from eas_scheduler.handlers.dependencies import Reader, Scheduler
from eas_scheduler.logic.events import Events, Follower

router = APIRouter(tags=["events"])

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="Go on after this event; browsers send it by themselves.")
]
After = Annotated[int | None, Query(ge=0, le=MAX_EVENT_ID, description="As `Last-Event-ID`, which wins.", examples=[0])]


@router.get(
    "/events",
    summary="Follow all state changes",
    operation_id="follow_events",
    response_class=Response,
    responses=STREAM_RESPONSE,
)
async def follow_events(
    scheduler: Scheduler, _principal: Reader, last_event_id: LastEventId = None, after: After = None
) -> Response:
    """Stream every change from now on, or after an event, as `change` events with a `StateChange` as data."""
    return await _open_stream(scheduler.events, None, last_event_id, after)


@router.get(
    "/jobs/{job_id}/events",
    summary="Follow a job's state changes",
    operation_id="follow_job",
    response_class=Response,
    responses=STREAM_RESPONSE,
)
async def follow_job(
    job_id: Annotated[Integer, Path(examples=[1])],
    scheduler: Scheduler,
    _principal: Reader,
    last_event_id: LastEventId = None,
    after: After = None,
) -> Response:
    """Stream the changes of a job from its first, or after an event; when it has ended, an `end` event closes it."""
    return await _open_stream(scheduler.events, job_id, last_event_id, after)


async def _open_stream(
    events: Events, job_id: int | None, last_event_id: str | None, after: int | None
) -> EventStream[Follower]:
    async def wait(follower: Follower) -> Occurrences:
        found = await follower.next(events.heartbeat)
        if isinstance(found, JobEnd):
            return Occurrences([SentEvent("end", found)], are_last=True)
        return Occurrences([SentEvent("change", change, change.event_id) for change in found])

    if last_event_id:
        after = read_last_event_id(last_event_id, "an event")
    return EventStream(events.follow(job_id, await events.find_start(job_id, after)), wait)
