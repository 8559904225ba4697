"""The scheduler in memory and a collector of log records, behind real HTTP, for workers that are real processes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvicorn
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from eas.contracts.errors import EasError, ErrorBody
from eas.contracts.scheduler import ClaimRequest, HeartbeatRequest, ReportRequest, WorkerAnnouncement
from eas.testing.scheduler import FakeScheduler


@dataclass
class HttpServices:
    """Where they are, and what they got."""

    url: str
    scheduler: FakeScheduler = field(default_factory=FakeScheduler)
    records: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.tokens.update(value.decode() for name, value in scope["headers"] if name == b"authorization")
        try:
            status, content = 200, await self._answer(scope["method"], scope["path"], body)
        except EasError as error:
            status, content = 404, ErrorBody(slug=error.slug, message=error.message).model_dump_json().encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, method: str, path: str, body: bytes) -> bytes:
        answer: BaseModel
        match method, path:
            case "POST", "/scheduler/workers":
                answer = await self.scheduler.announce(WorkerAnnouncement.model_validate_json(body))
            case "POST", "/scheduler/attempts/claim":
                answer = await self.scheduler.claim(ClaimRequest.model_validate_json(body))
            case "POST", "/scheduler/attempts/report":
                answer = await self.scheduler.report(ReportRequest.model_validate_json(body))
            case "POST", "/scheduler/attempts/heartbeat":
                answer = await self.scheduler.beat(HeartbeatRequest.model_validate_json(body))
            case "DELETE", _:
                await self.scheduler.dismiss(path.rpartition("/")[2])
                return b""
            case "POST", "/logs/records":
                records = orjson.loads(body)["records"]
                self.records += records
                return orjson.dumps({"stored": len(records), "repeated": 0})
            case _:
                raise AssertionError(f"{method} {path}")
        return answer.model_dump_json().encode()


@asynccontextmanager
async def open_services() -> AsyncIterator[HttpServices]:
    """Serve on a free port until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    services = HttpServices(f"http://127.0.0.1:{listener.getsockname()[1]}")
    config = uvicorn.Config(
        services.serve, interface="asgi3", lifespan="off", ws="none", log_level="error", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield services
    finally:
        server.should_exit = True
        await serving
        listener.close()
