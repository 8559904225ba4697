"""Small versions, many in one request."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request, Response

from eas.contracts.deposits import (
    MAX_DEPOSITS_BYTES,
    DepositAnswer,
    DepositRequest,
    DepositResponse,
    SmallDeposit,
)
from eas.contracts.digests import Digests
from eas.contracts.errors import EasError, InvalidInputError, Problem, TooLargeError
from eas.http.auth import AccessScope, Principal, require
from eas.http.hot_route import HotRoute
from eas.http.responses import json_response
from eas_product_store.domain.descriptions import check_metadata
from eas_product_store.handlers.dependencies import Store, await_ids
from eas_product_store.handlers.uploads import read_length
from eas_product_store.handlers.views import read_deposit, show_version
from eas_product_store.logic.deposit import Parcel

router = APIRouter(tags=["versions"], route_class=HotRoute)


async def _check_length(request: Request) -> int:
    """Refuse a body before it is read. Raises InvalidInputError, TooLargeError."""
    length = read_length(request)
    if length is None:
        raise InvalidInputError("say how long the body is", where="header.Content-Length")
    if length > MAX_DEPOSITS_BYTES:
        raise TooLargeError(f"a request can have at most {MAX_DEPOSITS_BYTES} bytes", where="body")
    return length


@router.post(
    "/deposits",
    summary="Store many small versions",
    description=(
        "Each deposit is what an upload is, with its bytes in base64, and stands by itself: its answer is the version, "
        "or why there is none. They share a commit, and when the answer comes they are durable. The same bytes by the "
        "same attempt again give the version that exists, so a request may be repeated as a whole. It has at most "
        "256 deposits and 16 MiB; longer files are better sent by `PUT /versions`."
    ),
    operation_id="store_deposits",
    response_model=DepositResponse,
)
async def store_deposits(
    request: Annotated[DepositRequest, Body()],
    store: Store,
    _principal: Annotated[Principal, Depends(require(AccessScope.WORK))],
    _length: Annotated[int, Depends(_check_length)],
    _ids: Annotated[None, Depends(await_ids)],
) -> Response:
    """Store versions."""
    answers: list[DepositAnswer | None] = [None] * len(request.deposits)
    parcels: list[Parcel] = []
    places: list[int] = []
    for index, deposit in enumerate(request.deposits):
        try:
            parcels.append(_read_parcel(deposit))
            places.append(index)
        except EasError as error:
            answers[index] = _show_error(error, index)
    for index, found in zip(places, await store.deposit_service.receive_many(parcels), strict=True):
        if isinstance(found, EasError):
            answers[index] = _show_error(found, index)
        else:
            answers[index] = DepositAnswer(version=show_version(found.version), is_new=found.is_new)
    return json_response(DepositResponse(answers=[answer for answer in answers if answer is not None]))


def _read_parcel(deposit: SmallDeposit) -> Parcel:
    return Parcel(
        read_deposit(deposit, check_metadata(deposit.metadata, "query.metadata")),
        deposit.decode(),
        Digests(md5=deposit.md5, sha256=deposit.sha256),
    )


def _show_error(error: EasError, index: int) -> DepositAnswer:
    """Show why there is no version; what names a place in an upload names it in the deposit."""
    place = (error.where or "").removeprefix("query.")
    where = f"body.deposits[{index}].{'content' if place in {'', 'body'} else place}"
    return DepositAnswer(error=Problem(slug=error.slug, message=error.message, where=where))
