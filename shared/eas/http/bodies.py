"""Bodies that are read as they come, up to a bound."""

from __future__ import annotations

from starlette.requests import Request

from eas.contracts.errors import TooLargeError


async def read_bounded(request: Request, most: int) -> bytes:
    """Read a request's body.

    Raises
    ------
    TooLargeError
        It has more than `most` bytes. The rest is not read.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLargeError(f"the body is larger than {most} bytes")
    return bytes(body)
