"""Uploads in pieces: open, append, commit."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Request, Response, status

from eas.contracts.digests import CONTENT_DIGEST, CONTENT_MD5, REPR_DIGEST, Digests, format_digest, read_digests
from eas.contracts.errors import ErrorBody, InvalidInputError
from eas.contracts.products import VersionView
from eas.contracts.uploads import LENGTH_HEADER, OFFSET_HEADER, UploadRequest, UploadView
from eas.http.auth import AccessScope, require
from eas.http.errors import render_error, status_of
from eas_product_store.domain.descriptions import check_metadata
from eas_product_store.domain.upload import OffsetError, Upload
from eas_product_store.handlers.dependencies import Store, await_ids
from eas_product_store.handlers.uploads import RAW_BODY, read_body, read_length
from eas_product_store.handlers.views import read_deposit, show_version

router = APIRouter(tags=["uploads in pieces"], dependencies=[Depends(require(AccessScope.WORK))])

UploadId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", examples=["5e" * 16])]
_DIGEST_EXAMPLE = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/(?:[0-9]{1,18}|\*)")
_RANGE_RESPONSES: dict[int | str, dict[str, object]] = {
    416: {"model": ErrorBody, "description": f"The upload goes on elsewhere: where, says `{OFFSET_HEADER}`."}
}


@router.post(
    "/uploads",
    summary="Open an upload in pieces",
    description=(
        "For long files: bytes that have arrived need not be sent again after a connection, or the store, broke off. "
        "Size and digests are optional; what is given is compared when the upload is committed."
    ),
    operation_id="open_upload",
    status_code=status.HTTP_201_CREATED,
)
async def open_upload(request: UploadRequest, response: Response, store: Store) -> UploadView:
    """Open an upload."""
    deposit = read_deposit(request, check_metadata(request.metadata, "body.metadata"))
    upload = await store.uploads.open(deposit, request.size, Digests(md5=request.md5, sha256=request.sha256))
    response.headers["Location"] = f"uploads/{upload.upload_id}"
    response.headers.update(_describe(upload, 0))
    return _show(upload, 0, store)


@router.get("/uploads/{upload_id}", summary="Tell how far an upload is", operation_id="get_upload")
async def get_upload(upload_id: UploadId, response: Response, store: Store) -> UploadView:
    """Tell how many bytes are there."""
    upload, offset = await store.uploads.find(upload_id)
    response.headers.update(_describe(upload, offset))
    return _show(upload, offset, store)


@router.head(
    "/uploads/{upload_id}",
    summary="Tell the offset of an upload",
    operation_id="head_upload",
    response_class=Response,
)
async def head_upload(upload_id: UploadId, store: Store) -> Response:
    """Tell in headers how many bytes are there."""
    return Response(headers=_describe(*await store.uploads.find(upload_id)))


@router.patch(
    "/uploads/{upload_id}",
    summary="Bring bytes of an upload",
    description=(
        f"The body is the bytes from `{OFFSET_HEADER}` (or `Content-Range`) on, which has to be the end of those that "
        "are there. `Content-Digest` and `Content-MD5` are of this body. When the answer comes the bytes are durable; "
        "of a body that broke off, what had come stays. A later request takes over from one that hangs."
    ),
    operation_id="append_to_upload",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=_RANGE_RESPONSES,
    openapi_extra=RAW_BODY,
)
async def append_to_upload(
    upload_id: UploadId,
    request: Request,
    store: Store,
    upload_offset: Annotated[int | None, Header(alias=OFFSET_HEADER, ge=0, le=2**63 - 1, examples=[0])] = None,
    content_range: Annotated[
        str | None, Header(alias="Content-Range", max_length=64, examples=["bytes 0-1048575/*"])
    ] = None,
    content_md5: Annotated[
        str | None,
        Header(alias=CONTENT_MD5, description="Base64 or hexadecimal.", examples=["XrY7u+Ae7tCTyyK7j1rNww=="]),
    ] = None,
    content_digest: Annotated[
        str | None, Header(alias=CONTENT_DIGEST, description="RFC 9530.", examples=[_DIGEST_EXAMPLE])
    ] = None,
) -> Response:
    """Append the body."""
    offset = _read_offset(upload_offset, content_range)
    digests = read_digests({CONTENT_MD5: content_md5, CONTENT_DIGEST: content_digest})
    try:
        reached = await store.uploads.append(upload_id, offset, read_body(request), digests, read_length(request))
    except OffsetError as error:
        body = ErrorBody(slug=error.slug, message=error.message, where=error.where)
        return render_error(status_of(error), body, {OFFSET_HEADER: str(error.offset)})
    return Response(status_code=status.HTTP_204_NO_CONTENT, headers={OFFSET_HEADER: str(reached)})


@router.put(
    "/uploads/{upload_id}/commit",
    summary="Make a version of an upload",
    operation_id="put_upload_commit",
    dependencies=[Depends(await_ids)],
    status_code=status.HTTP_201_CREATED,
    responses={200: {"model": VersionView, "description": "It was made before."}},
)
@router.post(
    "/uploads/{upload_id}/commit",
    summary="Make a version of an upload",
    description=(
        "All bytes are compared with the digests that were announced, at the opening or here. The same rules hold as "
        "for an upload in one stream; committing again gives the same version (200)."
    ),
    operation_id="commit_upload",
    dependencies=[Depends(await_ids)],
    status_code=status.HTTP_201_CREATED,
    responses={200: {"model": VersionView, "description": "It was made before."}},
)
async def commit_upload(
    upload_id: UploadId,
    response: Response,
    store: Store,
    repr_digest: Annotated[
        str | None, Header(alias=REPR_DIGEST, description="RFC 9530; of all bytes.", examples=[_DIGEST_EXAMPLE])
    ] = None,
) -> VersionView:
    """Make the version."""
    receipt = await store.uploads.commit(upload_id, read_digests({REPR_DIGEST: repr_digest}))
    fingerprint = receipt.version.fingerprint
    response.status_code = status.HTTP_201_CREATED if receipt.is_new else status.HTTP_200_OK
    response.headers["ETag"] = f'"{fingerprint.md5}"'
    response.headers[REPR_DIGEST] = format_digest(sha256=fingerprint.sha256, md5=fingerprint.md5)
    return show_version(receipt.version)


@router.delete(
    "/uploads/{upload_id}",
    summary="Give an upload up",
    description="Its bytes are removed. A version that it became stays.",
    operation_id="abort_upload",
    status_code=status.HTTP_204_NO_CONTENT,
)
async def abort_upload(upload_id: UploadId, store: Store) -> None:
    """Forget the upload."""
    await store.uploads.abort(upload_id)


def _read_offset(offset: int | None, content_range: str | None) -> int:
    if content_range is None:
        if offset is None:
            raise InvalidInputError("say where the bytes begin", where=f"header.{OFFSET_HEADER}")
        return offset
    match = _CONTENT_RANGE.fullmatch(content_range.strip())
    if match is None:
        raise InvalidInputError("expected something like bytes 0-99/200", where="header.Content-Range")
    first = int(match[1])
    if offset not in {None, first}:
        raise InvalidInputError(f"contradicts {OFFSET_HEADER}", where="header.Content-Range")
    return first


def _describe(upload: Upload, offset: int) -> dict[str, str]:
    length = {} if upload.size is None else {LENGTH_HEADER: str(upload.size)}
    return {OFFSET_HEADER: str(offset), **length, "Cache-Control": "no-store"}


def _show(upload: Upload, offset: int, store: Store) -> UploadView:
    return UploadView(
        upload_id=upload.upload_id,
        offset=offset,
        size=upload.size,
        expires_at=store.uploads.expires_at(upload),
        version_id=upload.version_id,
    )
