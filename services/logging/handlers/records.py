"""Giving records out over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from services.logging.handlers.dependencies import RetrievalPart
from shared.contracts.logs import LogCounts, LogPage, LogQuery, LogScope
from shared.http.auth import AccessScope, require

router = APIRouter(tags=["records"], dependencies=[Depends(require(AccessScope.READ))])


@router.get(
    "/records",
    summary="Find log records",
    description=(
        "Records of an attempt, a task, a job or everyone, filtered by level, time and writer, in the order of their "
        "own time (then of their id), oldest first or (`order=desc`) newest first. While `next_after` is not null "
        "there is more: send it as `after`, with all else unchanged."
    ),
    operation_id="list_records",
    response_model=LogPage,
)
async def list_records(query: Annotated[LogQuery, Query()], retrieval: RetrievalPart) -> Response:
    """Find log records."""
    page = await retrieval.find(query)
    return Response(page.model_dump_json(), media_type="application/json")


@router.get(
    "/counts",
    summary="Count log records by level",
    description="How many records an attempt, a task, a job or everyone has, by level number.",
    operation_id="count_records",
)
async def count_records(scope: Annotated[LogScope, Query()], retrieval: RetrievalPart) -> LogCounts:
    """Count log records by level."""
    return await retrieval.count(scope)
