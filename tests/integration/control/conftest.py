"""The three services of a data folder in this process, behind real HTTP, with the hands of one worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import pytest

from eas.client.product_store import ProductStoreClient
from eas.client.scheduler import SchedulerClient
from eas.client.suite.address import SuiteAddress
from eas.contracts.scheduler import (
    AttemptReport,
    ClaimedAttempt,
    ClaimRequest,
    OutputVersion,
    ReportRequest,
    SlotDescription,
    TaskTypeDescription,
    WorkerAnnouncement,
)
from eas_control.databases import locate_databases
from eas_control.factory import create_suite_app
from eas_control.logic.predecessors import dismiss_predecessors
from eas_control.logic.worker_pool import NAME_PREFIX
from eas_control.storage.data_folder import DataFolder
from eas_control.storage.listener import SuiteServer, local_url, open_listener

_SHARED = {"version_id", "directory", "filename", "md5", "sha256", "size", "mime_type", "metadata"}
MAKE = TaskTypeDescription(
    name="make", version="1", settings_schema={"type": "object"}, outputs=[SlotDescription(name="curve")]
)


@dataclass
class ServedSuite:
    """A suite, and one worker's hands."""

    data: Path
    scheduler: SchedulerClient
    store: ProductStoreClient
    worker_id: str = field(default_factory=lambda: f"{NAME_PREFIX}{token_hex(4)}")

    async def submit(self, *filenames: str) -> int:
        """Submit a job that makes these files."""
        tasks = [{"task": "make", "outputs": {"curve": name}} for name in filenames]
        return (await self.scheduler.submit_job(json.dumps({"task_list": tasks}))).job_id

    async def claim(self) -> list[ClaimedAttempt]:
        return (
            await self.scheduler.claim(ClaimRequest(worker_id=self.worker_id, per_type={"make": 10}, total=10))
        ).attempts

    async def finish(self, attempt: ClaimedAttempt, content: bytes) -> int:
        """Store what an attempt made, and report it. Returns the version."""
        path = self.data / "upload.tmp"
        path.write_bytes(content)
        stored = await self.store.upload(
            path,
            directory=attempt.working_directory,
            filename=attempt.outputs["curve"],
            semantic_type="curve",
            attempt_id=attempt.attempt_id,
            task_id=attempt.task_id,
            job_id=attempt.job_id,
        )
        output = OutputVersion(slot="curve", passed_qc=True, **stored.model_dump(include=_SHARED))
        report = AttemptReport(
            attempt_id=attempt.attempt_id, lease_token=attempt.lease_token, state="accepted", outputs=[output]
        )
        answer = await self.scheduler.report(ReportRequest(worker_id=self.worker_id, reports=[report]))
        assert answer.results[0].recorded
        return stored.version_id

    async def run(self, word: str) -> list[int]:
        """Run all that can be run. Returns the versions."""
        made: list[int] = []
        while attempts := await self.claim():
            made += [await self.finish(attempt, f"{word} {attempt.task_id}\n".encode() * 50) for attempt in attempts]
        return made

    async def until_told(self) -> None:
        """Wait until the product store has heard of all verdicts."""
        async with asyncio.timeout(120):
            while True:
                page = (await self.store.list_versions(limit=1000)).items
                if all(version.passed_qc is not None for version in page):
                    return
                await asyncio.sleep(0.02)


OpenSuite = Callable[[Path], AbstractAsyncContextManager[ServedSuite]]


@asynccontextmanager
async def serve_suite(path: Path) -> AsyncIterator[ServedSuite]:
    """Serve the suite of a data folder until the block ends."""
    folder = DataFolder(path)
    with folder.hold(), open_listener("127.0.0.1", 0) as listener:
        folder.prepare_tokens()
        address = SuiteAddress(local_url(listener), folder.choose_token({"operate"}))
        app = create_suite_app(folder, locate_databases(folder, None, {}), address)
        async with app.router.lifespan_context(app):
            server = SuiteServer(app)
            serving = asyncio.create_task(server.serve([listener]))
            await server.is_open.wait()
            try:
                async with (
                    SchedulerClient(address.scheduler_url, address.token) as scheduler,
                    ProductStoreClient(address.product_store_url, address.token) as store,
                ):
                    suite = ServedSuite(path, scheduler, store)
                    await dismiss_predecessors(scheduler, lambda _: False)
                    await scheduler.announce(
                        WorkerAnnouncement(
                            worker_id=suite.worker_id, host="here", process_id=1, slots=1, task_types=[MAKE]
                        )
                    )
                    yield suite
            finally:
                server.should_exit = True
                await serving


@pytest.fixture
def open_suite(monkeypatch: pytest.MonkeyPatch) -> OpenSuite:
    for name in ("EAS_DATABASE", "EAS_SCHEDULER_DATABASE_URL", "EAS_PRODUCT_STORE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return serve_suite
