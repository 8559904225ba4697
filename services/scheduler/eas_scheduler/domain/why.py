"""Says why a task stands where it does, from facts in hand: a code for programs, words for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from eas.contracts.diagnostics import EarlierAttempt, QueueStanding, RelatedTask, UnmetDependency, WhyCode, WhyView
from eas.contracts.execution import ExecutionRules
from eas.contracts.reuse import ReuseDecision, ReuseView
from eas.contracts.states import AttemptState, FailureReason, TaskState
from eas_scheduler.domain.job_language.flow_types import FLOW_TYPES
from eas_scheduler.domain.policies import EndedAttempt, RetryLimits, decide_retry, quarantine_worker_killers
from eas_scheduler.domain.reuse_words import describe_reuse
from eas_scheduler.domain.rules import NO_RULES


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """One attempt of the task."""

    attempt_id: int
    number: int
    state: AttemptState
    worker_id: str | None
    queued_at: datetime
    since: datetime | None
    ended_at: datetime | None
    lease_expires_at: datetime | None
    reason: FailureReason | None
    message: str | None
    not_before: datetime | None = None
    overdue_at: datetime | None = None
    undecided: bool = False
    reuse: ReuseView | None = None


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """A worker that runs the task's type and was not declared gone; `paused` says why it takes nothing, if so."""

    worker_id: str
    slots: int
    leased: int
    last_heard_at: datetime
    paused: str | None = None


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """All that bears on where a task stands.

    Parameters
    ----------
    unmet
        How many of its dependencies are open; `waits_for` has the first of them.
    before
        How many attempts will be claimed before its own; None where they are too many to count.
    workers
        Those that can run its type; looked up only while it is queued.
    cause
        The task that blocks it.
    changed_settings
        What replaces the job's own settings and, in `changed_execution`, its rules, as `changed_by` wished at the time
        `changed_at`.
    rules
        For its attempts.
    max_running, running
        How many of its type may run at the same time, and do; looked up only while it is queued.
    """

    task_id: int
    job_id: int
    task_type: str
    name: str | None
    state: TaskState
    reason: FailureReason | None
    message: str | None
    excuse: str | None
    strikes: int
    losses: int
    job_paused: bool
    children: int
    unmet: int
    attempts: Sequence[AttemptFacts]
    waits_for: Sequence[UnmetDependency] = ()
    before: int | None = None
    workers: Sequence[WorkerFacts] = ()
    cause: RelatedTask | None = None
    changed_settings: Mapping[str, Any] = field(default_factory=dict)
    changed_execution: Mapping[str, Any] = field(default_factory=dict)
    changed_by: str | None = None
    changed_at: datetime | None = None
    rules: ExecutionRules = NO_RULES
    max_running: int | None = None
    running: int = 0

    @property
    def last(self) -> AttemptFacts | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None


@dataclass(frozen=True)
class WhyRules:
    """What the words depend on.

    Parameters
    ----------
    limits
        Of retries.
    silence
        A worker that was not heard for so long is not counted on.
    """

    limits: RetryLimits
    silence: timedelta


def explain(facts: TaskFacts, at: datetime, rules: WhyRules) -> WhyView:
    """Say why a task stands where it does at the time `at`."""
    match facts.state:
        case TaskState.WAITING:
            view = _explain_waiting(facts)
        case TaskState.QUEUED:
            view = _explain_queued(facts, at, rules)
        case TaskState.RUNNING:
            view = _explain_running(facts, at)
        case TaskState.DONE:
            view = _explain_done(facts)
        case TaskState.BLOCKED:
            view = _explain_blocked(facts)
        case TaskState.FAILED:
            view = _explain_failed(facts, rules)
        case TaskState.CANCELLED:
            words = f"It was cancelled{_because(facts.message)}."
            if facts.reason is FailureReason.PURGED:
                words += " Rescheduling gives it a new place in the queue."
            view = _view(facts, WhyCode.CANCELLED, words)
    reuse = facts.last.reuse if facts.last is not None else None
    adopted = view.code is WhyCode.ADOPTED
    words = view.words + ("" if adopted or reuse is None else f" {describe_reuse(reuse)}") + _changed(facts)
    changed = sorted(facts.changed_settings)
    return view.model_copy(
        update={
            "words": words,
            "changed_settings": changed,
            "changed_execution": sorted(facts.changed_execution),
            "reuse": reuse,
            "earlier": _earlier(facts),
        }
    )


def _view(facts: TaskFacts, code: WhyCode, words: str) -> WhyView:
    return WhyView(
        task_id=facts.task_id,
        job_id=facts.job_id,
        task_type=facts.task_type,
        name=facts.name,
        state=facts.state,
        code=code,
        words=words,
        attempt_id=facts.last.attempt_id if facts.last else None,
        reason=facts.reason,
        message=facts.message,
    )


def _earlier(facts: TaskFacts) -> list[EarlierAttempt]:
    """List the attempts that were not the last word."""
    last = facts.attempts[-1:] if facts.state is not TaskState.FAILED else ()
    found = facts.attempts[: len(facts.attempts) - len(last)]
    return [EarlierAttempt(**{name: getattr(one, name) for name in EarlierAttempt.model_fields}) for one in found]


def _explain_waiting(facts: TaskFacts) -> WhyView:
    shown = [f"{describe_need(need)} of {describe_task(need.source)}" for need in facts.waits_for[:3]]
    more = max(facts.unmet, len(facts.waits_for)) - len(shown)
    if more > 0:
        shown.append(f"{more} more" if shown else _count(more, "thing") + " that the scheduler has yet to make")
    words = f"It waits for {'; '.join(shown) or 'the scheduler to look at it'}."
    view = _view(facts, WhyCode.WAITING_FOR_TASKS, words)
    return view.model_copy(update={"waits_for": list(facts.waits_for), "unmet": facts.unmet})


def describe_need(need: UnmetDependency) -> str:
    """Name a dependency."""
    return f"the file {need.filename!r}" if need.kind == "file" else f"the metadata {need.label!r}"


def describe_task(task: RelatedTask) -> str:
    """Name a task with its state."""
    name = f" {task.name!r}" if task.name else ""
    return f"task {task.task_id}{name} ({task.task_type}, {task.state.value})"


def _explain_queued(facts: TaskFacts, at: datetime, rules: WhyRules) -> WhyView:
    last = facts.last
    tried = _tried(facts)
    if facts.job_paused:
        return _view(facts, WhyCode.JOB_PAUSED, f"Its job is paused: it is ready and runs once the job resumes.{tried}")
    if facts.task_type in FLOW_TYPES or last is None:
        return _view(facts, WhyCode.WAITING_FOR_SCHEDULER, "The scheduler is about to expand it into its tasks.")
    if last.undecided:
        words = f"The scheduler looks for an equal attempt whose outputs it can adopt.{tried}"
        return _view(facts, WhyCode.WAITING_FOR_SCHEDULER, words)
    if last.not_before is not None and last.not_before > at:
        words = f"It is tried again {_clock(last.not_before)}, after a pause.{tried}"
        return _view(facts, WhyCode.WAITING_FOR_TIME, words).model_copy(update={"not_before": last.not_before})
    heard = [worker for worker in facts.workers if at - worker.last_heard_at <= rules.silence]
    idle = [worker for worker in heard if worker.leased < worker.slots and worker.paused is None]
    position = None if facts.before is None else facts.before + 1
    queue = QueueStanding(queued_since=last.queued_at, position=position, workers=len(heard), idle_workers=len(idle))
    place = "far back in its queue" if position is None else f"number {position} in its queue"
    is_full = facts.max_running is not None and facts.running >= facts.max_running
    code = WhyCode.WAITING_FOR_ROOM if is_full else WhyCode.WAITING_FOR_WORKER
    obstacle = (
        f"{facts.running} of its type run, and an operator allows {facts.max_running} at the same time"
        if is_full
        else _describe_workers(facts, heard, idle)
    )
    until = "" if last.overdue_at is None else f" It fails if nobody takes it until {_clock(last.overdue_at)}."
    words = f"It is ready and {place} since {_clock(last.queued_at)}; {obstacle}.{until}{tried}"
    return _view(facts, code, words).model_copy(update={"queue": queue, "overdue_at": last.overdue_at})


def _describe_workers(facts: TaskFacts, heard: Sequence[WorkerFacts], idle: Sequence[WorkerFacts]) -> str:
    kind = facts.task_type
    if not facts.workers:
        return f"no worker that runs {kind!r} is here"
    if not heard:
        newest = max(worker.last_heard_at for worker in facts.workers)
        return f"no worker that runs {kind!r} has been heard since {_clock(newest)}"
    paused = [worker for worker in heard if worker.paused is not None]
    if len(paused) == len(heard):
        first = paused[0]
        return f"all workers that run {kind!r} pause ({len(paused)}); {first.worker_id} because {first.paused}"
    if not idle:
        crew = (
            f"the only worker that runs {kind!r} is"
            if len(heard) == 1
            else f"all {len(heard)} workers that run {kind!r} are"
        )
        return f"{crew} busy"
    return f"{len(idle)} of {_count(len(heard), 'worker')} that run {kind!r} can take it at once"


def _explain_running(facts: TaskFacts, at: datetime) -> WhyView:
    last = facts.last
    if facts.task_type in FLOW_TYPES or last is None or last.worker_id is None:
        return _view(facts, WhyCode.RUNNING, "The scheduler is expanding it into its tasks.")
    doing = "checked" if last.state is AttemptState.CHECKING else "run"
    words = f"It is being {doing} by worker {last.worker_id}, which took it {_clock(last.since)}"
    if last.lease_expires_at is not None:
        lapsed = last.lease_expires_at <= at
        words += f"; its lease {'ran out' if lapsed else 'holds until'} {_clock(last.lease_expires_at)}"
        words += ", and it will be tried again unless the worker is heard" if lapsed else ""
    view = _view(facts, WhyCode.RUNNING, f"{words}.{_tried(facts)}")
    return view.model_copy(
        update={
            "worker_id": last.worker_id,
            "running_since": last.since,
            "lease_expires_at": last.lease_expires_at,
        }
    )


def _explain_done(facts: TaskFacts) -> WhyView:
    last = facts.last
    if facts.task_type in FLOW_TYPES:
        return _view(facts, WhyCode.RAN, f"The scheduler expanded it into {_count(facts.children, 'task')}.")
    if facts.excuse is not None:
        return _view(facts, WhyCode.EXCUSED, f"Its failure was excused{_because(facts.excuse)}.{_tried(facts)}")
    if last is None or last.worker_id is None:
        return _view(facts, WhyCode.RAN, "It is done.")
    if last.reuse is not None and last.reuse.decision is ReuseDecision.ADOPTED:
        return _view(facts, WhyCode.ADOPTED, f"{describe_reuse(last.reuse)} It has not run.{_tried(facts)}")
    code = WhyCode.RAN if len(facts.attempts) == 1 else WhyCode.RAN_AGAIN
    words = f"It ran on worker {last.worker_id} and was accepted {_clock(last.ended_at)}.{_tried(facts)}"
    return _view(facts, code, words).model_copy(update={"worker_id": last.worker_id, "running_since": last.since})


def _explain_blocked(facts: TaskFacts) -> WhyView:
    cause = facts.cause
    if cause is None:
        return _view(facts, WhyCode.BLOCKED, "It cannot run: something that it needs will not be made.")
    words = f"It cannot run: it needs what follows from {describe_task(cause)}{_because(cause.message)}."
    return _view(facts, WhyCode.BLOCKED, words).model_copy(update={"cause": cause})


def _explain_failed(facts: TaskFacts, rules: WhyRules) -> WhyView:
    reason = facts.reason or FailureReason.INFRASTRUCTURE
    ended = EndedAttempt(reason, facts.strikes, facts.losses)
    limits = rules.limits.under(facts.rules)
    decision = quarantine_worker_killers(ended, limits) if reason is FailureReason.LOST else None
    decision = decision or decide_retry(ended, limits)
    if facts.last is not None and facts.last.state is AttemptState.CANCELLED and reason is FailureReason.TIMEOUT:
        retry = "it would only queue again"
    elif reason is FailureReason.MISSING:
        retry = "what it reads has to be made again first"
    else:
        retry = decision.why or (
            "another attempt would fail in the same way" if not decision.again else "its limit was met"
        )
    words = f"It failed ({reason.value}){_because(facts.message)}. It is not tried again: {retry}.{_tried(facts)}"
    return _view(facts, WhyCode.FAILED, words).model_copy(
        update={"retry": retry, "worker_id": facts.last.worker_id if facts.last else None}
    )


def _changed(facts: TaskFacts) -> str:
    """Say which settings and rules are not the job's own."""
    words = ""
    who = f" by {facts.changed_by}" if facts.changed_by else ""
    for what, changed in (("settings", facts.changed_settings), ("rules", facts.changed_execution)):
        if changed:
            shown = ", ".join(f"{key} = {value!r:.60}" for key, value in sorted(changed.items()))
            words += f" Its {what} were changed{who} {_clock(facts.changed_at)}: {shown}."
    return words


def _tried(facts: TaskFacts) -> str:
    """Say how earlier attempts ended."""
    found = _earlier(facts)
    if not found or facts.state is TaskState.FAILED:
        return f" It had {_count(len(found), 'attempt')}." if len(found) > 1 else ""
    ends = [f"number {one.number} {_ENDS[one.state]}{_because(one.message)}" for one in found[-3:]]
    more = f" (of {len(found)})" if len(found) > len(ends) else ""
    return f" Earlier attempts{more}: {'; '.join(ends)}."


_ENDS = {
    AttemptState.REJECTED: "was rejected",
    AttemptState.FAILED: "failed",
    AttemptState.LOST: "was lost",
    AttemptState.CANCELLED: "was cancelled",
    AttemptState.ACCEPTED: "was accepted",
    AttemptState.QUEUED: "is queued",
    AttemptState.RUNNING: "is running",
    AttemptState.CHECKING: "is being checked",
}


def _because(message: str | None) -> str:
    """Quote the last line of a message: of a traceback, that is the error."""
    lines = (message or "").strip().splitlines()
    if not lines:
        return ""
    line = lines[-1].strip().rstrip(".")
    return f": {line if len(line) <= 300 else line[:299] + '…'}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _clock(moment: datetime | None) -> str:
    return "at an unknown time" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
