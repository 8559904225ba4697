"""How a handler gets at the service's parts."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request

from eas_product_store.runtime import ProductStoreRuntime


def provide(app: FastAPI, factory: ProductStoreRuntime) -> None:
    """Give `app` the parts that its handlers will ask for."""
    app.state.factory = factory


async def _get_runtime(request: Request) -> ProductStoreRuntime:
    # Async only because FastAPI would run a plain function in a thread.
    factory: ProductStoreRuntime = request.app.state.factory
    return factory


async def await_ids(request: Request) -> None:
    """Hold a request back that would make versions, until it is known from where on ids are free."""
    await request.app.state.factory.ids.wait()


Store = Annotated[ProductStoreRuntime, Depends(_get_runtime)]
