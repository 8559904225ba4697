"""Workers with real child processes, between a scheduler and a product store in memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from eas.testing.product_store import FakeProductStore
from eas.testing.scheduler import FakeScheduler
from eas_worker.domain.terms import WorkerTerms
from eas_worker.factory import make_environment
from eas_worker.logic.ports import DoorbellSource
from eas_worker.logic.worker import Worker
from eas_worker.storage.child_options import ChildOptions
from eas_worker.storage.child_state import RecyclePolicy
from eas_worker.storage.fork_server import ForkServer
from eas_worker.storage.input_cache import LocalInputCache
from eas_worker.storage.workspace import LocalWorkspace

ROOT = Path(__file__).parents[3]
TRIALS = "tests.integration.worker.trial_task_types"
TASK_TYPES = (
    f"act={TRIALS}:ACT",
    f"copy={TRIALS}:COPY",
    "harm=tests.integration.worker.harmful_task_types:HARM",
    "null=eas_worker.tasks.null:TASK_TYPE",
    "error=eas_worker.tasks.error:TASK_TYPE",
    "broken=tests.integration.worker.no_such_module:TASK_TYPE",
)


@dataclass
class Trial:
    """A running worker with all that surrounds it."""

    scheduler: FakeScheduler
    store: FakeProductStore
    workspace: LocalWorkspace
    worker: Worker
    running: asyncio.Task[None]

    async def stop(self) -> None:
        self.worker.stop()
        await self.running


@asynccontextmanager
async def open_trial(
    folder: Path,
    *,
    slots: int = 1,
    preload: bool = True,
    grace: float = 5.0,
    scheduler: FakeScheduler | None = None,
    container: str | None = None,
    cpus_per_slot: int = 1,
    task_type_folder: Path | None = None,
    only: tuple[str, ...] = ("act", "copy", "harm", "null", "error", "broken"),
    store: FakeProductStore | None = None,
    child_attempts: int = 0,
    pinned: bool = False,
    doorbells: DoorbellSource | None = None,
) -> AsyncIterator[Trial]:
    """Run a worker until the block ends."""
    workspace = LocalWorkspace(folder / "work", "trial-worker")
    scheduler, store = scheduler or FakeScheduler(), store or FakeProductStore()
    cache = LocalInputCache(workspace.cache, 10**8, workspace.incoming)
    options = ChildOptions(
        worker_id="trial-worker",
        control=-1,
        events=-1,
        message_folder=str(workspace.attempts),
        journal_folder=str(workspace.journal),
        task_types=TASK_TYPES,
        only=only,
        task_type_folder=str(task_type_folder) if task_type_folder else None,
        preload=preload,
        recycling=RecyclePolicy(attempts=child_attempts),
    )
    environment = make_environment() | {"PYTHONPATH": str(ROOT)}
    terms = WorkerTerms(
        "trial-worker",
        "here",
        os.getpid(),
        slots=slots,
        cpus_per_slot=cpus_per_slot,
        pinned=pinned,
        container=container,
        grace_seconds=grace,
        drain_seconds=2.0,
    )
    worker = Worker(
        terms, scheduler, store, ForkServer(options, environment), workspace, cache=cache, doorbells=doorbells
    )
    running = asyncio.create_task(worker.run())
    trial = Trial(scheduler, store, workspace, worker, running)
    try:
        yield trial
    finally:
        worker.stop()
        worker.stop()
        async with asyncio.timeout(120):
            await running
        workspace.close()
