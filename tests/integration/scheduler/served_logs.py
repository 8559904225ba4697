"""A real log service behind real HTTP, for schedulers that speak to one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import uvicorn

from eas.client.log_service import LogClient
from eas.contracts.logs import LogBatch, LogRecord
from eas.contracts.scheduler import ClaimedAttempt
from eas_logging.main import create_app
from eas_logging.settings import LoggingSettings


@dataclass
class ServedLogs:
    """Where it is, and how to speak to it."""

    url: str
    client: LogClient

    async def write(self, attempt: ClaimedAttempt, message: str) -> int:
        """Log something in an attempt's name. Returns how many records were new."""
        record = LogRecord(
            attempt_id=attempt.attempt_id,
            task_id=attempt.task_id,
            job_id=attempt.job_id,
            stream="task",
            sequence=1,
            time=datetime.now(UTC),
            level=20,
            logger="test",
            message=message,
            host="here",
            process_id=1,
        )
        return (await self.client.ingest(LogBatch(records=[record]))).stored


@asynccontextmanager
async def serve_logs(database_url: str) -> AsyncIterator[ServedLogs]:
    """Serve a log service until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(LoggingSettings(database_url=database_url))
    server = uvicorn.Server(uvicorn.Config(app, ws="none", log_level="error", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:  # noqa: ASYNC110 - the server has no event to wait for
        await asyncio.sleep(0.01)
    try:
        async with LogClient(url, None) as client:
            yield ServedLogs(url, client)
    finally:
        server.should_exit = True
        await serving
        listener.close()
