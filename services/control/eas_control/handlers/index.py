"""The root of a suite's URL: what is mounted where, and whether all of it can do its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import httpx
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from eas.version import distribution_version


def make_index_routes(services: Mapping[str, FastAPI]) -> Sequence[Route]:
    """Make ``/`` and ``/health/ready``.

    Parameters
    ----------
    services
        Path to the app that is mounted there.
    """

    async def show_index(_request: Request) -> JSONResponse:
        mounted = {
            path.strip("/"): {"url": path, "docs": f"{path}/docs", "openapi": f"{path}/openapi.json"}
            for path in services
        }
        return JSONResponse({"suite": "EAS", "version": distribution_version(), "services": mounted})

    async def show_readiness(_request: Request) -> JSONResponse:
        found = {path.strip("/"): await _ask(app) for path, app in services.items()}
        ready = all(state["status"] == "ok" for state in found.values())
        body = {"status": "ok" if ready else "unavailable", "services": found}
        return JSONResponse(body, status_code=200 if ready else 503)

    return [Route("/", show_index), Route("/health/ready", show_readiness)]


async def _ask(app: FastAPI) -> dict[str, str]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://suite") as client:
        response = await client.get("/health/ready")
    body = response.json()
    return {"status": "ok"} if response.is_success else {"status": "unavailable", "message": str(body["message"])}
