"""What one transaction changes besides its rows: events, the jobs' counts, and what others must be told."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from eas.contracts.states import AttemptState, FailureReason, TaskState
from eas_scheduler.domain.attempt import QueuedAttempt
from eas_scheduler.domain.lifecycle import check_task_step, path_to


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of one attempt; without an attempt, of a task, or of a job that is paused or resumed (its root task)."""

    job_id: int
    task_id: int
    attempt_id: int | None
    before: str | None
    after: str
    reason: str | None
    at: datetime


MessageKind = Literal["plan", "verdicts"]


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """Something that the product store must hear."""

    kind: MessageKind
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unsaved:
    """The part of a transaction's changes that is still to be written."""

    transitions: Sequence[Transition]
    counts: Mapping[int, Counter[TaskState]]
    messages: Sequence[OutboxMessage]


@dataclass
class Changes:
    """What one transaction changes. The transaction saves it before the commit and wakes listeners after the commit.

    `at` is the time of the transaction. `counts` are the changes of the jobs' counts that are not saved yet. `queued`
    says how many more attempts of a type may be claimed, `timed` that something is to happen at a set time, and
    `undecided` that there are attempts that may adopt something.
    """

    at: datetime
    transitions: list[Transition] = field(default_factory=list)
    counts: defaultdict[int, Counter[TaskState]] = field(default_factory=lambda: defaultdict(Counter))
    messages: list[OutboxMessage] = field(default_factory=list)
    queued: Counter[str] = field(default_factory=Counter)
    finished_jobs: list[int] = field(default_factory=list)
    timed: bool = False
    undecided: bool = False
    _saved_transitions: int = 0
    _saved_messages: int = 0

    def note_queued(self, new: QueuedAttempt, reason: str | None = None) -> None:
        """Note a new attempt in its queue."""
        after = AttemptState.QUEUED
        self.transitions.append(Transition(new.job_id, new.task_id, new.attempt_id, None, after, reason, self.at))
        if new.undecided:
            self.undecided = True
        elif new.not_before is None:
            self.queued[new.task_type] += 1
        if new.not_before is not None or new.overdue_at is not None:
            self.timed = True

    def note_room(self, task_type: str) -> None:
        """Note that one more attempt of a type may run, of those that are queued."""
        self.queued[task_type] += 1

    def note_attempt(
        self,
        job_id: int,
        task_id: int,
        attempt_id: int,
        before: AttemptState,
        after: AttemptState,
        reason: FailureReason | None = None,
    ) -> None:
        """Note that an attempt went from one state to another, with the states in between."""
        path = path_to(before, after)
        for one, next_one in pairwise(path):
            why = reason if next_one is after else None
            self.transitions.append(Transition(job_id, task_id, attempt_id, one, next_one, why, self.at))

    def note_expanded(self, job_id: int, task_id: int, attempt_id: int) -> None:
        """Note a flow-control attempt that went through its whole life where it was made."""
        queued = Transition(job_id, task_id, attempt_id, None, AttemptState.QUEUED, None, self.at)
        self.transitions.append(queued)
        self.note_attempt(job_id, task_id, attempt_id, AttemptState.QUEUED, AttemptState.RUNNING)
        self.note_attempt(job_id, task_id, attempt_id, AttemptState.RUNNING, AttemptState.ACCEPTED)

    def note_task(self, job_id: int, before: TaskState, after: TaskState) -> None:
        """Note that a task went from one state to another."""
        check_task_step(before, after)
        self.counts[job_id][before] -= 1
        self.counts[job_id][after] += 1

    def note_step(
        self, job_id: int, task_id: int, before: TaskState, after: TaskState, reason: str | None = None
    ) -> None:
        """Note that a task went from one state to another without an attempt that would tell of it."""
        self.note_task(job_id, before, after)
        self.transitions.append(Transition(job_id, task_id, None, before, after, reason, self.at))

    def note_pause(self, job_id: int, root_task_id: int, *, paused: bool) -> None:
        """Note that a job was paused or resumed."""
        before, after = ("running", "paused") if paused else ("paused", "running")
        self.transitions.append(Transition(job_id, root_task_id, None, before, after, None, self.at))

    def note_new_tasks(self, job_id: int, states: Counter[TaskState]) -> None:
        """Note new tasks of a job."""
        self.counts[job_id].update(states)

    def take_unsaved(self) -> Unsaved:
        """Return what has been noted since the last call."""
        transitions = self.transitions[self._saved_transitions :]
        messages = self.messages[self._saved_messages :]
        counts, self.counts = self.counts, defaultdict(Counter)
        self._saved_transitions, self._saved_messages = len(self.transitions), len(self.messages)
        return Unsaved(transitions, counts, messages)

    def tell(self, kind: MessageKind, payload: dict[str, Any]) -> None:
        """Leave a message for the product store."""
        self.messages.append(OutboxMessage(kind, payload))
