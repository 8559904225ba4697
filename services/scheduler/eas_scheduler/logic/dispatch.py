"""Hands attempts to workers: claim with long poll, report, heartbeat, and the workers themselves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime

from eas.contracts.containers import ResourcesView
from eas.contracts.errors import EasError, NotFoundError
from eas.contracts.scheduler import (
    AttemptReport,
    ClaimedAttempt,
    ClaimRequest,
    ClaimResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    LeasedAttempt,
    ReportRequest,
    ReportResponse,
    ReportResult,
    WorkerAnnouncement,
    WorkerWelcome,
)
from eas.contracts.states import FailureReason
from eas.isolation import describe_error, handle_each, is_passing
from eas_scheduler.domain.attempt import KnownAttempt, QueuedAttempt
from eas_scheduler.domain.containers import Resources
from eas_scheduler.logic.assignment import assign_chosen, assign_queued, choose_attempts
from eas_scheduler.logic.containers import admit
from eas_scheduler.logic.faulty_attempts import FaultyAttempts
from eas_scheduler.logic.leases import beat
from eas_scheduler.logic.losses import Losses
from eas_scheduler.logic.polls import Delivery, Polls
from eas_scheduler.logic.ports import Clock, Transactor, UnitOfWork
from eas_scheduler.logic.progress import record_reports
from eas_scheduler.logic.wakeups import Wakeups

logger = logging.getLogger(__name__)


class Dispatch:
    """What workers ask of the scheduler."""

    def __init__(self, transactor: Transactor, wakeups: Wakeups, clock: Clock, polls: Polls) -> None:
        self._transactor = transactor
        self._wakeups = wakeups
        self._clock = clock
        self._polls = polls
        self._rules = polls.rules
        self._faulty = FaultyAttempts(transactor, polls.rules.limits)
        self._losses = Losses(transactor, clock, polls.rules.limits, polls.rules.lease)
        self._handing_back: set[asyncio.Task[None]] = set()

    async def announce(self, announcement: WorkerAnnouncement) -> WorkerWelcome:
        """Register a worker and the task types that it can run, and say what its container was given.

        Raises
        ------
        InvalidInputError
            No container can have the name that it gives.
        """
        begun = self._clock()

        def command(unit: UnitOfWork) -> Resources | None:
            given = admit(unit, announcement)
            unit.registry.save_worker(announcement, unit.changes.at)
            unit.registry.save_task_types(announcement.task_types, unit.changes.at)
            return given

        given = await self._transactor.run(command)
        lease = self._rules.lease.total_seconds()
        resources = None if given is None else ResourcesView(cpu=given.cpu, gpu=given.gpu, memory_gb=given.memory_gb)
        return WorkerWelcome(
            lease_seconds=lease, heartbeat_seconds=lease / 4, resources=resources, time=self._middle_of(begun)
        )

    async def dismiss(self, worker_id: str, *, in_good_order: bool = False) -> int:
        """Declare a worker gone; its attempts are lost at once. Returns how many there were.

        Where it left in good order they count as handed back: what it was given in its last moment never reached it.

        Raises
        ------
        NotFoundError
            No worker of this id.
        """

        def find_leased(unit: UnitOfWork) -> list[KnownAttempt]:
            if not unit.registry.mark_gone(worker_id):
                raise NotFoundError(f"there is no worker {worker_id!r}", where="path.worker_id")
            return unit.attempts.find_leased_by(worker_id)

        reason = FailureReason.EVICTED if in_good_order else FailureReason.LOST
        lost = await self._losses.lose(find_leased, f"worker {worker_id} is gone", reason=reason, gone=worker_id)
        self._wakeups.wake_claims()
        return lost

    async def drain(self, worker_id: str) -> None:
        """Let a worker stop in good order. It hears of it with its next heartbeat.

        Raises
        ------
        NotFoundError
            No worker of this id, or it is gone.
        """
        if not await self._transactor.run(lambda unit: unit.registry.mark_draining(worker_id)):
            raise NotFoundError(f"there is no worker {worker_id!r}, or it is gone", where="path.worker_id")

    async def claim(self, request: ClaimRequest) -> ClaimResponse:
        """Give a worker attempts; wait for the first one as long as it asked for.

        Two workers cannot be given the same attempt: the transaction that moves it from queued to running has a single
        winner.

        Raises
        ------
        NotFoundError
            The worker has not announced itself, or was declared gone.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + request.wait
        with self._wakeups.waiting(request.per_type) as waiter:
            while True:
                waiter.event.clear()
                claimed = await self._claim_once(request)
                left = deadline - loop.time()
                if not claimed and left > 0:
                    claimed = await self._polls.wait(
                        request, waiter.event, left, lambda attempts: self.hand_back(request.worker_id, attempts)
                    )
                if claimed or loop.time() >= deadline:
                    return ClaimResponse(attempts=claimed, lease_seconds=self._rules.lease.total_seconds())

    def hand_back(self, worker_id: str, attempts: list[ClaimedAttempt]) -> None:
        """Put attempts back that were handed to a caller who had gone."""
        if not attempts:
            return
        reports = [
            AttemptReport(
                attempt_id=attempt.attempt_id,
                lease_token=attempt.lease_token,
                state="lost",
                reason=FailureReason.EVICTED,
                message="its worker had gone before it was told",
            )
            for attempt in attempts
        ]

        async def hand_back() -> None:
            await self.report(ReportRequest(worker_id=worker_id, reports=reports))

        task = asyncio.get_running_loop().create_task(hand_back())
        self._handing_back.add(task)
        task.add_done_callback(self._handing_back.discard)

    async def _claim_once(self, request: ClaimRequest) -> list[ClaimedAttempt]:
        taking = asyncio.ensure_future(self._take(request))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            # The caller has gone, but the command will be carried out.
            taking.add_done_callback(lambda done: self._hand_back_result(request.worker_id, done))
            raise

    async def _take(self, request: ClaimRequest) -> list[ClaimedAttempt]:
        """Take what a worker asks for. An attempt that cannot be handed out fails, and the others are handed out."""
        try:
            return await self._take_together(request)
        except NotFoundError:
            raise
        except Exception as error:
            if is_passing(error):
                raise
            logger.exception("attempts cannot be handed out together to worker %s", request.worker_id)
        return await self._take_apart(request)

    async def _take_together(self, request: ClaimRequest) -> list[ClaimedAttempt]:
        def command(unit: UnitOfWork) -> list[ClaimedAttempt]:
            if not unit.registry.hear_from(request.worker_id, unit.changes.at):
                raise NotFoundError(f"worker {request.worker_id!r} has not announced itself", where="body.worker_id")
            return assign_queued(unit, request, self._rules)

        return await self._transactor.run(command)

    async def _take_apart(self, request: ClaimRequest) -> list[ClaimedAttempt]:
        claimed: list[ClaimedAttempt] = []

        async def take(attempts: Sequence[QueuedAttempt]) -> None:
            def command(unit: UnitOfWork) -> list[ClaimedAttempt]:
                return assign_chosen(unit, attempts, request.worker_id, self._rules)

            claimed.extend(await self._transactor.run(command))

        async def fail(attempt: QueuedAttempt, error: Exception) -> None:
            # One that another worker has taken meanwhile is held under a lease and is left alone.
            await self._faulty.end(
                attempt.attempt_id, error, "hand the task out", reason=FailureReason.INPUT, lease_token=""
            )

        try:
            await handle_each(await self._transactor.run(lambda unit: choose_attempts(unit, request)), take, fail)
        except Exception:
            if not claimed:
                raise
            logger.exception("worker %s gets fewer attempts than it could", request.worker_id)
        return claimed

    def _hand_back_result(self, worker_id: str, done: asyncio.Future[list[ClaimedAttempt]]) -> None:
        if not done.cancelled() and done.exception() is None:
            self.hand_back(worker_id, done.result())

    async def report(self, request: ReportRequest) -> ReportResponse:
        """Record how attempts ended and, in the same transaction, hand out the next ones.

        A chain of tasks so moves on with one round trip and one commit per task.
        """
        try:
            return await self._polls.serve_during(lambda delivery: self._record_together(request, delivery))
        except Exception as error:
            if is_passing(error):
                raise
            logger.exception("the reports of worker %s cannot be recorded together", request.worker_id)
        return ReportResponse(results=[await self._record_alone(request.worker_id, one) for one in request.reports])

    async def _record_alone(self, worker_id: str, report: AttemptReport) -> ReportResult:
        """Record one report. If it cannot be recorded, whatever is raised, its attempt fails with the reason."""
        request = ReportRequest(worker_id=worker_id, reports=[report])
        try:
            return (await self._record_together(request, Delivery(None))).results[0]
        except Exception as error:
            if is_passing(error):
                raise
            await self._faulty.end(
                report.attempt_id,
                error,
                "record what was reported of the attempt",
                reason=FailureReason.SCIENCE,
                lease_token=report.lease_token,
            )
            message = f"it cannot be recorded, so the attempt has failed: {describe_error(error)}"
            return ReportResult(attempt_id=report.attempt_id, recorded=False, slug=EasError.slug, message=message)

    async def _record_together(self, request: ReportRequest, delivery: Delivery) -> ReportResponse:
        def command(unit: UnitOfWork) -> ReportResponse:
            results = record_reports(unit, request.worker_id, request.reports, self._rules.limits)
            claimed: ClaimResponse | None = None
            if request.claim is not None:
                attempts = assign_queued(unit, request.claim, self._rules)
                if attempts or unit.registry.is_present(request.worker_id):
                    claimed = ClaimResponse(attempts=attempts, lease_seconds=self._rules.lease.total_seconds())
            delivery.serve(unit)
            return ReportResponse(results=results, claimed=claimed)

        return await self._transactor.run(command)

    async def beat(self, request: HeartbeatRequest) -> HeartbeatResponse:
        """Renew what a worker holds. Where one lease cannot be renewed, the others are; that one runs out."""
        try:
            return await self._beat_together(request)
        except Exception as error:
            if is_passing(error) or not request.attempts:
                raise
            logger.exception("the leases of worker %s cannot be renewed together", request.worker_id)
        answers: list[HeartbeatResponse] = []

        async def renew(leased: Sequence[LeasedAttempt]) -> None:
            answers.append(await self._beat_together(request.model_copy(update={"attempts": list(leased)})))

        async def leave(leased: LeasedAttempt, error: Exception) -> None:
            logger.error("attempt %d: its lease cannot be renewed and will run out: %s", leased.attempt_id, error)

        await handle_each(request.attempts, renew, leave)
        return HeartbeatResponse(
            renewed=[attempt_id for answer in answers for attempt_id in answer.renewed],
            cancel=[attempt_id for answer in answers for attempt_id in answer.cancel],
            closed=[attempt_id for answer in answers for attempt_id in answer.closed],
            lease_seconds=self._rules.lease.total_seconds(),
            drain=any(answer.drain for answer in answers),
        )

    async def _beat_together(self, request: HeartbeatRequest) -> HeartbeatResponse:
        begun = self._clock()
        response = await self._transactor.run(lambda unit: beat(unit, request, self._rules.lease))
        return response.model_copy(update={"time": self._middle_of(begun)})

    def _middle_of(self, begun: datetime) -> datetime:
        """Tell the time half-way between the beginning of a request and now."""
        return begun + (self._clock() - begun) / 2
