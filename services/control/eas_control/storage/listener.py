"""The socket of a suite, opened before anything else is started, and the server on it."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eas.contracts.errors import ErrorBody, UnavailableError
from eas.http.errors import render_error, status_of
from eas_control.domain.errors import SuiteStartError

BACKLOG = 2048
#: How long requests may go on when the server is to stop, before they are told to try again later [s].
GRACE_SECONDS = 3.0


def open_listener(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 takes a free one.

    Raises
    ------
    SuiteStartError
        The port is in use, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} of {host} is in use; choose another with --port (0: a free one)"
            raise SuiteStartError(message) from error
        raise SuiteStartError(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error
    listener.setblocking(False)
    return listener


def local_url(listener: socket.socket) -> str:
    """Write the URL by which this machine reaches a listening socket."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - recognised, not chosen
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class RequestGate:
    """Knows the requests that are being served, and at the end sends those away that wait for something to happen.

    Parameters
    ----------
    app
        Serves them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._running: set[asyncio.Task[object]] = set()
        self._closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - in a coroutine
        begun = False

        async def note_and_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        self._running.add(task)
        try:
            await self._app(scope, receive, note_and_send)
        except asyncio.CancelledError:
            if begun or not self._closing:
                raise
            error = UnavailableError("the suite is stopping")
            response = render_error(status_of(error), ErrorBody(slug=error.slug, message=error.message))
            await response(scope, receive, send)
        finally:
            self._running.discard(task)

    async def close(self, grace: float) -> None:
        """Wait up to `grace` seconds for the requests to end, and then end them."""
        self._closing = True
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        for task in self._running:
            task.cancel()


class SuiteServer(uvicorn.Server):
    """A server that leaves signals to its caller.

    Parameters
    ----------
    app
        What to serve. Its lifespan is the caller's to run.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._gate = RequestGate(app)
        super().__init__(
            uvicorn.Config(
                self._gate,
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=10,
            )
        )
        self.is_open = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self.is_open.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let requests end, or end them, and then close."""
        await self._gate.close(GRACE_SECONDS)
        await super().shutdown(sockets)
