"""Which records may go."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from eas.contracts.errors import InvalidInputError
from eas.contracts.log_retention import RetentionPolicy, RetentionReport
from eas.http.auth import AccessScope, require
from eas_logging.handlers.dependencies import RetentionPart

router = APIRouter(prefix="/retention", tags=["retention"], dependencies=[Depends(require(AccessScope.OPERATE))])


@router.get("", summary="Show the retention policy", operation_id="get_retention")
async def get_retention(retention: RetentionPart) -> RetentionPolicy:
    """Which records the service removes by itself; an empty policy keeps everything."""
    return await retention.get_policy()


@router.put("", summary="Set the retention policy", operation_id="set_retention")
async def set_retention(policy: RetentionPolicy, retention: RetentionPart) -> RetentionPolicy:
    """Replace the policy. It counts from the next run on, which comes by itself within the hour."""
    return await retention.set_policy(policy)


@router.post("/runs", summary="Remove records by the policy", operation_id="run_retention")
async def run_retention(
    retention: RetentionPart,
    dry_run: Annotated[bool, Query(description="Only tell what would be removed.")] = True,
    policy: RetentionPolicy | None = None,
) -> RetentionReport:
    """Remove what the policy lets go, or (without `dry_run=false`) only tell what that is; then by any policy."""
    if dry_run:
        return await retention.preview(await retention.get_policy() if policy is None else policy)
    if policy is not None:
        raise InvalidInputError("only a dry run takes a policy of its own; set it first", where="body")
    return await retention.apply()
