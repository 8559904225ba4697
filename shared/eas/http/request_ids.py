"""A request id on every request and response, so that a user's error and the service's log can be brought together."""

from __future__ import annotations

import re
from contextvars import ContextVar
from secrets import token_hex

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-request-id"
_ACCEPTABLE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def current_request_id() -> str | None:
    """Tell the id of the request being served, or None outside of one."""
    return _current.get()


class RequestIdMiddleware:
    """Take the caller's ``X-Request-ID`` where it is well formed, else make one, and send it back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == HEADER), b"")
        request_id = given if _ACCEPTABLE.fullmatch(given) else token_hex(8).encode()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (HEADER, request_id)]
            await send(message)

        token = _current.set(request_id.decode())
        # Not reset after an error: what answers an unexpected one does so outside of here, and wants to name it.
        await self._app(scope, receive, send_with_id)
        _current.reset(token)
