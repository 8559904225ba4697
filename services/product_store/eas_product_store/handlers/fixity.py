"""Stored bytes against their digests, and files against the catalogue."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from eas.contracts.fixity import DamagePage, DamageView, OrphanReport, OrphanRequest, OrphanView
from eas.contracts.products import FixityReport
from eas.http.auth import AccessScope, require
from eas_product_store.domain.damage import Custody, Damage
from eas_product_store.handlers.dependencies import Store
from eas_product_store.handlers.parameters import After, Limit

router = APIRouter(tags=["fixity"], dependencies=[Depends(require(AccessScope.OPERATE))])


@router.post(
    "/fixity/checks",
    summary="Check stored bytes",
    description=(
        "Reads the bytes of up to `limit` versions, and compares them with their digests. What is damaged is marked "
        "and moved to quarantine, is never served, and is listed by `GET /versions?damaged=true` and `GET "
        "/fixity/damages`. What was damaged, and is whole again in its place, is healed."
    ),
    operation_id="check_fixity",
)
async def check_fixity(store: Store, after: After = 0, limit: Limit = 100) -> FixityReport:
    """Check a part of the archive."""
    found = await store.fixity.check(after, limit)
    return FixityReport(
        checked=found.checked,
        size=found.size,
        damaged=found.damaged,
        healed=found.healed,
        next_after=found.next_after,
    )


@router.get(
    "/fixity/damages",
    summary="List what was found damaged",
    description="With what was expected and found, where the damaged bytes are, and when they were stored again.",
    operation_id="list_damages",
)
async def list_damages(
    store: Store,
    after: After = 0,
    limit: Limit = 100,
    healed: Annotated[bool | None, Query(description="Whether they were stored again.", examples=[False])] = None,
) -> DamagePage:
    """List damages by id."""
    found = await store.quarantine.select(after, limit + 1, healed=healed)
    items = [_show_damage(damage) for damage in found[:limit]]
    return DamagePage(items=items, next_after=items[-1].damage_id if len(found) > limit else None)


@router.post(
    "/fixity/orphans",
    summary="Find files that nothing needs",
    description=(
        "Compares up to `limit` files of the archive with the catalogue, by name, and lists those that no version "
        "names. They stay unless `remove` is set: after a catalogue was brought back from an older copy they may be "
        "results."
    ),
    operation_id="find_orphans",
)
async def find_orphans(request: OrphanRequest, store: Store) -> OrphanReport:
    """Check a part of the archive the other way round."""
    grace = None if request.older_than_hours is None else timedelta(hours=request.older_than_hours)
    found = await store.orphans.check(request.after, request.limit, grace=grace, remove=request.remove)
    return OrphanReport(
        checked=found.checked,
        orphans=[
            OrphanView(name=file.store_name, size=file.size, modified_at=file.modified_at) for file in found.orphans
        ],
        removed=found.removed,
        next_after=found.next_after,
    )


def _show_damage(damage: Damage) -> DamageView:
    is_kept = damage.custody is Custody.QUARANTINED
    return DamageView(
        damage_id=damage.damage_id,
        version_id=damage.version_id,
        versions=damage.versions,
        found_at=damage.found_at,
        finding=damage.finding,
        expected_sha256=damage.expected.sha256,
        expected_size=damage.expected.size,
        found_sha256=damage.found_sha256,
        found_size=damage.found_size,
        custody=damage.custody.value,
        quarantined_as=damage.quarantine_name if is_kept else None,
        healed_at=damage.healed_at,
    )
