"""Giving records out over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import StreamingResponse

from eas.contracts.logs import (
    MAX_PAGE,
    AttemptCompleteness,
    ExportForm,
    Id,
    LogCounts,
    LogExport,
    LogPage,
    LogQuery,
    LogScope,
    TaskCountsPage,
)
from eas.http.auth import AccessScope, require
from eas_logging.handlers.dependencies import RetrievalPart
from eas_logging.handlers.export import write_export

router = APIRouter(tags=["records"], dependencies=[Depends(require(AccessScope.READ))])


@router.get(
    "/records",
    summary="Find log records",
    description=(
        "Records of an attempt, a task, a job or everyone, filtered by level, time, writer, host, words and typed "
        "fields, in the order of their own time (then of their id), oldest first or (`order=desc`) newest first. With "
        "`text` or `host` the order is that of arrival. While `next_after` is not null there is more: send it as "
        "`after`, with all else unchanged."
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


@router.get(
    "/counts/tasks",
    summary="Count a job's log records by task and level",
    description="How many records each task of a job has, by level number; tasks without records are left out.",
    operation_id="count_task_records",
)
async def count_task_records(
    retrieval: RetrievalPart,
    job_id: Annotated[Id, Query(description="The job.", examples=[17])],
    after: Annotated[Id, Query(description="Go on after this task: `next_after` of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="How many tasks at most.")] = 1000,
) -> TaskCountsPage:
    """Count a job's log records by task and level."""
    return await retrieval.count_tasks(job_id, after, limit)


@router.get(
    "/attempts/{attempt_id}/completeness",
    summary="Compare emitted with stored",
    description=(
        "Writer by writer, how many records were emitted for an attempt, by the writer's own count, and how many are "
        "stored. `complete` when all are there; `incomplete` when numbers are missing, which are listed; `unknown` "
        "while nothing is missing but a writer has not said yet how many there were, since it still runs or its last "
        "words have not arrived. What is missing was dropped where it was written (a full journal), or is on its way."
    ),
    operation_id="get_completeness",
)
async def get_completeness(
    attempt_id: Annotated[int, Path(ge=1, le=2**63 - 1, description="The attempt.", examples=[4711])],
    retrieval: RetrievalPart,
) -> AttemptCompleteness:
    """Compare emitted with stored."""
    return await retrieval.judge(attempt_id)


@router.get(
    "/records/export",
    summary="Export log records",
    description=(
        "All records of a query, however many, as comma-separated values with a line of names, or one JSON object a "
        "line, streamed. `limit` is not heeded."
    ),
    operation_id="export_records",
    response_class=Response,
    responses={200: {"content": {kind.media_type: {} for kind in ExportForm}}},
)
async def export_records(
    query: Annotated[LogExport, Query()],
    retrieval: RetrievalPart,
) -> Response:
    """Export log records."""
    pages = retrieval.export(query)
    first = await anext(pages)  # what is wrong with the query is said before the answer begins
    headers = {"Content-Disposition": f'attachment; filename="records.{query.format}"', "Cache-Control": "no-store"}
    return StreamingResponse(
        write_export(query.format, first, pages), headers=headers, media_type=query.format.media_type
    )
