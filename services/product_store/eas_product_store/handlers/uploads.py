"""Reading a version's bytes from a request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from eas.contracts.errors import InvalidInputError, UnsupportedMediaError

#: For the documentation: the body is read by hand, so FastAPI does not see it.
RAW_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}, "example": "time flux\n"}
        },
    }
}


async def read_body(request: Request) -> AsyncIterator[bytes]:
    """Read the body as it comes.

    Raises
    ------
    InvalidInputError
        The connection ended before the body did.
    UnsupportedMediaError
        The body is a form, in which the bytes are only a part.
    """
    if request.headers.get("content-type", "").strip().lower().startswith("multipart/form-data"):
        raise UnsupportedMediaError(
            "the body is a form (multipart/form-data); send the bytes alone, as `curl --upload-file` does",
            where="header.Content-Type",
        )
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect as error:
        raise InvalidInputError("the connection ended before the body did", where="body") from error


def read_whole_body(request: Request) -> AsyncIterator[bytes]:
    """Read a body that is all of a version.

    Raises
    ------
    InvalidInputError
        It says that it is a part; or as `read_body` does.
    UnsupportedMediaError
        As `read_body` does.
    """
    if (part := request.headers.get("content-range")) is not None:
        message = f"the body is a part ({part}); send all bytes at once, or open an upload in pieces (POST /uploads)"
        raise InvalidInputError(message, where="header.Content-Range")
    return read_body(request)


def read_length(request: Request) -> int | None:
    """Tell how many bytes the request announces, if it does."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None
