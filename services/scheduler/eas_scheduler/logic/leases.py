"""Heartbeats: a worker renews the leases of what it holds, and hears what to stop."""

from __future__ import annotations

from datetime import timedelta

from eas.contracts.scheduler import HeartbeatRequest, HeartbeatResponse
from eas.contracts.states import AttemptState
from eas_scheduler.domain.attempt import KnownAttempt
from eas_scheduler.domain.lifecycle import LEASED
from eas_scheduler.logic.ports import UnitOfWork


def beat(unit: UnitOfWork, request: HeartbeatRequest, lease: timedelta) -> HeartbeatResponse:
    """Renew the leases of all that a worker holds, and tell it what to stop.

    A lease that lapsed while nobody could be told, and that nobody took, is renewed like any other.
    """
    unit.registry.note_beat(
        request.worker_id, unit.changes.at, paused=request.paused, clock_offset=request.clock_offset
    )
    known = unit.attempts.find_known([leased.attempt_id for leased in request.attempts])
    renewed: list[int] = []
    closed: list[int] = []
    checking: list[KnownAttempt] = []
    for leased in request.attempts:
        attempt = known.get(leased.attempt_id)
        if attempt is None or attempt.state not in LEASED or attempt.lease_token != leased.lease_token:
            closed.append(leased.attempt_id)
            continue
        renewed.append(leased.attempt_id)
        if leased.phase == "checking" and attempt.state is AttemptState.RUNNING:
            checking.append(attempt)
    unit.attempts.renew_leases(renewed, unit.changes.at + lease)
    unit.attempts.mark_checking([attempt.attempt_id for attempt in checking])
    for attempt in checking:
        unit.changes.note_attempt(
            attempt.job_id, attempt.task_id, attempt.attempt_id, AttemptState.RUNNING, AttemptState.CHECKING
        )
    return HeartbeatResponse(
        renewed=renewed,
        cancel=[attempt_id for attempt_id in renewed if known[attempt_id].cancel_requested],
        closed=closed,
        lease_seconds=lease.total_seconds(),
        drain=unit.registry.is_draining(request.worker_id),
    )
