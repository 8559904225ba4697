"""Operators accept and reject versions, and what depends on them is gated again. Counts always equal the rows."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eas.contracts.errors import NotFoundError
from eas.contracts.provenance import VerdictOutcome
from eas.contracts.scheduler import ClaimedAttempt, OutputVersion
from eas.contracts.states import AttemptState, JobState, TaskState
from tests.support.databases import Inspector

from .conftest import Bench, OpenBench, find_wrong_counts
from .served_store import ServedStore, serve_store

pytestmark = pytest.mark.sqlite_only

MAKE = {"task": "make", "name": "make", "outputs": {"lightcurve": "a"}}
FIND = {"task": "find", "name": "find", "inputs": {"lightcurve": "a"}}
AFTER = {"task": "null", "name": "after", "requires_metadata_from": ["find"]}


class Pipeline:
    """A scheduler and a real store."""

    def __init__(self, bench: Bench, store: ServedStore) -> None:
        self.bench = bench
        self.store = store

    async def make(self, *, good: bool = True) -> tuple[ClaimedAttempt, OutputVersion]:
        """Run what makes the light curve."""
        (attempt,) = await self.bench.claim(1)
        made = await self.store.upload(attempt, f"made by {attempt.attempt_id}".encode())
        if good:
            await self.bench.report(attempt, outputs=[made], metadata={"n": 1})
        else:
            bad = made.model_copy(update={"passed_qc": False, "qc_reason": "too noisy"})
            await self.bench.report(attempt, "rejected", outputs=[bad], metadata={"n": 1})
        return attempt, made

    async def judge(self, version: OutputVersion, *, passed: bool) -> VerdictOutcome:
        return await self.bench.client.judge_version(version.version_id, passed=passed, reason="looked at it")

    async def states(self, job_id: int) -> dict[str | None, str]:
        lines = (await self.bench.client.get_tree(job_id, limit=100)).items
        return {line.name: line.state.value for line in lines if line.name is not None}


@pytest.fixture
async def pipeline(open_bench: OpenBench, inspector: Inspector, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with serve_store(tmp_path / "store") as store, open_bench(product_store_url=store.url) as bench:
        await bench.announce()
        yield Pipeline(bench, store)
    assert find_wrong_counts(inspector) == []
    numbers = inspector.fetch(
        "SELECT t.attempts, COUNT(a.id) FROM task t LEFT JOIN attempt a ON a.task_id = t.id GROUP BY t.id, t.attempts"
    )
    assert [row for row in numbers if row[0] != row[1]] == []


async def test_a_rejected_version_withdraws_its_readers_until_it_is_made_again(pipeline: Pipeline) -> None:
    job_id = await pipeline.bench.submit(MAKE, FIND, AFTER)
    made_by, version = await pipeline.make()
    assert (await pipeline.states(job_id))["find"] == "queued"

    outcome = await pipeline.judge(version, passed=False)

    assert outcome.tasks[0].state is TaskState.FAILED
    assert len(outcome.tasks[0].withdrawn) == 1
    assert await pipeline.states(job_id) == {"make": "failed", "find": "blocked", "after": "blocked"}
    assert (await pipeline.bench.client.get_job(job_id)).state is JobState.FAILED
    assert await pipeline.bench.claim() == []
    task = await pipeline.bench.client.get_task(made_by.task_id)
    assert task.attempts[0].outputs[0].passed_qc is False

    await pipeline.bench.client.retry_task(made_by.task_id)
    assert await pipeline.states(job_id) == {"make": "queued", "find": "waiting", "after": "waiting"}
    _, again = await pipeline.make()
    (reader,) = await pipeline.bench.claim(1)
    assert (reader.inputs["lightcurve"].version_id, reader.number) == (again.version_id, 2)
    await pipeline.bench.report(reader)
    await pipeline.bench.run_one()
    assert (await pipeline.bench.client.get_job(job_id)).state is JobState.DONE


@pytest.mark.every_database
async def test_a_rejected_version_that_is_accepted_again_heals_all(pipeline: Pipeline) -> None:
    job_id = await pipeline.bench.submit(MAKE, FIND, AFTER)
    _, version = await pipeline.make()
    for _ in range(2):  # the same verdict again changes nothing
        await pipeline.judge(version, passed=False)
    for _ in range(2):
        outcome = await pipeline.judge(version, passed=True)
    assert outcome.tasks[0].state is TaskState.DONE
    assert await pipeline.states(job_id) == {"make": "done", "find": "queued", "after": "waiting"}
    reader = await pipeline.bench.run_one()
    assert reader.inputs["lightcurve"].version_id == version.version_id
    await pipeline.bench.run_one()
    assert (await pipeline.bench.client.get_job(job_id)).state is JobState.DONE


async def test_an_accepted_version_makes_a_task_done_that_had_failed_for_quality(pipeline: Pipeline) -> None:
    job_id = await pipeline.bench.submit(MAKE, FIND, {**AFTER, "requires_metadata_from": ["make"]})
    made_by, version = await pipeline.make(good=False)
    while (await pipeline.states(job_id))["make"] == "queued":
        made_by, version = await pipeline.make(good=False)
    assert await pipeline.states(job_id) == {"make": "failed", "find": "blocked", "after": "blocked"}

    await pipeline.judge(version, passed=True)

    assert await pipeline.states(job_id) == {"make": "done", "find": "queued", "after": "queued"}
    task = await pipeline.bench.client.get_task(made_by.task_id)
    assert (task.attempts[-1].state, task.attempts[-1].outputs[0].passed_qc) == (AttemptState.REJECTED, True)
    for attempt in await pipeline.bench.claim(2):
        assert attempt.task_type == "null" or attempt.inputs["lightcurve"].version_id == version.version_id


async def test_what_has_run_stays_and_is_listed(pipeline: Pipeline) -> None:
    job_id = await pipeline.bench.submit(MAKE, FIND)
    _, version = await pipeline.make()
    reader = await pipeline.bench.run_one()
    outcome = await pipeline.judge(version, passed=False)
    assert [one.attempt_id for one in outcome.made_from_it.attempts] == [reader.attempt_id]
    assert await pipeline.states(job_id) == {"make": "failed", "find": "done"}
    # a job that comes later does not get it
    later = await pipeline.bench.http.post("/jobs", json={"task_list": [{**FIND, "name": "later"}]})
    assert later.status_code == 201, later.text
    assert await pipeline.bench.claim() == []


async def test_the_stores_ledger_keeps_author_and_reason(pipeline: Pipeline, tmp_path: Path) -> None:
    await pipeline.bench.submit(MAKE)
    _, version = await pipeline.make()
    await pipeline.judge(version, passed=False)
    with sqlite3.connect(tmp_path / "store" / "store.db") as database:
        await wait_for_verdicts(pipeline, version.version_id)
        rows = database.execute("SELECT passed, author, reason FROM verdict ORDER BY verdict_id").fetchall()
    assert [(bool(passed), reason) for passed, _, reason in rows] == [(True, ""), (False, "looked at it")]
    assert rows[1][1] != "scheduler"


async def wait_for_verdicts(pipeline: Pipeline, version_id: int) -> None:
    for _ in range(2000):
        if (await pipeline.store.client.get_version(version_id)).passed_qc is False:
            return
    raise AssertionError("the store was not told")


async def test_a_version_that_does_not_exist(pipeline: Pipeline) -> None:
    with pytest.raises(NotFoundError):
        await pipeline.bench.client.judge_version(999, passed=True, reason="x")


async def test_a_task_whose_input_is_missing_waits_until_it_is_made_again(pipeline: Pipeline) -> None:
    job_id = await pipeline.bench.submit(MAKE, FIND, AFTER)
    _, version = await pipeline.make()
    reader = await pipeline.bench.run_one("failed", reason="missing", message="it is missing; reject its version")
    assert await pipeline.states(job_id) == {"make": "done", "find": "failed", "after": "blocked"}
    why = await pipeline.bench.client.explain_task(reader.task_id)
    assert "has to be made again" in why.words
    assert "reject its version" in why.words

    await pipeline.judge(version, passed=False)
    await pipeline.bench.client.retry_job(job_id)

    assert await pipeline.states(job_id) == {"make": "queued", "find": "waiting", "after": "waiting"}
    _, again = await pipeline.make()
    (found,) = await pipeline.bench.claim(1)
    assert found.inputs["lightcurve"].version_id == again.version_id
