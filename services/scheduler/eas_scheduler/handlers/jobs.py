"""Jobs: submit, list, look into."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Query, Request, Response

from eas.contracts.queues import RescheduleRequest, RescheduleResult
from eas.contracts.scheduler import JobPage, JobPlan, JobView, ResultPage, RetryRequest, TaskPage
from eas.contracts.states import JobState
from eas.contracts.values import Integer, Natural
from eas.http.bodies import read_bounded
from eas_scheduler.domain.job_mode import JobMode
from eas_scheduler.domain.tree_place import TreePlace
from eas_scheduler.handlers.dependencies import Reader, Scheduler, Submitter
from eas_scheduler.handlers.examples import JOB_DOCUMENT, RESCHEDULE, RETRY
from eas_scheduler.handlers.tables import CSV_RESPONSE, AsCsv, render_table

router = APIRouter(prefix="/jobs", tags=["jobs"])

JobId = Annotated[Integer, Path(description="As the submission returned it.", examples=[1])]
Limit = Annotated[int, Query(ge=1, le=1000, description="The most items of one page.")]
Rerun = Annotated[bool, Query(description="Make new versions of the job's products that exist already.")]
ReuseFlag = Annotated[
    bool, Query(alias="reuse", description="Let tasks adopt what equal attempts made; also the root key `reuse`.")
]

_BODY = {
    "requestBody": {
        "required": True,
        "description": "A job document: see the guide to the job language.",
        "content": {"application/json": {"schema": {"type": "object"}, "example": JOB_DOCUMENT}},
    }
}


@router.post(
    "",
    status_code=201,
    summary="Submit a job",
    operation_id="submit_job",
    openapi_extra=_BODY,
    responses={200: {"model": JobView, "description": "The job was submitted before, under the same key."}},
)
async def submit_job(
    request: Request,
    response: Response,
    scheduler: Scheduler,
    principal: Submitter,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern="^[ -~]{1,128}$",
            description="Any text: the same key with the same document returns the first job, with status 200.",
        ),
    ] = None,
    rerun: Rerun = False,
    reuse: ReuseFlag = False,
) -> JobView:
    """Check the whole document and, if all is well, make the job; else change nothing and list every problem."""
    text = await read_bounded(request, scheduler.max_document_bytes)
    job, new = await scheduler.submission.submit(text, submitted_by=principal.name, key=key, mode=JobMode(rerun, reuse))
    response.status_code = 201 if new else 200
    return job


@router.post("/plan", summary="Say what a job would make", operation_id="plan_job", openapi_extra=_BODY)
async def plan_job(
    request: Request, scheduler: Scheduler, _principal: Submitter, rerun: Rerun = False, reuse: ReuseFlag = False
) -> JobPlan:
    """Check a document as a submission would, count what it would make, and change nothing."""
    text = await read_bounded(request, scheduler.max_document_bytes)
    return await scheduler.submission.dry_run(text, mode=JobMode(rerun, reuse))


@router.get("", summary="List jobs, newest first", operation_id="list_jobs")
async def list_jobs(
    scheduler: Scheduler,
    _principal: Reader,
    name: Annotated[str | None, Query(description="Only jobs of this name.", examples=["injection_recovery"])] = None,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    before: Annotated[Integer | None, Query(description="`next_before` of the page before.")] = None,
    limit: Limit = 100,
) -> JobPage:
    """List jobs with the counts of their tasks by state."""
    return await scheduler.views.list_jobs(name=name, state=state, before=before, limit=limit)


@router.get("/{job_id}", summary="Show a job, or wait for its end", operation_id="get_job")
async def get_job(
    job_id: JobId,
    scheduler: Scheduler,
    _principal: Reader,
    wait: Annotated[float, Query(ge=0, le=60, description="Wait up to so long for the job's end [s].")] = 0.0,
) -> JobView:
    """Show a job with the counts of its tasks by state."""
    return await scheduler.inquiry.get_job(job_id, wait=wait)


@router.get("/{job_id}/document", summary="Show a job as it was submitted", operation_id="get_job_document")
async def get_job_document(job_id: JobId, scheduler: Scheduler, _principal: Reader) -> dict[str, Any]:
    """Show the document that the job was made from."""
    return await scheduler.views.get_document(job_id)


@router.get(
    "/{job_id}/tree",
    summary="List a job's tasks in pre-order",
    operation_id="get_task_tree",
    response_model=TaskPage,
    responses=CSV_RESPONSE,
)
async def get_task_tree(
    job_id: JobId,
    scheduler: Scheduler,
    _principal: Reader,
    as_csv: AsCsv,
    root: Annotated[Integer | None, Query(description="Begin at this task instead of the job's root.")] = None,
    max_depth: Annotated[int, Query(ge=0, le=1000, description="Levels below the first task.")] = 5,
    running: Annotated[bool, Query(description="Only what runs, and the tasks above it.")] = False,
    after: Annotated[str | None, Query(description="`next_after` of the page before.", examples=["0.3"])] = None,
    limit: Limit = 200,
) -> Response:
    """List tasks, parents before their children; `level` says how deep each is."""
    place = TreePlace(root, max_depth, after, limit)
    return render_table(await scheduler.views.list_tree(job_id, place, running=running), as_csv)


@router.get("/{job_id}/results", summary="List the outcomes of a job's tasks", operation_id="get_results")
async def get_results(
    job_id: JobId,
    scheduler: Scheduler,
    _principal: Reader,
    task_type: Annotated[str | None, Query(description="Only this type.", examples=["transit_search_tls"])] = None,
    after: Annotated[Natural, Query(description="`next_after` of the page before.")] = 0,
    limit: Limit = 200,
) -> ResultPage:
    """List done and failed tasks with the metadata of their accepted attempts."""
    return await scheduler.views.list_results(job_id, task_type=task_type, after=after, limit=limit)


@router.post("/{job_id}/cancel", summary="Cancel a job", operation_id="cancel_job")
async def cancel_job(job_id: JobId, scheduler: Scheduler, principal: Submitter) -> JobView:
    """End everything that has not ended. What workers hold ends when they have heard of it."""
    return await scheduler.control.cancel_job(job_id, by=principal.name)


@router.post("/{job_id}/pause", summary="Pause a job", operation_id="pause_job")
async def pause_job(job_id: JobId, scheduler: Scheduler, _principal: Submitter) -> JobView:
    """Hand out nothing more of a job; what runs goes on."""
    return await scheduler.control.pause_job(job_id)


@router.post("/{job_id}/resume", summary="Resume a paused job", operation_id="resume_job")
async def resume_job(job_id: JobId, scheduler: Scheduler, _principal: Submitter) -> JobView:
    """Go on with a paused job."""
    return await scheduler.control.resume_job(job_id)


@router.post("/{job_id}/retry", summary="Try again what failed", operation_id="retry_job")
async def retry_job(
    job_id: JobId,
    scheduler: Scheduler,
    principal: Submitter,
    body: Annotated[RetryRequest | None, Body(examples=[RETRY])] = None,
) -> JobView:
    """Give failed tasks fresh attempts; what they had blocked waits for them again. Cancelled tasks must be named."""
    return await scheduler.control.retry_job(job_id, body or RetryRequest(), by=principal.name)


@router.post("/{job_id}/reschedule", summary="Queue again what was purged", operation_id="reschedule_job")
async def reschedule_job(
    job_id: JobId,
    scheduler: Scheduler,
    _principal: Submitter,
    body: Annotated[RescheduleRequest | None, Body(examples=[RESCHEDULE])] = None,
) -> RescheduleResult:
    """Give purged, and on request failed, tasks fresh attempts; what is queued or running is left alone."""
    return await scheduler.queues.reschedule(body or RescheduleRequest(), job_id=job_id)
