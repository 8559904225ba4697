"""The log service: keeps what attempts and services had to say, and finds it again."""

from __future__ import annotations

import gc

from fastapi import FastAPI

from eas.amqp.wiring import consume_queue
from eas.contracts.logs import LOG_QUEUE
from eas.database.description import DatabaseDescription
from eas.http.auth import TokenTable
from eas.http.service import create_service_app
from eas.http.serving import prepare_process, serve
from eas_logging.handlers import follow, ids, ingest, queued_ingest, records, retention
from eas_logging.handlers.dependencies import provide
from eas_logging.runtime import LoggingRuntime
from eas_logging.settings import LoggingSettings
from eas_logging.storage.database import DATABASE

#: New objects between two looks for garbage: each batch makes thousands, and they are gone without any look.
GARBAGE_THRESHOLD = 20_000

#: How long requests may go on when the service is to stop; live tails would go on for ever [s].
STOP_SECONDS = 3


def create_app(settings: LoggingSettings | None = None) -> FastAPI:
    """Make the app of the log service.

    Parameters
    ----------
    settings
        By default read from the environment.
    """
    settings = settings or LoggingSettings()
    return create_service_app(
        name="logging",
        summary="Log records of attempts and services: ingestion and search.",
        tokens=TokenTable.from_optional_file(settings.tokens_file),
        make_parts=lambda: LoggingRuntime(settings),
        provide=provide,
        routers=[ingest.router, follow.router, records.router, retention.router, ids.router],
        gzip_paths=["/records"],
        consume_queue=lambda factory: consume_queue(
            settings,
            LOG_QUEUE,
            queued_ingest.QueuedIngest(factory.ingestion).take,
            name="logging",
            prefetch=queued_ingest.PREFETCH,
        ),
    )


def describe_database() -> DatabaseDescription:
    """Say what others must know of the service's database to make, move and check it."""
    return DATABASE


def main() -> None:
    """Run the log service by itself."""
    settings = LoggingSettings()
    prepare_process(settings)
    app = create_app(settings)
    # The collector would walk through all imported code again and again.
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    serve(app, settings, stop_seconds=STOP_SECONDS)


if __name__ == "__main__":
    main()
