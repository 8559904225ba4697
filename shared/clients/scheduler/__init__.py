"""The scheduler's operations, typed."""

from __future__ import annotations

from shared.clients.scheduler.control import ControlCalls
from shared.clients.scheduler.diagnostics import DiagnosticCalls
from shared.clients.scheduler.jobs import JobCalls
from shared.clients.scheduler.workers import WorkerCalls

__all__ = ["SchedulerClient"]


class SchedulerClient(JobCalls, ControlCalls, DiagnosticCalls, WorkerCalls):
    """Client of the scheduler. See `ServiceClient` for its parameters and for what every call may raise."""
