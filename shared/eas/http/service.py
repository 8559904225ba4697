"""What every service's app has in common: its life, errors, request ids, tokens, health and documentation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Protocol, TypeVar

from fastapi import APIRouter, Depends, FastAPI

from eas.contracts.errors import ErrorBody, UnavailableError
from eas.http.auth import TokenTable
from eas.http.content_codings import ContentCodingMiddleware
from eas.http.errors import install_error_handlers
from eas.http.health import create_health_router
from eas.http.query import refuse_unknown_parameters
from eas.http.request_ids import RequestIdMiddleware
from eas.version import distribution_version


class ServiceParts(Protocol):
    """What a service's composition root makes."""

    def prepare(self) -> None:
        """Bring what is stored up to date. Blocks."""

    async def start(self) -> None:
        """Begin to work."""

    async def stop(self) -> None:
        """End in good order; also after a start that failed."""

    async def check(self) -> None:
        """Raise where the service cannot do its work."""


Parts = TypeVar("Parts", bound=ServiceParts)


def create_service_app(
    *,
    name: str,
    summary: str,
    tokens: TokenTable,
    make_parts: Callable[[], Parts],
    provide: Callable[[FastAPI, Parts], None],
    routers: Sequence[APIRouter],
    consume_queue: Callable[[Parts], AbstractAsyncContextManager[None]] | None = None,
    gzip_paths: Collection[str] = (),
) -> FastAPI:
    """Make the app of one service.

    Parameters
    ----------
    name
        ``scheduler``, ``product_store`` or ``logging``.
    summary
        For the documentation page.
    tokens
        Who may call.
    make_parts
        Makes what the service owns, when the app starts.
    provide
        Gives the app the parts that its handlers ask for.
    routers
        Its operations.
    consume_queue
        Brings the parts what comes by other ways than HTTP, from when they have started to before they stop.
    gzip_paths
        Paths of operations that unpack bodies with ``Content-Encoding: gzip``. All others refuse such bodies.
    """
    running: list[Parts] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts = make_parts()
        try:
            await asyncio.to_thread(parts.prepare)
            await parts.start()
            provide(app, parts)
            running.append(parts)
            async with consume_queue(parts) if consume_queue else nullcontext():
                yield
        finally:
            running.clear()
            await parts.stop()

    async def check() -> None:
        if not running:
            raise UnavailableError("starting")
        await running[0].check()

    app = FastAPI(
        title=f"EAS {name.replace('_', ' ')}",
        summary=summary,
        version=distribution_version(),
        lifespan=lifespan,
        dependencies=[Depends(refuse_unknown_parameters)],
        responses={
            "4XX": {"model": ErrorBody, "description": "What is wrong with the request, and where."},
            "5XX": {"model": ErrorBody, "description": "What is wrong with the service."},
        },
    )
    app.state.tokens = tokens
    app.add_middleware(ContentCodingMiddleware, gzip_paths=gzip_paths)
    app.add_middleware(RequestIdMiddleware)
    install_error_handlers(app)
    app.include_router(create_health_router(name, app.version, check))
    for router in routers:
        app.include_router(router)
    return app
