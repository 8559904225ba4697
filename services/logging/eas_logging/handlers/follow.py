"""The live tail: records as a stream of server-sent events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response

from eas.contracts.logs import LogTail, SkippedRecords
from eas.http.auth import AccessScope, require
from eas.http.event_stream import STREAM_RESPONSE, EventStream, Occurrences, SentEvent, read_last_event_id
from eas_logging.handlers.dependencies import TailPart
from eas_logging.logic.tail import Follower

router = APIRouter(tags=["records"], dependencies=[Depends(require(AccessScope.READ))])

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="Go on after this record; browsers send it by themselves.")
]


async def _wait(follower: Follower) -> Occurrences:
    found = await follower.next()
    if isinstance(found, SkippedRecords):
        return Occurrences([SentEvent("skipped", found, found.until)])
    return Occurrences([SentEvent("record", record, record.record_id) for record in found])


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
    responses=STREAM_RESPONSE,
)
async def follow_records(
    query: Annotated[LogTail, Query()], tail: TailPart, last_event_id: LastEventId = None
) -> Response:
    """Follow log records."""
    after = query.after if "after" in query.model_fields_set else None
    if last_event_id:
        after = read_last_event_id(last_event_id, "a record")
    return EventStream(tail.follow(query, await tail.find_start(query, after)), _wait)
