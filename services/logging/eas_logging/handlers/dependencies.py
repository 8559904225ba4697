"""How a handler gets at the service's parts."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request

from eas_logging.logic.ingestion import Ingestion
from eas_logging.logic.ports import KnownIdsSource
from eas_logging.logic.retention import Retention
from eas_logging.logic.retrieval import Retrieval
from eas_logging.logic.tail import Tail
from eas_logging.runtime import LoggingRuntime


def provide(app: FastAPI, factory: LoggingRuntime) -> None:
    """Give `app` the parts that its handlers will ask for."""
    app.state.factory = factory


async def _factory(request: Request) -> LoggingRuntime:
    factory: LoggingRuntime = request.app.state.factory
    return factory


async def _ingestion(factory: Annotated[LoggingRuntime, Depends(_factory)]) -> Ingestion:
    return factory.ingestion


async def _retrieval(factory: Annotated[LoggingRuntime, Depends(_factory)]) -> Retrieval:
    return factory.retrieval


async def _tail(factory: Annotated[LoggingRuntime, Depends(_factory)]) -> Tail:
    return factory.tail


async def _ids(factory: Annotated[LoggingRuntime, Depends(_factory)]) -> KnownIdsSource:
    return factory.ids


async def _retention(factory: Annotated[LoggingRuntime, Depends(_factory)]) -> Retention:
    return factory.retention


IngestionPart = Annotated[Ingestion, Depends(_ingestion)]
TailPart = Annotated[Tail, Depends(_tail)]
IdsPart = Annotated[KnownIdsSource, Depends(_ids)]
RetentionPart = Annotated[Retention, Depends(_retention)]
RetrievalPart = Annotated[Retrieval, Depends(_retrieval)]
