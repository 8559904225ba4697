"""The product store: keeps every version of every file that tasks make."""

from __future__ import annotations

from fastapi import FastAPI

from eas.amqp.wiring import consume_queue
from eas.contracts.errors import UnavailableError
from eas.contracts.products import PRODUCT_QUEUE
from eas.database.description import DatabaseDescription
from eas.http.auth import TokenTable
from eas.http.service import create_service_app
from eas.http.serving import prepare_process, serve
from eas_product_store.handlers import (
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
from eas_product_store.handlers.dependencies import provide
from eas_product_store.runtime import ProductStoreRuntime, make_archive
from eas_product_store.settings import ProductStoreSettings
from eas_product_store.storage.copies import ArchiveCopies
from eas_product_store.storage.database import DATABASE
from eas_product_store.storage.spool import ArchiveError


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
