"""What the scheduler is told at the end of an attempt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from eas.contracts.scheduler import AttemptReport, ClaimedAttempt, OutputVersion
from eas.contracts.states import FailureReason
from eas.contracts.texts import clean_message as cut_message
from eas.isolation import describe_error
from eas_worker.domain.assignment import Answer, Departure
from eas_worker.domain.failures import explain_death
from eas_worker.domain.limits import explain_overrun


def report_answer(claimed: ClaimedAttempt, answer: Answer, outputs: Sequence[OutputVersion]) -> AttemptReport:
    """The code ran to some end, and what it made is stored."""
    return AttemptReport(
        attempt_id=claimed.attempt_id,
        lease_token=claimed.lease_token,
        state=answer.state,
        reason=answer.reason,
        message=answer.message,
        started_at=_time(answer.started_at),
        checking_at=None if answer.checking_at is None else _time(answer.checking_at),
        ended_at=_time(answer.ended_at),
        wall_time=answer.wall_time,
        cpu_time=answer.cpu_time,
        cpu_time_with_children=answer.cpu_time_with_children,
        peak_memory=answer.peak_memory,
        read_bytes=answer.read_bytes,
        written_bytes=answer.written_bytes,
        metadata=answer.metadata,
        outputs=list(outputs),
    )


def report_what_can_be(claimed: ClaimedAttempt, answer: Answer, outputs: Sequence[OutputVersion]) -> AttemptReport:
    """Report an answer, or, if it holds something that no report can have, that the attempt failed for that."""
    try:
        return report_answer(claimed, answer, outputs)
    except Exception as error:
        words = f"what the task returned cannot be reported: {describe_error(error)}"
        return report_unstarted(claimed, FailureReason.SCIENCE, words)


def report_undelivered(claimed: ClaimedAttempt, answer: Answer, reason: FailureReason, message: str) -> AttemptReport:
    """The code ran, but what it made cannot be stored."""
    report = report_what_can_be(claimed, answer, [])
    return report.model_copy(update={"state": "failed", "reason": reason, "message": cut_message(message)})


def report_unstarted(claimed: ClaimedAttempt, reason: FailureReason, message: str) -> AttemptReport:
    """The attempt cannot be started: its inputs cannot be had."""
    return AttemptReport(
        attempt_id=claimed.attempt_id,
        lease_token=claimed.lease_token,
        state="failed",
        reason=reason,
        message=cut_message(message),
    )


def report_death(claimed: ClaimedAttempt, departure: Departure) -> AttemptReport:
    """The child process died under the attempt: by the attempt's own deed, where that is certain, or else was lost."""
    if departure.cause is not None and departure.cause.attempt_id != claimed.attempt_id:
        return report_evicted(claimed, "its process was ended for what the attempt before it did")
    reason, message = explain_death(departure)
    return AttemptReport(
        attempt_id=claimed.attempt_id,
        lease_token=claimed.lease_token,
        state="lost" if reason is FailureReason.LOST else "failed",
        reason=reason,
        message=cut_message(message),
        peak_memory=departure.peak_memory,
    )


def report_overdue(claimed: ClaimedAttempt) -> AttemptReport:
    """The attempt was stopped because it had run for as long as it may."""
    assert claimed.run_timeout is not None  # noqa: S101 - it is what has passed
    return AttemptReport(
        attempt_id=claimed.attempt_id,
        lease_token=claimed.lease_token,
        state="failed",
        reason=FailureReason.TIMEOUT,
        message=explain_overrun(claimed.run_timeout),
    )


def report_evicted(claimed: ClaimedAttempt, message: str) -> AttemptReport:
    """The worker gives the attempt back."""
    return AttemptReport(
        attempt_id=claimed.attempt_id,
        lease_token=claimed.lease_token,
        state="lost",
        reason=FailureReason.EVICTED,
        message=message,
    )


def report_cancelled(claimed: ClaimedAttempt) -> AttemptReport:
    """The attempt was stopped because the scheduler said so."""
    return AttemptReport(
        attempt_id=claimed.attempt_id,
        lease_token=claimed.lease_token,
        state="cancelled",
        reason=FailureReason.CANCELLED,
        message="stopped on request",
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
