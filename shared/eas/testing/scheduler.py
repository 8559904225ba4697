"""A scheduler in memory: it hands out attempts that tests put in, and holds on to what is said of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from eas.contracts.errors import NotFoundError, UnavailableError
from eas.contracts.scheduler import (
    AttemptReport,
    ClaimedAttempt,
    ClaimRequest,
    ClaimResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    OutputVersion,
    ReportRequest,
    ReportResponse,
    ReportResult,
    WorkerAnnouncement,
    WorkerWelcome,
)


@dataclass
class FakeScheduler:
    """Honours the contracts of claim, report and heartbeat, without jobs, leases that lapse, or retries.

    Parameters
    ----------
    welcome
        What every worker is told.
    is_down
        Set it, and every call fails as if the scheduler could not be reached.
    clock
        The time that its answers have.
    on_report
        Called with each report that is recorded, before the claim of the same request: may add attempts.
    """

    welcome: WorkerWelcome = field(default_factory=lambda: WorkerWelcome(lease_seconds=30.0, heartbeat_seconds=0.1))
    is_down: bool = False
    on_report: Callable[[AttemptReport], None] | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    announcements: dict[str, WorkerAnnouncement] = field(default_factory=dict)
    reports: dict[int, AttemptReport] = field(default_factory=dict)
    running: dict[int, tuple[str, ClaimedAttempt]] = field(default_factory=dict)
    phases: dict[int, list[str]] = field(default_factory=dict)
    dismissed: list[str] = field(default_factory=list)
    draining: set[str] = field(default_factory=set)
    beats: dict[str, HeartbeatRequest] = field(default_factory=dict)
    claims: list[ClaimRequest] = field(default_factory=list)
    requests: int = 0
    _queue: deque[ClaimedAttempt] = field(default_factory=deque)
    _cancelled: set[int] = field(default_factory=set)
    _last_id: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def add(
        self,
        task_type: str,
        settings: Mapping[str, Any] | None = None,
        *,
        inputs: Mapping[str, OutputVersion] | None = None,
        outputs: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        run_timeout: float | None = None,
        rerun: bool = False,
        memory_gb: float | None = None,
        cpu_timeout: float | None = None,
        disk_gb: float | None = None,
        max_processes: int | None = None,
    ) -> int:
        """Queue an attempt. Returns its id; its task has the same one."""
        self._last_id += 1
        attempt = ClaimedAttempt(
            attempt_id=self._last_id,
            lease_token=f"lease-{self._last_id}",
            task_id=self._last_id,
            job_id=1,
            number=1,
            task_type=task_type,
            working_directory="trial",
            settings=dict(settings or {}),
            metadata=dict(metadata or {}),
            inputs=dict(inputs or {}),
            outputs=dict(outputs or {}),
            seed=self._last_id,
            run_timeout=run_timeout,
            rerun=rerun,
            memory_gb=memory_gb,
            cpu_timeout=cpu_timeout,
            disk_gb=disk_gb,
            max_processes=max_processes,
        )
        self._queue.append(attempt)
        self._tell()
        return attempt.attempt_id

    def cancel(self, attempt_id: int) -> None:
        """Let the next heartbeat say that a running attempt is to be stopped."""
        self._cancelled.add(attempt_id)

    def take_away(self, attempt_id: int) -> None:
        """Give a running attempt to nobody: it is closed for the worker that has it."""
        del self.running[attempt_id]

    def forget_workers(self) -> None:
        """Lose the memory of all workers, as a scheduler with an empty database would."""
        self.announcements.clear()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so; it is looked at after every request."""
        async with self._changed:
            await self._changed.wait_for(condition)

    async def report_of(self, attempt_id: int) -> AttemptReport:
        """Wait for an attempt's report."""
        await self.until(lambda: attempt_id in self.reports)
        return self.reports[attempt_id]

    # --- the scheduler's operations ---------------------------------------------------------------------------------

    async def announce(self, announcement: WorkerAnnouncement) -> WorkerWelcome:
        """Take note of a worker."""
        self._serve()
        self.announcements[announcement.worker_id] = announcement
        self._tell()
        return self.welcome.model_copy(update={"time": self.clock()})

    async def dismiss(self, worker_id: str, *, in_good_order: bool = False) -> None:
        """Forget a worker."""
        self._serve()
        self.announcements.pop(worker_id, None)
        self.dismissed.append(worker_id)

    async def claim(self, request: ClaimRequest) -> ClaimResponse:
        """Hand out attempts, or wait for one."""
        self._serve()
        self.claims.append(request)
        self._know(request.worker_id)
        response = self._hand_out(request)
        if not response.attempts and request.wait:
            try:
                async with asyncio.timeout(request.wait):
                    async with self._changed:
                        await self._changed.wait_for(lambda: self.is_down or self._fits(request))
            except TimeoutError:
                return response
            if self.is_down:
                raise UnavailableError("the fake scheduler is down")
            response = self._hand_out(request)
        return response

    async def report(self, request: ReportRequest) -> ReportResponse:
        """Record reports of attempts that the worker holds, and hand out more."""
        self._serve()
        self._know(request.worker_id)
        results = [self._record(request.worker_id, report) for report in request.reports]
        self._tell()
        if request.claim is not None:
            self.claims.append(request.claim)
        claimed = None if request.claim is None else self._hand_out(request.claim)
        return ReportResponse(results=results, claimed=claimed)

    async def beat(self, request: HeartbeatRequest) -> HeartbeatResponse:
        """Renew, cancel or close."""
        self._serve()
        self._know(request.worker_id)
        self.beats[request.worker_id] = request
        mine = {leased.attempt_id for leased in request.attempts if self._is_open(request.worker_id, leased.attempt_id)}
        for leased in request.attempts:
            self.phases.setdefault(leased.attempt_id, []).append(leased.phase)
        self._tell()
        return HeartbeatResponse(
            renewed=sorted(mine - self._cancelled),
            cancel=sorted(mine & self._cancelled),
            closed=sorted({leased.attempt_id for leased in request.attempts} - mine),
            lease_seconds=self.welcome.lease_seconds,
            drain=request.worker_id in self.draining,
            time=self.clock(),
        )

    def _serve(self) -> None:
        self.requests += 1
        self._tell()
        if self.is_down:
            raise UnavailableError("the fake scheduler is down")

    def _know(self, worker_id: str) -> None:
        if worker_id not in self.announcements:
            raise NotFoundError(f"no worker {worker_id!r}")

    def _is_open(self, worker_id: str, attempt_id: int) -> bool:
        return self.running.get(attempt_id, ("", None))[0] == worker_id

    def _fits(self, request: ClaimRequest) -> bool:
        return any(request.per_type.get(attempt.task_type, 0) > 0 for attempt in self._queue)

    def _hand_out(self, request: ClaimRequest) -> ClaimResponse:
        left = dict(request.per_type)
        given: list[ClaimedAttempt] = []
        passed_over: list[ClaimedAttempt] = []
        while self._queue and len(given) < request.total:
            attempt = self._queue.popleft()
            if left.get(attempt.task_type, 0) > 0:
                left[attempt.task_type] -= 1
                given.append(attempt)
            else:
                passed_over.append(attempt)
        self._queue.extendleft(reversed(passed_over))
        self.running.update({attempt.attempt_id: (request.worker_id, attempt) for attempt in given})
        self._tell()
        return ClaimResponse(attempts=given, lease_seconds=self.welcome.lease_seconds)

    def _record(self, worker_id: str, report: AttemptReport) -> ReportResult:
        _, attempt = self.running.get(report.attempt_id, ("", None))
        if not self._is_open(worker_id, report.attempt_id) or attempt is None:
            return self._refuse(report, "is not open")
        if attempt.lease_token != report.lease_token:
            return self._refuse(report, "has another lease")
        del self.running[report.attempt_id]
        self.reports[report.attempt_id] = report
        if self.on_report is not None:
            self.on_report(report)
        return ReportResult(attempt_id=report.attempt_id, recorded=True)

    @staticmethod
    def _refuse(report: AttemptReport, why: str) -> ReportResult:
        return ReportResult(
            attempt_id=report.attempt_id, recorded=False, slug="attempt_closed", message=f"the attempt {why}"
        )

    def _tell(self) -> None:
        """Let everyone who waits look again."""

        async def notify() -> None:
            async with self._changed:
                self._changed.notify_all()

        self._notifying = asyncio.ensure_future(notify())
