"""What every service's app has in common: errors, request ids, tokens, health and documentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, FastAPI

from shared.contracts.errors import ErrorBody
from shared.http.auth import TokenTable
from shared.http.errors import install_error_handlers
from shared.http.health import ReadinessCheck, create_health_router
from shared.http.request_ids import RequestIdMiddleware


def distribution_version() -> str:
    """Tell the installed version of the suite."""
    try:
        return version("plato-eas")
    except PackageNotFoundError:
        return "0+unknown"


def create_service_app(
    *,
    name: str,
    summary: str,
    tokens: TokenTable,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    routers: Sequence[APIRouter],
    readiness: ReadinessCheck,
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
    lifespan
        Opens and closes what the service owns.
    routers
        Its operations.
    readiness
        Raises where the service cannot do its work.
    """
    app = FastAPI(
        title=f"EAS {name.replace('_', ' ')}",
        summary=summary,
        version=distribution_version(),
        lifespan=lifespan,
        responses={
            "4XX": {"model": ErrorBody, "description": "What is wrong with the request, and where."},
            "5XX": {"model": ErrorBody, "description": "What is wrong with the service."},
        },
    )
    app.state.tokens = tokens
    app.add_middleware(RequestIdMiddleware)
    install_error_handlers(app)
    app.include_router(create_health_router(name, app.version, readiness))
    for router in routers:
        app.include_router(router)
    return app
