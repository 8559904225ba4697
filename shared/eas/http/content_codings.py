"""Bodies that are not what they seem: compressed, or a part of something (RFC 9110, 8.4 and 14.5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from eas.contracts.errors import ErrorBody, UnsupportedMediaError
from eas.http.errors import render_error, status_of

_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")
_ENCODING = b"content-encoding"


class ContentCodingMiddleware:
    """Refuse compressed bodies, which would be taken for what they are not.

    Parameters
    ----------
    app
        Serves the other requests.
    gzip_paths
        Paths, below the service's own, of operations that unpack gzip themselves.
    """

    def __init__(self, app: ASGIApp, gzip_paths: Collection[str] = ()) -> None:
        self._app = app
        self._gzip_paths = frozenset(gzip_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and any(name == _ENCODING for name, _ in scope["headers"]):
            refused = self._find_refused(scope)
            if refused is not None:
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _find_refused(self, scope: Scope) -> ASGIApp | None:
        codings = read_codings(value for name, value in scope["headers"] if name == _ENCODING)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        accepted = ["gzip"] if path in self._gzip_paths else []
        if scope["method"] in _WITHOUT_BODY or codings in ([], accepted):
            return None
        words = "gzip, or none" if accepted else "none"
        error = UnsupportedMediaError(
            f"the body's content coding is {', '.join(codings)!r}; this operation takes {words}. Send it unpacked",
            where="header.Content-Encoding",
        )
        body = ErrorBody(slug=error.slug, message=error.message, where=error.where)
        return render_error(status_of(error), body, {"Accept-Encoding": ", ".join([*accepted, "identity"])})


def is_gzipped(request: Request) -> bool:
    """Tell whether a body that was let through is packed with gzip."""
    return bool(read_codings(value for name, value in request.headers.raw if name == _ENCODING))


def read_codings(values: Iterable[bytes]) -> list[str]:
    """Read the codings of a body, in the order in which they were applied; ``identity`` is none."""
    names = (name.strip().lower() for value in values for name in value.decode("latin-1").split(","))
    return [{"x-gzip": "gzip"}.get(name, name) for name in names if name not in ("", "identity")]
