"""Stored bytes against their digests."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from services.product_store.handlers.dependencies import Store
from services.product_store.handlers.parameters import After, Limit
from shared.contracts.products import FixityReport
from shared.http.auth import AccessScope, require

router = APIRouter(tags=["fixity"])


@router.post(
    "/fixity/checks",
    summary="Check stored bytes",
    description=(
        "Reads the bytes of up to `limit` versions that are not known to be damaged, and compares them with their "
        "digests. What is damaged is marked, is never served, and is listed by `GET /versions?damaged=true`."
    ),
    operation_id="check_fixity",
    dependencies=[Depends(require(AccessScope.OPERATE))],
)
async def check_fixity(store: Store, after: After = 0, limit: Limit = 100) -> FixityReport:
    """Check a part of the archive."""
    found = await store.fixity.check(after, limit)
    return FixityReport(checked=found.checked, size=found.size, damaged=found.damaged, next_after=found.next_after)
