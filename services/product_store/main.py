"""The product store: keeps every version of every file that tasks make."""

from __future__ import annotations

from fastapi import FastAPI

from services.product_store.handlers import (
    content,
    deposits,
    fixity,
    ids,
    pieces,
    previews,
    products,
    queued_messages,
    removals,
    versions,
)
from services.product_store.handlers.dependencies import provide
from services.product_store.runtime import ProductStoreRuntime, make_archive
from services.product_store.settings import ProductStoreSettings
from services.product_store.storage.copies import ArchiveCopies
from services.product_store.storage.database import DATABASE
from services.product_store.storage.spool import ArchiveError
from shared.amqp.wiring import consume_queue
from shared.contracts.errors import UnavailableError
from shared.contracts.products import PRODUCT_QUEUE
from shared.database.description import DatabaseDescription
from shared.http.auth import TokenTable
from shared.http.service import create_service_app
from shared.http.serving import prepare_process, serve


def create_app(settings: ProductStoreSettings | None = None) -> FastAPI:
    """Make the app of the product store.

    Parameters
    ----------
    settings
        By default read from the environment.
    """
    settings = settings or ProductStoreSettings()
    return create_service_app(
        name="product_store",
        summary="Every version of every file that tasks make: upload, download, search and verdicts.",
        tokens=TokenTable.from_optional_file(settings.tokens_file),
        make_parts=lambda: ProductStoreRuntime(settings),
        provide=provide,
        routers=[
            products.router,
            versions.router,
            deposits.router,
            pieces.router,
            removals.router,
            content.router,
            previews.router,
            fixity.router,
            ids.router,
        ],
        consume_queue=lambda factory: consume_queue(
            settings,
            PRODUCT_QUEUE,
            queued_messages.QueuedMessages(factory.planning, factory.quality).take,
            name="product store",
            prefetch=queued_messages.PREFETCH,
        ),
    )


def describe_database() -> DatabaseDescription:
    """Say what others must know of the service's database to make, move and check it."""
    return DATABASE


def open_copies(settings: ProductStoreSettings) -> ArchiveCopies:
    """Open the archive for those who copy it whole. Raises UnavailableError where it cannot be used."""
    try:
        return ArchiveCopies(make_archive(settings))
    except ArchiveError as error:
        raise UnavailableError(str(error)) from error


def main() -> None:
    """Run the product store by itself."""
    settings = ProductStoreSettings()
    prepare_process(settings)
    serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
