"""A log service in this process, and records to fill it with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from eas.client.log_service import LogClient
from eas.contracts.logs import LogRecord
from eas_logging.main import create_app
from eas_logging.settings import LoggingSettings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MakeRecord = Callable[..., LogRecord]
MakeDatabase = Callable[[str], str]


@pytest.fixture
def make_record() -> MakeRecord:
    """Makes a record of attempt 1 with this sequence number, and other fields as given."""

    def make(sequence: int, **fields: Any) -> LogRecord:
        standard = {
            "attempt_id": 1,
            "task_id": 1,
            "job_id": 1,
            "stream": "worker-1:5:a",
            "sequence": sequence,
            "time": NOON + timedelta(seconds=sequence),
            "level": 20,
            "message": f"message {sequence}",
        }
        return LogRecord(**{**standard, **fields})

    return make


@pytest.fixture
async def served(make_database: MakeDatabase) -> AsyncIterator[FastAPI]:
    """The service, started."""
    found = create_app(LoggingSettings(database_url=make_database("logging")))
    async with found.router.lifespan_context(found):
        yield found


@pytest.fixture
async def logs(served: FastAPI) -> AsyncIterator[LogClient]:
    """A client of the service."""
    async with LogClient("http://logs", None, transport=httpx.ASGITransport(served)) as found:
        yield found


@pytest.fixture
async def http(served: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Sends the service requests that no client makes."""
    async with httpx.AsyncClient(base_url="http://logs", transport=httpx.ASGITransport(served)) as found:
        yield found
