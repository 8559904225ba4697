"""Taking records in over HTTP."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from eas.contracts.logs import IngestResponse
from eas.http.auth import AccessScope, require
from eas_logging.handlers.dependencies import IngestionPart
from eas_logging.handlers.record_body import RECORD_BODY, BatchBody

router = APIRouter(tags=["records"])


@router.post(
    "/records",
    summary="Store log records",
    description=(
        "Stores a batch of records; when the answer arrives they are durable. A record is named by its attempt, stream "
        "and sequence: one that is there already is counted as repeated and changes nothing, so a batch may be sent "
        "again whenever its fate is unknown. Over-long texts are cut, with a mark, never refused. "
        "One invalid record makes the whole batch invalid, and then nothing of it is stored. The body is JSON, or one "
        "record a line (`application/x-ndjson`), either of them also with `Content-Encoding: gzip`. When more waits to "
        "be stored than the service accepts, the answer is 429 with `Retry-After`, and nothing of it was stored. "
        "`endings` (or lines that begin with `emitted`) say how many records a writer made for an attempt."
    ),
    operation_id="ingest_records",
    dependencies=[Depends(require(AccessScope.WORK))],
    openapi_extra=RECORD_BODY,
)
async def ingest_records(batch: BatchBody, ingestion: IngestionPart) -> IngestResponse:
    """Store log records."""
    return await ingestion.ingest(batch)
