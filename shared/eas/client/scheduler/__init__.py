"""The scheduler's operations, typed."""

from __future__ import annotations

from eas.client.scheduler.control import ControlCalls
from eas.client.scheduler.diagnostics import DiagnosticCalls
from eas.client.scheduler.jobs import JobCalls
from eas.client.scheduler.workers import WorkerCalls

__all__ = ["SchedulerClient"]


class SchedulerClient(JobCalls, ControlCalls, DiagnosticCalls, WorkerCalls):
    """Client of the scheduler. See `ServiceClient` for its parameters and for what every call may raise."""
