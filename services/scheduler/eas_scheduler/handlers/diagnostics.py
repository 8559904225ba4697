"""Diagnostics: why a task stands where it does, and tables as JSON or CSV."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from eas.contracts.diagnostics import (
    HostTable,
    JobFilter,
    ProgressTable,
    QueueContent,
    QueueTable,
    ResultTables,
    Timeline,
    TroublePage,
    WhyView,
)
from eas.contracts.values import Integer
from eas_scheduler.handlers.dependencies import Reader, Scheduler
from eas_scheduler.handlers.tables import CSV_RESPONSE, AsCsv, render_table

router = APIRouter(tags=["diagnostics"])


async def _choose(
    job_id: Annotated[Integer | None, Query(description="Only this job.", examples=[1])] = None,
    job_name: Annotated[str | None, Query(description="Only jobs of this name.")] = None,
    task_type: Annotated[str | None, Query(description="Only this type.", examples=["transit_search_tls"])] = None,
) -> JobFilter:
    return JobFilter(job_id, job_name, task_type)


Chosen = Annotated[JobFilter, Depends(_choose)]
After = Annotated[str | None, Query(description="`next_after` of the page before.", examples=["1.3"])]
PageSize = Annotated[int, Query(ge=1, le=10_000, description="The most rows that are looked at for one page.")]


@router.get("/tasks/{task_id}/why", summary="Explain where a task stands", operation_id="explain_task")
async def explain_task(
    task_id: Annotated[Integer, Path(examples=[3])], scheduler: Scheduler, _principal: Reader
) -> WhyView:
    """Say why a task waits, runs, ran, ran again, is blocked, failed or was cancelled: a code, facts, and words."""
    return await scheduler.explanation.explain(task_id)


@router.get(
    "/diagnostics/progress",
    summary="Count tasks by type and state",
    operation_id="get_progress",
    response_model=ProgressTable,
    responses=CSV_RESPONSE,
)
async def get_progress(
    scheduler: Scheduler,
    _principal: Reader,
    as_csv: AsCsv,
    chosen: Chosen,
) -> Response:
    """Count each task once. Stalled are running tasks whose worker has missed its heartbeats."""
    return render_table(await scheduler.diagnostics.read_progress(chosen), as_csv)


@router.get(
    "/diagnostics/outcomes",
    summary="Tabulate outcomes",
    operation_id="get_outcomes",
    response_model=ResultTables,
    responses=CSV_RESPONSE,
)
async def get_outcomes(
    scheduler: Scheduler,
    _principal: Reader,
    as_csv: AsCsv,
    chosen: Chosen,
    after: After = None,
    limit: PageSize = 10_000,
) -> Response:
    """Tabulate, by job and task type, what each done task inherited and whether it came out PASS, FAIL or UNDEFINED."""
    return render_table(await scheduler.result_tables.read_outcomes(chosen, after=after, limit=limit), as_csv)


@router.get(
    "/diagnostics/timings",
    summary="Tabulate run times",
    operation_id="get_timings",
    response_model=ResultTables,
    responses=CSV_RESPONSE,
)
async def get_timings(
    scheduler: Scheduler,
    _principal: Reader,
    as_csv: AsCsv,
    chosen: Chosen,
    after: After = None,
    limit: PageSize = 10_000,
) -> Response:
    """Tabulate, by job and task type, what each attempt inherited and its times [s], unfinished ones included."""
    return render_table(await scheduler.result_tables.read_timings(chosen, after=after, limit=limit), as_csv)


@router.get(
    "/diagnostics/errors",
    summary="List what went wrong",
    operation_id="list_errors",
    response_model=TroublePage,
    responses=CSV_RESPONSE,
)
async def list_errors(
    scheduler: Scheduler,
    _principal: Reader,
    as_csv: AsCsv,
    chosen: Chosen,
    before: Annotated[Integer | None, Query(description="`next_before` of the page of newer ones.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="The latest so many.")] = 100,
) -> Response:
    """List attempts that failed, were lost or were rejected, newest last; not those that a worker handed back."""
    return render_table(await scheduler.diagnostics.read_errors(chosen, before=before, limit=limit), as_csv)


@router.get(
    "/diagnostics/timeline",
    summary="Show who did what when",
    operation_id="get_timeline",
    response_model=Timeline,
    responses=CSV_RESPONSE,
)
async def get_timeline(
    scheduler: Scheduler,
    _principal: Reader,
    as_csv: AsCsv,
    chosen: Chosen,
    min_duration: Annotated[float, Query(ge=0, le=1e9, description="Only attempts that took so long [s].")] = 0.0,
    limit: Annotated[int, Query(ge=1, le=1000, description="The latest so many.")] = 200,
) -> Response:
    """List the latest attempts by worker and start."""
    return render_table(
        await scheduler.diagnostics.read_timeline(chosen, min_duration=timedelta(seconds=min_duration), limit=limit),
        as_csv,
    )


@router.get(
    "/diagnostics/hosts",
    summary="List machines",
    operation_id="list_hosts",
    response_model=HostTable,
    responses=CSV_RESPONSE,
)
async def list_hosts(
    scheduler: Scheduler,
    _principal: Reader,
    as_csv: AsCsv,
) -> Response:
    """List the machines whose workers are here, with how much they run and when they were last heard."""
    return render_table(await scheduler.diagnostics.read_hosts(), as_csv)


@router.get(
    "/queues", summary="List queues", operation_id="list_queues", response_model=QueueTable, responses=CSV_RESPONSE
)
async def list_queues(
    scheduler: Scheduler,
    _principal: Reader,
    as_csv: AsCsv,
) -> Response:
    """List the task types of which something waits for a worker: how much, and for how long."""
    table = await scheduler.diagnostics.read_queues()
    doorbells = await scheduler.queues.count_doorbells([item.task_type for item in table.items])
    return render_table(table.with_doorbells(doorbells), as_csv)


@router.get(
    "/queues/{task_type}",
    summary="Show the head of a queue",
    operation_id="get_queue",
    response_model=QueueContent,
    responses=CSV_RESPONSE,
)
async def get_queue(
    task_type: Annotated[str, Path(examples=["transit_search_tls"])],
    scheduler: Scheduler,
    _principal: Reader,
    as_csv: AsCsv,
) -> Response:
    """List the first hundred attempts of a queue in the order in which workers will get them."""
    return render_table(await scheduler.diagnostics.read_queue(task_type), as_csv)
