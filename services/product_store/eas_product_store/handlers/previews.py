"""Previews of versions: a light curve thinned out, headers, a picture, the first lines."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from eas.contracts.errors import ErrorBody
from eas.contracts.previews import FORM_HEADER, FORMS_HEADER, JSON, PNG, AnyPreview, PreviewParameters
from eas.contracts.products import VERSION_HEADER
from eas.http.auth import AccessScope, require
from eas_product_store.domain.preview import PreviewRequest, tag_preview
from eas_product_store.domain.removal import check_not_purged
from eas_product_store.handlers.content import CONTENT_POLICY
from eas_product_store.handlers.dependencies import Store
from eas_product_store.handlers.parameters import VersionId
from eas_product_store.handlers.ranges import check_if_match, is_unchanged, read_list

router = APIRouter(tags=["content"], dependencies=[Depends(require(AccessScope.READ))])

_EXAMPLE = {
    "forms": ["light_curve", "plot", "headers"],
    "form": "light_curve",
    "samples": 19261,
    "flagged": 1158,
    "first_time": 1325.29526,
    "last_time": 1353.17733,
    "time_system": "BTJD",
    "time_unit": "d",
    "column": "PDCSAP_FLUX",
    "unit": "e-/s",
    "selected": 18103,
    "decimated": True,
    "times": [1325.29526, 1325.31054],
    "values": [21421.6, 21440.2],
    "metadata": {"mission": "TESS", "tic_id": 25155310},
}


@router.get(
    "/versions/{version_id}/preview",
    summary="Show what a version holds",
    description=(
        "Light curves (in every format that tasks read) thinned out, such that the lowest and the highest sample of "
        "each interval of time stay, or plotted; the headers of FITS files; tables, JSON and text; images made small. "
        "The content decides which forms there are. JSON says in `forms`, and all answers say in the header "
        f"`{FORMS_HEADER}`, which; `{FORM_HEADER}` names the one that was chosen. `If-None-Match` is understood."
    ),
    operation_id="get_version_preview",
    response_class=Response,
    responses={
        200: {
            "model": AnyPreview,
            "description": "The preview.",
            "content": {
                JSON: {"example": _EXAMPLE},
                PNG: {"schema": {"type": "string", "format": "binary"}},
            },
        },
        304: {"description": "The caller has it already."},
        413: {"model": ErrorBody, "description": "`too_large`: only its beginning can be shown, as text."},
        415: {"model": ErrorBody, "description": "`no_preview`: such a file cannot be shown, or not in this form."},
        422: {"model": ErrorBody, "description": "`unreadable`: the file is damaged, or not what it seems."},
        429: {"model": ErrorBody, "description": "`busy`: too many previews are being made."},
    },
)
async def get_version_preview(
    version_id: VersionId,
    request: Request,
    store: Store,
    parameters: Annotated[PreviewParameters, Query()],
    accept: Annotated[
        str | None,
        Header(description="Without `form`: whether a picture or JSON is preferred.", examples=["image/png"]),
    ] = None,
) -> Response:
    """Show a version."""
    version = await store.inventory.get_version(version_id)
    wanted = PreviewRequest(parameters, prefers_picture=prefers_picture(accept))
    headers = {
        "ETag": f'"{tag_preview(version, wanted)}"',
        "Vary": "Accept",
        "Cache-Control": "private, no-cache",
        "Content-Security-Policy": CONTENT_POLICY,
        "X-Content-Type-Options": "nosniff",
        VERSION_HEADER: str(version_id),
    }
    check_not_purged(version)
    check_if_match(read_list(request.headers, "if-match"), headers["ETag"])
    if not version.damaged and is_unchanged(read_list(request.headers, "if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    found = await store.previews.show(version, wanted)
    headers |= {FORM_HEADER: found.form, FORMS_HEADER: ", ".join(found.forms)}
    return Response(found.content, headers=headers, media_type=found.media_type)


def prefers_picture(accept: str | None) -> bool:
    """Tell whether a caller would rather have PNG than JSON (RFC 9110); who has no preference gets JSON."""
    weights = _read_weights(accept or "*/*")
    picture, document = (
        next((weights[name] for name in names if name in weights), 0.0)
        for names in ((PNG, "image/*", "*/*"), (JSON, "application/*", "*/*"))
    )
    return picture > document


def _read_weights(accept: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((found.removeprefix("q=") for found in parameters if found.startswith("q=")), "1")
        try:
            weights[name] = float(quality)
        except ValueError:
            weights[name] = 0.0
    return weights
