"""Reading a version's bytes from a request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from shared.contracts.errors import InvalidInputError

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
    """
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect as error:
        raise InvalidInputError("the connection ended before the body did", where="body") from error


def read_length(request: Request) -> int | None:
    """Tell how many bytes the request announces, if it does."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None
