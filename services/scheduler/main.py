"""The scheduler: decides what runs when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from services.scheduler.factory import SchedulerFactory
from services.scheduler.handlers import attempts, containers, diagnostics, events, jobs, tasks, workers
from services.scheduler.handlers.dependencies import provide
from services.scheduler.settings import SchedulerSettings
from shared.contracts.errors import UnavailableError
from shared.http.auth import TokenTable, refuse_open_listener
from shared.http.service import create_service_app

#: How long streams and long polls may go on when the service is to stop [s].
STOP_SECONDS = 5


def create_app(settings: SchedulerSettings | None = None) -> FastAPI:
    """Make the app of the scheduler.

    Parameters
    ----------
    settings
        By default read from the environment.
    """
    settings = settings or SchedulerSettings()
    running: list[SchedulerFactory] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        factory = SchedulerFactory(settings)
        await asyncio.to_thread(factory.prepare)
        await factory.start()
        try:
            provide(app, factory)
            running.append(factory)
            yield
        finally:
            running.clear()
            await factory.stop()

    async def check() -> None:
        if not running:
            raise UnavailableError("starting")
        await running[0].views.check()

    return create_service_app(
        name="scheduler",
        summary="Jobs, their tasks, and who runs them: submit, watch, claim and report.",
        tokens=read_tokens(settings),
        lifespan=lifespan,
        routers=[
            jobs.router,
            tasks.router,
            attempts.router,
            workers.router,
            containers.router,
            diagnostics.router,
            events.router,
        ],
        readiness=check,
    )


def read_tokens(settings: SchedulerSettings) -> TokenTable:
    """Read who may call; everyone, where no tokens file is set."""
    return TokenTable.from_file(settings.tokens_file) if settings.tokens_file else TokenTable(None)


def main() -> None:
    """Run the scheduler by itself."""
    settings = SchedulerSettings()
    refuse_open_listener(settings.host, read_tokens(settings))
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, timeout_graceful_shutdown=STOP_SECONDS)


if __name__ == "__main__":
    main()
