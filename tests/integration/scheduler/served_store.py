"""A real product store behind real HTTP, for schedulers that speak to one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from pydantic import SecretStr

from eas.client.product_store import ProductStoreClient
from eas.contracts.scheduler import ClaimedAttempt, OutputVersion
from eas_product_store.main import create_app
from eas_product_store.settings import ProductStoreSettings


@dataclass
class ServedStore:
    """Where it is, and how to speak to it."""

    url: str
    root: Path
    client: ProductStoreClient

    async def upload(self, attempt: ClaimedAttempt, content: bytes, slot: str = "lightcurve") -> OutputVersion:
        """Store what an attempt made, as its worker would."""
        path = self.root / f"upload_{attempt.attempt_id}"
        path.write_bytes(content)
        stored = await self.client.upload(
            path,
            directory=attempt.working_directory,
            filename=attempt.outputs[slot],
            semantic_type=slot,
            attempt_id=attempt.attempt_id,
            task_id=attempt.task_id,
            job_id=attempt.job_id,
            metadata={"made": "well"},
            rerun=attempt.rerun,
        )
        return OutputVersion(slot=slot, passed_qc=True, **stored.model_dump(include=_SHARED))

    def objects(self) -> list[Path]:
        """All files of bytes."""
        return [path for path in (self.root / "archive" / "objects").rglob("*") if path.is_file()]


_SHARED = {"version_id", "directory", "filename", "md5", "sha256", "size", "mime_type", "metadata"}


@asynccontextmanager
async def serve_store(root: Path, port: int = 0, *, broker_url: str | None = None) -> AsyncIterator[ServedStore]:
    """Serve a product store in `root` until the block ends; 0 is any free port."""
    listener = socket.create_server(("127.0.0.1", port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    broker = None if broker_url is None else SecretStr(broker_url)
    database_url = f"sqlite:///{root}/store.db"
    app = create_app(ProductStoreSettings(database_url=database_url, archive=root / "archive", broker_url=broker))
    server = uvicorn.Server(uvicorn.Config(app, ws="none", log_level="error", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve([listener]))
    # Alembic prepares one database at a time in a process, and the server has no event to wait for.
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    try:
        async with ProductStoreClient(url, None) as client:
            yield ServedStore(url, root, client)
    finally:
        server.should_exit = True
        await serving
        listener.close()
