"""Puts an embedded suite together: the three services under one root, each with its own database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Mount

from eas.client.suite.address import LOGS, PRODUCTS, SCHEDULER, SuiteAddress
from eas_control.databases import ServiceDatabase
from eas_control.handlers.index import make_index_routes
from eas_control.storage.data_folder import DataFolder
from eas_logging.main import create_app as create_log_service
from eas_logging.settings import LoggingSettings
from eas_product_store.main import create_app as create_product_store
from eas_product_store.settings import ProductStoreSettings
from eas_scheduler.main import create_app as create_scheduler
from eas_scheduler.settings import SchedulerSettings


def create_suite_app(
    folder: DataFolder, databases: Sequence[ServiceDatabase], address: SuiteAddress, broker: str | None = None
) -> Starlette:
    """Make the root app, whose lifespan is that of all services.

    Parameters
    ----------
    folder
        Where everything else is kept; with its tokens file in place.
    databases
        Those of the services.
    address
        Where the suite will answer.
    broker
        URL of a RabbitMQ; None: services and workers speak HTTP alone.

    Raises
    ------
    SuiteStartError
        The tokens file has no token that the scheduler could use.
    """
    tokens_file = folder.tokens_file
    broker_url = None if broker is None else SecretStr(broker)
    urls = {found.service: found.url for found in databases}
    services = {
        SCHEDULER: create_scheduler(
            SchedulerSettings(
                database_url=urls["scheduler"],
                tokens_file=tokens_file,
                broker_url=broker_url,
                product_store_url=address.product_store_url,
                product_store_token=SecretStr(folder.choose_token({"operate"})),
                log_service_url=address.log_service_url,
                log_service_token=SecretStr(folder.choose_token({"operate"})),
            )
        ),
        PRODUCTS: create_product_store(
            ProductStoreSettings(
                database_url=urls["product_store"],
                archive=folder.products,
                tokens_file=tokens_file,
                broker_url=broker_url,
            )
        ),
        LOGS: create_log_service(
            LoggingSettings(database_url=urls["logging"], tokens_file=tokens_file, broker_url=broker_url)
        ),
    }
    return _mount(services)


def make_worker_settings(folder: DataFolder, address: SuiteAddress) -> dict[str, str]:
    """Make the environment variables that a worker of the suite needs.

    Raises
    ------
    SuiteStartError
        The tokens file has no token that a worker could use.
    """
    return {
        "EAS_WORKER_SCHEDULER_URL": address.scheduler_url,
        "EAS_WORKER_PRODUCT_STORE_URL": address.product_store_url,
        "EAS_WORKER_LOG_SERVICE_URL": address.log_service_url,
        "EAS_WORKER_TOKEN": folder.choose_token({"read", "work"}, {"operate"}),
        "EAS_WORKER_WORK_DIRECTORY": str(folder.workers),
        "EAS_WORKER_SLOTS": "1",
    }


def _mount(services: Mapping[str, FastAPI]) -> Starlette:
    @asynccontextmanager
    async def lifespan(_root: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for app in services.values():
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield

    mounts = [Mount(path, app) for path, app in services.items()]
    return Starlette(routes=[*mounts, *make_index_routes(services)], lifespan=lifespan)
