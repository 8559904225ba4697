"""What stays and what goes: pins, removals, retention rules, garbage and quotas. For operators."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, status

from eas.contracts.paths import check_directory
from eas.contracts.products import Directory, VersionView
from eas.contracts.retention import (
    CollectionReport,
    CollectionRequest,
    QuotaList,
    QuotaRequest,
    QuotaView,
    Reason,
    RemovalRequest,
    RetentionFinding,
    RetentionReport,
    RetentionRequest,
)
from eas.http.auth import AccessScope, Principal, require
from eas_product_store.domain.quota import Quota
from eas_product_store.domain.removal import Finding, Protection, RetentionRule
from eas_product_store.domain.selection import check_glob
from eas_product_store.handlers.dependencies import Store
from eas_product_store.handlers.parameters import VersionId
from eas_product_store.handlers.views import show_version

router = APIRouter(tags=["what stays and what goes"])
can_operate = Depends(require(AccessScope.OPERATE))
Operator = Annotated[Principal, can_operate]


@router.post(
    "/versions/{version_id}/pin",
    summary="Keep a version whatever happens",
    operation_id="pin_version",
)
async def pin_version(version_id: VersionId, request: Reason, store: Store, operator: Operator) -> VersionView:
    """Pin a version."""
    return show_version(await store.removals.pin(version_id, operator.name, request.reason))


@router.delete(
    "/versions/{version_id}/pin",
    summary="Let a version go if it has to",
    operation_id="unpin_version",
    dependencies=[can_operate],
)
async def unpin_version(version_id: VersionId, store: Store) -> VersionView:
    """Take the pin away."""
    return show_version(await store.removals.unpin(version_id))


@router.post(
    "/versions/{version_id}/removal",
    summary="Remove a version",
    description=(
        "It is no longer found by its name. Its bytes stay for the time of grace, in which it can be restored; then "
        "the answer to a download is 410, and the version stays as a row that says who removed it and why."
    ),
    operation_id="remove_version",
)
async def remove_version(
    version_id: VersionId, request: RemovalRequest, store: Store, operator: Operator
) -> VersionView:
    """Remove a version."""
    protection = Protection(running_jobs=request.running_jobs, is_forced=request.force)
    return show_version(await store.removals.remove(version_id, operator.name, request.reason, protection))


@router.delete(
    "/versions/{version_id}/removal",
    summary="Restore a version that was removed",
    operation_id="restore_version",
    dependencies=[can_operate],
)
async def restore_version(version_id: VersionId, store: Store) -> VersionView:
    """Take a removal back."""
    return show_version(await store.removals.restore(version_id))


@router.post(
    "/garbage/collect",
    summary="Purge what was removed before the time of grace",
    description="The store does so by itself every minute; this does it now, if wanted with another time of grace.",
    operation_id="collect_garbage",
    dependencies=[can_operate],
)
async def collect_garbage(request: CollectionRequest, store: Store) -> CollectionReport:
    """Give room back."""
    grace = None if request.grace_hours is None else timedelta(hours=request.grace_hours)
    purged, files = await store.removals.collect(grace)
    return CollectionReport(versions=purged.versions, bytes=purged.size, files=files)


@router.post(
    "/retention/plan",
    summary="Tell what retention rules would remove",
    operation_id="plan_retention",
    dependencies=[can_operate],
)
async def plan_retention(request: RetentionRequest, store: Store) -> RetentionReport:
    """Look without touching."""
    protection = Protection(running_jobs=request.running_jobs, is_forced=request.force)
    return _show_findings(await store.removals.plan(_read_rules(request), protection))


@router.post("/retention/run", summary="Remove what retention rules say", operation_id="run_retention")
async def run_retention(request: RetentionRequest, store: Store, operator: Operator) -> RetentionReport:
    """Remove versions; they can be restored during the time of grace."""
    protection = Protection(running_jobs=request.running_jobs, is_forced=request.force)
    return _show_findings(await store.removals.apply(_read_rules(request), protection, operator.name))


@router.get("/quotas", summary="List quotas", operation_id="list_quotas", dependencies=[can_operate])
async def list_quotas(store: Store) -> QuotaList:
    """List all quotas."""
    return QuotaList(quotas=[_show_quota(quota) for quota in await store.quotas.list_all()])


@router.put(
    "/quotas",
    summary="Set how much a directory may hold",
    description="With all below it. What would exceed it is refused with 413 `quota_exceeded`; what is there stays.",
    operation_id="put_quota",
    dependencies=[can_operate],
)
async def put_quota(request: QuotaRequest, store: Store) -> QuotaView:
    """Set a quota."""
    directory = check_directory(request.directory, "body.directory")
    return _show_quota(await store.quotas.put(directory, request.max_bytes))


@router.delete(
    "/quotas",
    summary="Take a quota away",
    operation_id="remove_quota",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[can_operate],
)
async def remove_quota(directory: Annotated[Directory, Query()], store: Store) -> None:
    """Take a quota away."""
    await store.quotas.remove(directory)


def _read_rules(request: RetentionRequest) -> list[RetentionRule]:
    return [
        RetentionRule(
            name=rule.name,
            directory=check_glob(rule.directory, f"body.rules[{index}].directory"),
            semantic_type=rule.semantic_type,
            judged=rule.passed_qc,
            older_than=None if rule.older_than_days is None else timedelta(days=rule.older_than_days),
            keep_newest=rule.keep_newest,
        )
        for index, rule in enumerate(request.rules)
    ]


def _show_findings(findings: Sequence[Finding]) -> RetentionReport:
    return RetentionReport(
        findings=[
            RetentionFinding(
                rule=finding.rule.name,
                versions=finding.removed.versions,
                bytes=finding.removed.size,
                spared_versions=finding.spared.versions,
                spared_bytes=finding.spared.size,
                examples=[show_version(version) for version in finding.examples],
            )
            for finding in findings
        ]
    )


def _show_quota(quota: Quota) -> QuotaView:
    return QuotaView(directory=quota.directory, max_bytes=quota.max_bytes, used_bytes=quota.used_bytes)
