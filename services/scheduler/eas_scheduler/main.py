"""The scheduler: decides what runs when."""

from __future__ import annotations

from dataclasses import replace

from fastapi import FastAPI

from eas.database.description import DatabaseDescription
from eas.http.auth import TokenTable
from eas.http.service import create_service_app
from eas.http.serving import prepare_process, serve
from eas_scheduler.handlers import (
    attempts,
    containers,
    dead_letters,
    diagnostics,
    events,
    jobs,
    queues,
    replicas,
    tasks,
    versions,
    workers,
)
from eas_scheduler.handlers.dependencies import provide
from eas_scheduler.logic.ports import Clock
from eas_scheduler.runtime import SchedulerRuntime, read_clock
from eas_scheduler.settings import SchedulerSettings
from eas_scheduler.storage.database import DATABASE

#: How long streams and long polls may go on when the service is to stop [s].
STOP_SECONDS = 5


def create_app(settings: SchedulerSettings | None = None, clock: Clock = read_clock) -> FastAPI:
    """Make the app of the scheduler.

    Parameters
    ----------
    settings
        By default read from the environment.
    clock
        Gives the time, in UTC.
    """
    settings = settings or SchedulerSettings()
    return create_service_app(
        name="scheduler",
        summary="Jobs, their tasks, and who runs them: submit, watch, claim and report.",
        tokens=TokenTable.from_optional_file(settings.tokens_file),
        make_parts=lambda: SchedulerRuntime(settings, clock),
        provide=provide,
        routers=[
            attempts.hot_router,  # first: routes are looked through in their order
            jobs.router,
            tasks.router,
            attempts.router,
            workers.router,
            containers.router,
            diagnostics.router,
            queues.router,
            dead_letters.router,
            events.router,
            versions.router,
            replicas.router,
        ],
    )


def describe_database() -> DatabaseDescription:
    """Say what others must know of the service's database to make, move and check it."""
    return replace(DATABASE, largest_value=SchedulerSettings().max_document_bytes)


def main() -> None:
    """Run the scheduler by itself."""
    settings = SchedulerSettings()
    prepare_process(settings)
    serve(create_app(settings), settings, stop_seconds=STOP_SECONDS)


if __name__ == "__main__":
    main()
