"""Ids that this service and the scheduler know of each other."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from eas.contracts.ids import IdAnswer, IdNotice, ServiceInstance
from eas.http.auth import AccessScope, require
from eas_product_store.handlers.dependencies import Store

router = APIRouter(prefix="/ids", tags=["ids"], dependencies=[Depends(require(AccessScope.OPERATE))])


@router.get("", summary="Which process answers", operation_id="get_instance")
async def get_instance(store: Store) -> ServiceInstance:
    """Tell which process answers; after a start it is another one, and ids are to be compared again."""
    return ServiceInstance(instance=store.ids.instance)


@router.post(
    "",
    summary="Compare ids with the scheduler's",
    description=(
        "The scheduler says which versions it has heard of, so that this service never gives their ids again, and is "
        "told the highest ids of its own that have come here, so that it never gives those again. Both matter after "
        "one of the two was restored to an earlier moment. May be repeated."
    ),
    operation_id="compare_ids",
)
async def compare_ids(notice: IdNotice, store: Store) -> IdAnswer:
    """Compare ids."""
    return await store.ids.hear(notice)
