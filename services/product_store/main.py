"""The product store: keeps every version of every file that tasks make."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from services.product_store.factory import ProductStoreFactory
from services.product_store.handlers import content, products, versions
from services.product_store.handlers.dependencies import provide
from services.product_store.settings import ProductStoreSettings
from shared.contracts.errors import UnavailableError
from shared.http.auth import TokenTable, refuse_open_listener
from shared.http.service import create_service_app


def create_app(settings: ProductStoreSettings | None = None) -> FastAPI:
    """Make the app of the product store.

    Parameters
    ----------
    settings
        By default read from the environment.
    """
    settings = settings or ProductStoreSettings()
    running: list[ProductStoreFactory] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        factory = ProductStoreFactory(settings)
        try:
            await asyncio.to_thread(factory.prepare)
            await factory.start()
            provide(app, factory)
            running.append(factory)
            yield
        finally:
            running.clear()
            await factory.stop()

    async def check() -> None:
        if not running:
            raise UnavailableError("starting")
        await running[0].check()

    return create_service_app(
        name="product_store",
        summary="Every version of every file that tasks make: upload, download, search and verdicts.",
        tokens=read_tokens(settings),
        lifespan=lifespan,
        routers=[products.router, versions.router, content.router],
        readiness=check,
    )


def read_tokens(settings: ProductStoreSettings) -> TokenTable:
    """Read who may call; everyone, where no tokens file is set."""
    return TokenTable.from_file(settings.tokens_file) if settings.tokens_file else TokenTable(None)


def main() -> None:
    """Run the product store by itself."""
    settings = ProductStoreSettings()
    refuse_open_listener(settings.host, read_tokens(settings))
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port)


if __name__ == "__main__":
    main()
