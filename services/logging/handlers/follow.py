"""The live tail: records as a stream of server-sent events."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from starlette.types import Receive, Scope, Send

from services.logging.handlers.dependencies import TailPart
from services.logging.logic.tail import Follower, Tail
from shared.contracts.errors import InvalidInputError
from shared.contracts.logs import LogQuery, LogTail, SkippedRecords, StoredRecord
from shared.http.auth import AccessScope, require
from shared.http.disconnects import unless_gone

router = APIRouter(tags=["records"], dependencies=[Depends(require(AccessScope.READ))])

_MEDIA_TYPE = "text/event-stream"
_MOST_ID = 2**63 - 1

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="Go on after this record; browsers send it by themselves.")
]


class RecordStream(Response):
    """Sends what a follower gets until the reader disconnects or the service stops."""

    media_type = _MEDIA_TYPE

    def __init__(self, tail: Tail, query: LogQuery, after: int) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._tail = tail
        self._query = query
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": b"retry: 1000\n\n", "more_body": True})
        # Cancelled when the service stops: the stream ends in good order, and the reader goes on where it was.
        with self._tail.follow(self._query, self._after) as follower, suppress(asyncio.CancelledError):
            await _pass_on(follower, Request(scope, receive), send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _pass_on(follower: Follower, request: Request, send: Send) -> None:
    while (found := await unless_gone(request, follower.next())) is not None:
        body = _write_skipped(found) if isinstance(found, SkippedRecords) else _write_records(found)
        await send({"type": "http.response.body", "body": body, "more_body": True})


def _write_records(records: list[StoredRecord]) -> bytes:
    """Write records, or, where none came, a comment, which keeps proxies from closing the stream."""
    if not records:
        return b": nothing new\n\n"
    return "".join(
        f"id: {record.record_id}\nevent: record\ndata: {record.model_dump_json()}\n\n" for record in records
    ).encode()


def _write_skipped(skipped: SkippedRecords) -> bytes:
    return f"id: {skipped.until}\nevent: skipped\ndata: {skipped.model_dump_json()}\n\n".encode()


@router.get(
    "/records/follow",
    summary="Follow log records",
    description=(
        "Streams the records of a query as they arrive, from now on or after a record, as `record` events with a "
        "`StoredRecord` as data. When more waits for the reader than the service is ready to keep it waiting for, a "
        "`skipped` event with `SkippedRecords` says what it will not get. `limit` and `order` are not heeded."
    ),
    operation_id="follow_records",
    response_class=Response,
    responses={200: {"content": {_MEDIA_TYPE: {}}}},
)
async def follow_records(
    query: Annotated[LogTail, Query()], tail: TailPart, last_event_id: LastEventId = None
) -> Response:
    """Follow log records."""
    after = query.after if "after" in query.model_fields_set else None
    if last_event_id:
        if not (last_event_id.isascii() and last_event_id.isdigit() and int(last_event_id[:20]) <= _MOST_ID):
            raise InvalidInputError("expected the id of a record", where="header.Last-Event-ID")
        after = int(last_event_id)
    return RecordStream(tail, query, await tail.find_start(query, after))
