"""What the scheduler knows of product versions: where they come from, and who reads them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query

from eas.contracts.provenance import MAX_DEPTH, Direction, ProvenanceGraph, VerdictOutcome, VersionVerdict
from eas_scheduler.domain.provenance import make_prov_document
from eas_scheduler.handlers.dependencies import Operator, Reader, Scheduler
from eas_scheduler.handlers.examples import VERSION_VERDICT

router = APIRouter(tags=["versions"])

VersionId = Annotated[int, Path(ge=0, le=2**63 - 1, examples=[42])]
DirectionParameter = Annotated[
    Direction, Query(description="Up: what it was made from. Down: what was made from it.", examples=["up"])
]
Depth = Annotated[int, Query(ge=1, le=MAX_DEPTH, description="How many attempts in a row.", examples=[20])]


@router.get("/versions/{version_id}/provenance", summary="Trace a version", operation_id="trace_version")
async def trace_version(
    version_id: VersionId,
    scheduler: Scheduler,
    _principal: Reader,
    direction: DirectionParameter = Direction.BOTH,
    depth: Depth = MAX_DEPTH,
) -> ProvenanceGraph:
    """Show the versions, attempts, task types and settings that a version comes from, and what was made from it."""
    return await scheduler.provenance.trace(version_id, direction, depth)


@router.get(
    "/versions/{version_id}/provenance/prov",
    summary="Trace a version, in the words of W3C PROV",
    operation_id="trace_version_as_prov",
)
async def trace_version_as_prov(
    version_id: VersionId,
    scheduler: Scheduler,
    _principal: Reader,
    direction: DirectionParameter = Direction.BOTH,
    depth: Depth = MAX_DEPTH,
) -> dict[str, Any]:
    """Show the same as PROV-JSON: versions are entities, attempts activities, task types plans, workers agents."""
    return make_prov_document(await scheduler.provenance.trace(version_id, direction, depth))


@router.post("/versions/{version_id}/verdicts", summary="Overrule quality control", operation_id="judge_version")
async def judge_version(
    version_id: VersionId,
    verdict: Annotated[VersionVerdict, Body(examples=[VERSION_VERDICT])],
    scheduler: Scheduler,
    principal: Operator,
) -> VerdictOutcome:
    """Accept or reject a version, and gate again what depends on it.

    Rejected: its task is no longer done, but failed for quality; readers that wait are blocked, and queued ones are
    withdrawn. What runs or has run is listed. Accepted: a task that failed for quality is done with it, and what it had
    blocked goes on. The product store's ledger keeps the verdict with author, reason and time.
    """
    return await scheduler.overrides.judge(version_id, verdict, by=principal.name)
