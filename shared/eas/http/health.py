"""Liveness and readiness: the first says that the process answers, the second that it can do its work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from pydantic import BaseModel

from eas.contracts.errors import UnavailableError

ReadinessCheck = Callable[[], Awaitable[None]]


class Health(BaseModel):
    """All is well; a service that is not ready answers 503 instead."""

    status: str = "ok"
    service: str
    version: str


def create_health_router(service: str, version: str, check: ReadinessCheck) -> APIRouter:
    """Make ``/health/live`` and ``/health/ready``. `check` raises where the service cannot work."""
    router = APIRouter(prefix="/health", tags=["health"])

    @router.get("/live", summary="Is the process alive?", operation_id="get_liveness")
    async def get_liveness() -> Health:
        return Health(service=service, version=version)

    @router.get("/ready", summary="Can the service do its work?", operation_id="get_readiness")
    async def get_readiness() -> Health:
        try:
            await check()
        except Exception as error:
            raise UnavailableError(f"{service} is not ready: {error}") from error
        return Health(service=service, version=version)

    return router
