"""The bytes of versions: whole or in part, verified as they are sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from eas.contracts.digests import CONTENT_MD5, REPR_DIGEST, encode_base64, format_digest
from eas.contracts.errors import ErrorBody, RangeError
from eas.contracts.products import METADATA_HEADER, VERSION_HEADER, Directory, Filename
from eas.http.auth import AccessScope, require
from eas.http.errors import render_error, status_of
from eas_product_store.domain.version import Version
from eas_product_store.handlers.dependencies import Store
from eas_product_store.handlers.parameters import VersionId
from eas_product_store.handlers.ranges import check_if_match, is_unchanged, read_list, read_range
from eas_product_store.logic.retrieval import OpenVersion, Retrieval

#: A product can be a page of HTML: it may show its own pictures and styles, and nothing else.
CONTENT_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_DESCRIPTION = (
    "The bytes, with their MD5 as ETag. `Range` (one range), `If-Range`, `If-Match` and `If-None-Match` are "
    "understood. A whole version is verified while it is sent: the connection breaks off before the end if the bytes "
    "are not those that were stored, and from then on the answer is the error `damaged`."
)
_BINARY = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
_RESPONSES: dict[int | str, dict[str, object]] = {
    200: {"description": "The whole.", **_BINARY},
    206: {"description": "The range that was asked for.", **_BINARY},
    304: {"description": "The caller has it already."},
    412: {"model": ErrorBody, "description": "`If-Match` names other bytes."},
    416: {"model": ErrorBody, "description": "The range lies beyond the end."},
}

router = APIRouter(tags=["content"], dependencies=[Depends(require(AccessScope.READ))])

DirectoryParameter = Annotated[Directory, Query()]
FilenameParameter = Annotated[Filename, Query()]
AcceptedParameter = Annotated[
    bool, Query(description="Only what quality control accepted; else the newest of all.", examples=[True])
]


@router.get(
    "/versions/{version_id}/content",
    summary="Download a version",
    description=_DESCRIPTION,
    operation_id="get_version_content",
    response_class=Response,
    responses=_RESPONSES,
)
async def get_version_content(version_id: VersionId, request: Request, store: Store) -> Response:
    """Send a version."""
    return await send_version(await store.inventory.get_version(version_id), request, store.retrieval)


@router.head(
    "/versions/{version_id}/content",
    summary="Describe the bytes of a version",
    operation_id="head_version_content",
    response_class=Response,
)
async def head_version_content(version_id: VersionId, request: Request, store: Store) -> Response:
    """Send the headers alone."""
    return await send_version(await store.inventory.get_version(version_id), request, store.retrieval)


@router.get(
    "/content",
    summary="Download the latest version of a name",
    description=_DESCRIPTION,
    operation_id="get_latest_content",
    response_class=Response,
    responses=_RESPONSES,
)
async def get_latest_content(
    request: Request,
    store: Store,
    directory: DirectoryParameter,
    filename: FilenameParameter,
    accepted: AcceptedParameter = True,
) -> Response:
    """Send the newest version, or the newest accepted one."""
    version = await store.inventory.find_latest(directory, filename, accepted=accepted)
    return await send_version(version, request, store.retrieval)


@router.head(
    "/content",
    summary="Describe the latest version of a name",
    operation_id="head_latest_content",
    response_class=Response,
)
async def head_latest_content(
    request: Request,
    store: Store,
    directory: DirectoryParameter,
    filename: FilenameParameter,
    accepted: AcceptedParameter = True,
) -> Response:
    """Send the headers alone."""
    version = await store.inventory.find_latest(directory, filename, accepted=accepted)
    return await send_version(version, request, store.retrieval)


class VersionResponse(StreamingResponse):
    """Bytes of an open version, which is closed in the end whatever happens."""

    def __init__(self, body: AsyncIterator[bytes], opened: OpenVersion, status: int, headers: dict[str, str]) -> None:
        super().__init__(body, status, headers)
        self._body = body
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the bytes."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if hasattr(self._body, "aclose"):
                await self._body.aclose()
            await self._opened.close()


async def send_version(version: Version, request: Request, retrieval: Retrieval) -> Response:
    """Answer a GET or HEAD for a version's bytes."""
    headers = describe_version(version)
    tag, size = headers["ETag"], version.fingerprint.size
    check_if_match(read_list(request.headers, "if-match"), tag)
    if is_unchanged(read_list(request.headers, "if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    try:
        wanted = request.headers.get("range") if request.method == "GET" else None
        span = read_range(wanted, request.headers.get("if-range"), tag, size)
    except RangeError as error:
        body = ErrorBody(slug=error.slug, message=error.message, where=error.where)
        return render_error(status_of(error), body, {"Content-Range": f"bytes */{size}"})
    opened = await retrieval.open(version)
    headers["Content-Type"] = version.mime_type
    headers["Content-Length"] = str(size)
    if request.method == "HEAD":
        await opened.close()
        return Response(headers=headers)
    if span is None:
        return await _send_all(opened, headers)
    first, length = span
    headers["Content-Length"] = str(length)
    headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{size}"
    del headers[CONTENT_MD5]
    return VersionResponse(opened.read_span(first, length), opened, 206, headers)


async def _send_all(opened: OpenVersion, headers: dict[str, str]) -> Response:
    try:
        await opened.prepare()
    except BaseException:
        await opened.close()
        raise
    return VersionResponse(opened.read_all(), opened, 200, headers)


def describe_version(version: Version) -> dict[str, str]:
    """Make the headers that say what a version is."""
    fingerprint = version.fingerprint
    return {
        "ETag": f'"{fingerprint.md5}"',
        CONTENT_MD5: encode_base64(fingerprint.md5),
        REPR_DIGEST: format_digest(sha256=fingerprint.sha256, md5=fingerprint.md5),
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": format_disposition(version.filename),
        "Content-Security-Policy": CONTENT_POLICY,
        "X-Content-Type-Options": "nosniff",
        METADATA_HEADER: json.dumps(version.metadata, separators=(",", ":")),
        VERSION_HEADER: str(version.version_id),
    }


def format_disposition(filename: str) -> str:
    """Write a Content-Disposition that no filename can break out of (RFC 6266)."""
    plain = "".join(found if found.isascii() and found not in '"\\%' else "_" for found in filename)
    extended = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'inline; filename="{plain}"{extended}'
