"""Live events: state changes as a stream of server-sent events."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from starlette.types import Receive, Scope, Send

from services.scheduler.handlers.dependencies import Reader, Scheduler
from services.scheduler.logic.events import Events, Follower
from shared.contracts.diagnostics import JobEnd, StateChange
from shared.contracts.errors import InvalidInputError
from shared.http.disconnects import unless_gone

router = APIRouter(tags=["events"])

_MEDIA_TYPE = "text/event-stream"
_MOST_ID = 2**63 - 1

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="Go on after this event; browsers send it by themselves.")
]
After = Annotated[int | None, Query(ge=0, le=_MOST_ID, description="As `Last-Event-ID`, which wins.", examples=[0])]


class EventStream(Response):
    """Sends what a follower gets until the listener disconnects, the job ends, or the service stops."""

    media_type = _MEDIA_TYPE

    def __init__(self, events: Events, job_id: int | None, after: int) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._job_id = job_id
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": b"retry: 1000\n\n", "more_body": True})
        # Cancelled when the service stops: the stream ends in good order, and the listener goes on where it was.
        with self._events.follow(self._job_id, self._after) as follower, suppress(asyncio.CancelledError):
            await self._pass_on(follower, Request(scope, receive), send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pass_on(self, follower: Follower, request: Request, send: Send) -> None:
        while True:
            found = await unless_gone(request, follower.next(self._events.heartbeat))
            if found is None:
                return
            body = _write_end(found) if isinstance(found, JobEnd) else _write_changes(found)
            await send({"type": "http.response.body", "body": body, "more_body": True})
            if isinstance(found, JobEnd):
                return


def _write_changes(changes: list[StateChange]) -> bytes:
    """Write changes, or, where nothing has happened, a comment, which keeps proxies from closing the stream."""
    if not changes:
        return b": nothing new\n\n"
    return "".join(
        f"id: {change.event_id}\nevent: change\ndata: {change.model_dump_json()}\n\n" for change in changes
    ).encode()


def _write_end(end: JobEnd) -> bytes:
    return f"event: end\ndata: {end.model_dump_json()}\n\n".encode()


@router.get(
    "/events",
    summary="Follow all state changes",
    operation_id="follow_events",
    response_class=Response,
    responses={200: {"content": {_MEDIA_TYPE: {}}}},
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
    responses={200: {"content": {_MEDIA_TYPE: {}}}},
)
async def follow_job(
    job_id: Annotated[int, Path(examples=[1])],
    scheduler: Scheduler,
    _principal: Reader,
    last_event_id: LastEventId = None,
    after: After = None,
) -> Response:
    """Stream the changes of a job from its first, or after an event; when it has ended, an `end` event closes it."""
    return await _open_stream(scheduler.events, job_id, last_event_id, after)


async def _open_stream(events: Events, job_id: int | None, last_event_id: str | None, after: int | None) -> EventStream:
    if last_event_id:
        if not (last_event_id.isascii() and last_event_id.isdigit() and int(last_event_id[:20]) <= _MOST_ID):
            raise InvalidInputError("expected the id of an event", where="header.Last-Event-ID")
        after = int(last_event_id)
    return EventStream(events, job_id, await events.find_start(job_id, after))
