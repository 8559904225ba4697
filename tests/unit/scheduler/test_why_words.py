"""The words in which a task's standing is explained."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from eas.contracts.diagnostics import RelatedTask, UnmetDependency, WhyCode
from eas.contracts.states import AttemptState, FailureReason, TaskState
from eas_scheduler.domain.policies import RetryLimits
from eas_scheduler.domain.why import AttemptFacts, TaskFacts, WhyRules, WorkerFacts, explain

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RULES = WhyRules(RetryLimits(attempts=5, losses=3), timedelta(minutes=2))
TRY = AttemptFacts(
    attempt_id=7,
    number=1,
    state=AttemptState.QUEUED,
    worker_id=None,
    queued_at=NOW - timedelta(minutes=1),
    since=None,
    ended_at=None,
    lease_expires_at=None,
    reason=None,
    message=None,
)
TASK = TaskFacts(
    task_id=3,
    job_id=1,
    task_type="tls",
    name=None,
    state=TaskState.QUEUED,
    reason=None,
    message=None,
    excuse=None,
    strikes=0,
    losses=0,
    job_paused=False,
    children=0,
    unmet=0,
    attempts=[TRY],
    before=0,
)


def worker(name: str, *, leased: int = 0, silent: float = 1, paused: str | None = None) -> WorkerFacts:
    return WorkerFacts(name, 1, leased, NOW - timedelta(seconds=silent), paused)


def related(task_id: int, state: TaskState, **fields: str) -> RelatedTask:
    return RelatedTask(task_id=task_id, job_id=1, task_type="make", state=state, **fields)


@pytest.mark.parametrize("state", list(TaskState))
def test_every_state_has_its_words(state: TaskState) -> None:
    found = explain(replace(TASK, state=state), NOW, RULES)
    assert found.state is state
    assert found.words.endswith(".")
    assert "None" not in found.words


def test_a_paused_job_is_the_reason_even_where_workers_are_free() -> None:
    found = explain(replace(TASK, job_paused=True, workers=[worker("w1")]), NOW, RULES)
    assert found.code is WhyCode.JOB_PAUSED
    assert "Its job is paused" in found.words


@pytest.mark.parametrize(
    ("crew", "words", "counts"),
    [
        ([], "no worker that runs 'tls' is here", (0, 0)),
        ([worker("a", silent=300)], "no worker that runs 'tls' has been heard since 2026-01-02 02:59:05 UTC", (0, 0)),
        ([worker("a", leased=1), worker("b", leased=2)], "all 2 workers that run 'tls' are busy", (2, 0)),
        ([worker("a", leased=1), worker("b")], "1 of 2 workers that run 'tls' can take it at once", (2, 1)),
        (
            [worker("a", paused="its disk is full"), worker("b")],
            "1 of 2 workers that run 'tls' can take it at once",
            (2, 1),
        ),
        (
            [worker("a", paused="its disk is full"), worker("b", leased=1)],
            "all 2 workers that run 'tls' are busy",
            (2, 0),
        ),
        (
            [worker("a", paused="its disk is full")],
            "all workers that run 'tls' pause (1); a because its disk is full",
            (1, 0),
        ),
    ],
)
def test_who_could_take_it_is_told(crew: list[WorkerFacts], words: str, counts: tuple[int, int]) -> None:
    found = explain(replace(TASK, workers=crew), NOW, RULES)
    assert found.words == f"It is ready and number 1 in its queue since 2026-01-02 03:03:05 UTC; {words}."
    assert found.queue is not None
    assert (found.queue.workers, found.queue.idle_workers) == counts


def test_a_place_too_far_back_to_count_is_none() -> None:
    found = explain(replace(TASK, before=None), NOW, RULES)
    assert found.queue is not None
    assert found.queue.position is None
    assert "far back in its queue" in found.words


def test_three_needs_are_named_and_the_rest_counted() -> None:
    needs = [
        UnmetDependency(kind="metadata", label=str(number), source=related(number, TaskState.RUNNING))
        for number in range(100)
    ]
    found = explain(replace(TASK, state=TaskState.WAITING, attempts=[], unmet=250, waits_for=needs), NOW, RULES)
    assert found.words.startswith("It waits for the metadata '0' of task 0 (make, running); ")
    assert found.words.endswith("; 247 more.")
    assert (found.unmet, len(found.waits_for)) == (250, 100)


def test_of_a_traceback_the_words_quote_the_error() -> None:
    trace = "Traceback (most recent call last):\n  line 1\nValueError: no flux.\n"
    cause = related(9, TaskState.FAILED, name="maker", message=trace)
    found = explain(replace(TASK, state=TaskState.BLOCKED, attempts=[], cause=cause), NOW, RULES)
    assert found.words.endswith("'maker' (make, failed): ValueError: no flux.")
    assert found.cause == cause


@pytest.mark.parametrize(
    ("reason", "strikes", "losses", "retry"),
    [
        (FailureReason.INPUT, 1, 0, "another attempt would fail in the same way"),
        (FailureReason.TIMEOUT, 5, 0, "given up after 5 attempts"),
        (FailureReason.LOST, 3, 3, "quarantined: 3 workers were lost while running it"),
    ],
)
def test_a_failure_tells_why_it_is_final(reason: FailureReason, strikes: int, losses: int, retry: str) -> None:
    tried = replace(TRY, state=AttemptState.FAILED, worker_id="w1", reason=reason)
    facts = replace(
        TASK, state=TaskState.FAILED, reason=reason, strikes=strikes, losses=losses, attempts=[tried], message="m"
    )
    found = explain(facts, NOW, RULES)
    assert found.retry == retry
    assert found.words == f"It failed ({reason.value}): m. It is not tried again: {retry}."
    assert [one.attempt_id for one in found.earlier] == [7]


def test_an_excused_failure_gives_the_excuse() -> None:
    tried = replace(TRY, state=AttemptState.FAILED, worker_id="w1")
    found = explain(replace(TASK, state=TaskState.DONE, attempts=[tried], excuse="known bad pixel"), NOW, RULES)
    assert found.code is WhyCode.EXCUSED
    assert "Its failure was excused: known bad pixel." in found.words
