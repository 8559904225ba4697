"""Who a worker is and how it behaves."""

from __future__ import annotations

from dataclasses import dataclass

from eas.contracts.containers import ResourcesView
from eas.contracts.scheduler import WorkerAnnouncement


@dataclass(frozen=True)
class WorkerTerms:
    """Who the worker is and how it behaves.

    Parameters
    ----------
    worker_id, host, process_id
        For the scheduler.
    slots
        Attempts that run at the same time.
    cpus_per_slot
        Threads of each, where its container does not say.
    pinned
        Whether the tasks of each slot run on processors of their own.
    memory_gb
        Memory of an attempt, where neither it nor the container says [GB]; None: no limit.
    container
        The kind of worker that it is; None: of no kind.
    most_claimed
        The most attempts to claim at once.
    horizon
        How much work to have ahead of each slot, where tasks are short [s].
    grace_seconds
        How long running attempts may go on when the worker is to stop [s].
    drain_seconds
        How long the last reports may take then [s].
    """

    worker_id: str
    host: str
    process_id: int
    slots: int = 1
    cpus_per_slot: int = 1
    pinned: bool = False
    memory_gb: float | None = None
    container: str | None = None
    most_claimed: int = 256
    horizon: float = 0.25
    grace_seconds: float = 10.0
    drain_seconds: float = 5.0

    def announce(self) -> WorkerAnnouncement:
        """Say who the worker is and what it has, but not yet what it can run."""
        cpus = self.cpus_per_slot * self.slots
        return WorkerAnnouncement(
            worker_id=self.worker_id,
            host=self.host,
            process_id=self.process_id,
            slots=self.slots,
            task_types=[],
            container=self.container,
            resources=ResourcesView(cpu=cpus, gpu=0, memory_gb=0) if self.container else None,
        )
