"""Versions: upload them, find them, judge them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response, status

from eas.contracts.digests import CONTENT_DIGEST, CONTENT_MD5, REPR_DIGEST, format_digest, read_digests
from eas.contracts.products import (
    METADATA_HEADER,
    AdoptionAnswer,
    AdoptionRequest,
    AdoptionResponse,
    LookupRequest,
    LookupResponse,
    UploadParameters,
    VerdictRequest,
    VerdictResponse,
    VersionPage,
    VersionView,
)
from eas.http.auth import AccessScope, require
from eas_product_store.domain.conditions import read_conditions
from eas_product_store.domain.descriptions import read_metadata
from eas_product_store.domain.selection import VersionSelection, check_glob
from eas_product_store.handlers.dependencies import Store, await_ids
from eas_product_store.handlers.parameters import (
    After,
    DirectoryFilter,
    GlobFilter,
    Limit,
    OptionalId,
    PassedQc,
    SemanticTypeFilter,
    Since,
    Until,
    VersionId,
    Where,
)
from eas_product_store.handlers.uploads import RAW_BODY, read_length, read_whole_body
from eas_product_store.handlers.views import read_adoption, read_deposit, show_version, show_versions

router = APIRouter(tags=["versions"])
_DIGEST_EXAMPLE = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"
can_read = Depends(require(AccessScope.READ))


@router.put(
    "/versions",
    summary="Upload a version of a product",
    description=(
        "The body is the bytes, streamed. Digests in the headers are compared with what arrives. When the answer comes "
        "the version is durable. The same bytes by the same attempt again give the version that exists (200); other "
        "bytes are refused. A product that was not planned is registered with its first version."
    ),
    operation_id="upload_version",
    status_code=status.HTTP_201_CREATED,
    responses={200: {"model": VersionView, "description": "The attempt had stored these bytes before."}},
    dependencies=[Depends(require(AccessScope.WORK)), Depends(await_ids)],
    openapi_extra=RAW_BODY,
)
async def upload_version(
    request: Request,
    response: Response,
    store: Store,
    parameters: Annotated[UploadParameters, Query()],
    metadata: Annotated[
        str, Header(alias=METADATA_HEADER, description="A JSON object in ASCII.", examples=['{"planet_radius": 0.1}'])
    ] = "{}",
    content_md5: Annotated[
        str | None,
        Header(alias=CONTENT_MD5, description="Base64 or hexadecimal.", examples=["XrY7u+Ae7tCTyyK7j1rNww=="]),
    ] = None,
    content_digest: Annotated[
        str | None, Header(alias=CONTENT_DIGEST, description="RFC 9530.", examples=[_DIGEST_EXAMPLE])
    ] = None,
    repr_digest: Annotated[
        str | None, Header(alias=REPR_DIGEST, description="RFC 9530.", examples=[_DIGEST_EXAMPLE])
    ] = None,
) -> VersionView:
    """Store the body as a version."""
    deposit = read_deposit(parameters, read_metadata(metadata, f"header.{METADATA_HEADER}"))
    digests = read_digests({CONTENT_MD5: content_md5, CONTENT_DIGEST: content_digest, REPR_DIGEST: repr_digest})
    receipt = await store.deposit_service.receive(deposit, read_whole_body(request), digests, read_length(request))
    fingerprint = receipt.version.fingerprint
    response.status_code = status.HTTP_201_CREATED if receipt.is_new else status.HTTP_200_OK
    response.headers["ETag"] = f'"{fingerprint.md5}"'
    response.headers[CONTENT_DIGEST] = format_digest(sha256=fingerprint.sha256, md5=fingerprint.md5)
    return show_version(receipt.version)


@router.get("/versions", summary="Find versions", operation_id="list_versions", dependencies=[can_read])
async def list_versions(
    store: Store,
    directory: DirectoryFilter = None,
    glob: GlobFilter = None,
    semantic_type: SemanticTypeFilter = None,
    attempt_id: OptionalId = None,
    task_id: OptionalId = None,
    job_id: OptionalId = None,
    passed_qc: PassedQc = None,
    damaged: Annotated[bool | None, Query(description="Whether damage was found.", examples=[False])] = None,
    since: Since = None,
    until: Until = None,
    where: Where = None,
    after: After = 0,
    limit: Limit = 100,
) -> VersionPage:
    """List versions by id."""
    selection = VersionSelection(
        directory=directory,
        glob=check_glob(glob, "query.glob"),
        semantic_type=semantic_type,
        attempt_id=attempt_id,
        task_id=task_id,
        job_id=job_id,
        passed_qc=passed_qc,
        damaged=damaged,
        since=since,
        until=until,
        metadata=read_conditions(where or (), "query.where"),
    )
    return show_versions(await store.inventory.list_versions(selection, after, limit + 1), limit)


@router.get("/versions/{version_id}", summary="Get one version", operation_id="get_version", dependencies=[can_read])
async def get_version(version_id: VersionId, store: Store) -> VersionView:
    """Get one version."""
    return show_version(await store.inventory.get_version(version_id))


@router.post(
    "/versions/lookup",
    summary="Look up many versions",
    description="Those that do not exist are left out of the answer.",
    operation_id="look_up_versions",
    dependencies=[can_read],
)
async def look_up_versions(request: LookupRequest, store: Store) -> LookupResponse:
    """Look up versions by id, in one round trip."""
    found = await store.inventory.find_versions(request.version_ids)
    return LookupResponse(versions=[show_version(version) for version in found])


@router.post(
    "/adoptions",
    summary="Adopt versions",
    description=(
        "An attempt that would make the same bytes as an earlier one takes over its versions. Of the same product it "
        "is the very version; of another, a new version with the same bytes, which says what it was adopted from. "
        "What did not pass quality control, or is damaged, is refused, each adoption by itself."
    ),
    operation_id="adopt_versions",
    dependencies=[Depends(require(AccessScope.OPERATE)), Depends(await_ids)],
)
async def adopt_versions(request: AdoptionRequest, store: Store) -> AdoptionResponse:
    """Adopt versions."""
    deposits = [read_adoption(one, f"body.adoptions[{index}]") for index, one in enumerate(request.adoptions)]
    answers = await store.adoptions.adopt(request.adoptions, deposits)
    return AdoptionResponse(
        answers=[
            AdoptionAnswer(message=found) if isinstance(found, str) else AdoptionAnswer(version=show_version(found))
            for found in answers
        ]
    )


@router.post(
    "/verdicts",
    summary="Record verdicts of quality control",
    description=(
        "Every verdict is kept; of several on one version the one decided last holds. The same verdict again changes "
        "nothing, nor does one on an attempt that has no versions."
    ),
    operation_id="record_verdicts",
    dependencies=[Depends(require(AccessScope.OPERATE))],
)
async def record_verdicts(request: VerdictRequest, store: Store) -> VerdictResponse:
    """Record verdicts."""
    return VerdictResponse(changed=await store.quality.record(request.verdicts))
