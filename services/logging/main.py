"""The log service: keeps what attempts and services had to say, and finds it again."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from services.logging.factory import LoggingFactory
from services.logging.handlers import ingest, records
from services.logging.handlers.dependencies import provide
from services.logging.settings import LoggingSettings
from shared.contracts.errors import UnavailableError
from shared.http.auth import TokenTable, refuse_open_listener
from shared.http.service import create_service_app


def create_app(settings: LoggingSettings | None = None) -> FastAPI:
    """Make the app of the log service.

    Parameters
    ----------
    settings
        By default read from the environment.
    """
    settings = settings or LoggingSettings()
    running: list[LoggingFactory] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        factory = LoggingFactory(settings)
        await asyncio.to_thread(factory.upgrade)
        await factory.start()
        provide(app, factory)
        running.append(factory)
        try:
            yield
        finally:
            running.remove(factory)
            await factory.stop()

    async def check() -> None:
        if not running:
            raise UnavailableError("starting")
        await running[0].check()

    return create_service_app(
        name="logging",
        summary="Log records of attempts and services: ingestion and search.",
        tokens=read_tokens(settings),
        lifespan=lifespan,
        routers=[ingest.router, records.router],
        readiness=check,
    )


def read_tokens(settings: LoggingSettings) -> TokenTable:
    """Read who may call; everyone, where no tokens file is set."""
    return TokenTable.from_file(settings.tokens_file) if settings.tokens_file else TokenTable(None)


def main() -> None:
    """Run the log service by itself."""
    settings = LoggingSettings()
    refuse_open_listener(settings.host, read_tokens(settings))
    app = create_app(settings)
    # Each batch makes thousands of objects, and the collector would walk through all imported code again and again.
    gc.freeze()
    uvicorn.run(app, host=settings.host, port=settings.port)


if __name__ == "__main__":
    main()
