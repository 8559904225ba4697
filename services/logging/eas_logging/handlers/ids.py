"""Ids of the scheduler that this service knows."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from eas.contracts.ids import KnownIds
from eas.http.auth import AccessScope, require
from eas_logging.handlers.dependencies import IdsPart

router = APIRouter(prefix="/ids", tags=["ids"], dependencies=[Depends(require(AccessScope.OPERATE))])


@router.get("", summary="Tell the highest ids that are known", operation_id="get_known_ids")
async def get_known_ids(ids: IdsPart) -> KnownIds:
    """Tell the highest job, task and attempt of which there are records, so that their ids are not given again."""
    return await ids.find_known()
