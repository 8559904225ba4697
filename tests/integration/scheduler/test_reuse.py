"""Attempts adopt what equal attempts made; what they do not adopt says why. No worker is needed for that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from eas.contracts.diagnostics import WhyCode
from eas.contracts.errors import ConflictError
from eas.contracts.products import Verdict
from eas.contracts.reuse import FingerprintPart, ReuseDecision
from eas.contracts.scheduler import AttemptView, ClaimedAttempt, JobView, TaskView
from eas.contracts.states import AttemptState, JobState
from tests.support.databases import Inspector

from .conftest import TASK_TYPES, Bench, OpenBench, find_wrong_counts
from .served_store import ServedStore, serve_store

pytestmark = pytest.mark.sqlite_only

NULL = {"task": "null", "name": "a", "duration": 1}
AFTER = {"task": "null", "name": "b", "duration": "(requested_metadata['a']['n'])", "requires_metadata_from": ["a"]}
MAKE = {"task": "make", "name": "make", "outputs": {"lightcurve": "a.gz"}, "radius": 1.0}
FIND = {"task": "find", "name": "find", "inputs": {"lightcurve": "a.gz"}, "lc_duration": 27}
NAME = "nightly"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ServedStore]:
    async with serve_store(tmp_path) as served:
        yield served


@pytest.fixture
async def bench(open_bench: OpenBench, store: ServedStore) -> AsyncIterator[Bench]:
    async with open_bench(product_store_url=store.url) as found:
        await found.announce()
        yield found


@pytest.fixture(autouse=True)
def counts_equal_rows(inspector: Inspector, bench: Bench) -> Any:
    """Whatever a test did: counts are those of the rows, and only jobs with re-use have undecided attempts."""
    yield
    assert find_wrong_counts(inspector) == []
    strange = "SELECT a.id FROM attempt a JOIN job j ON j.id = a.job_id WHERE a.undecided AND NOT j.reuse"
    assert inspector.fetch(strange) == []


async def submit(bench: Bench, *tasks: dict[str, Any], rerun: bool = False, **keys: Any) -> JobView:
    keys = {"job_name": NAME, **keys}
    return await bench.client.submit_job(json.dumps({"task_list": list(tasks), **keys}), rerun=rerun, reuse=True)


async def run(bench: Bench, store: ServedStore, *tasks: dict[str, Any], **keys: Any) -> list[ClaimedAttempt]:
    """Run a job without re-use to its end; what it makes is the name of its task and its settings."""
    keys = {"job_name": NAME, **keys}
    job_id = await bench.submit(*tasks, **keys)
    done: list[ClaimedAttempt] = []
    while (await bench.client.get_job(job_id)).state is JobState.RUNNING:
        (attempt,) = await bench.claim(1, wait=60)
        await finish(bench, store, attempt)
        done.append(attempt)
    return done


async def finish(bench: Bench, store: ServedStore, attempt: ClaimedAttempt) -> None:
    content = json.dumps([attempt.task_name, attempt.settings]).encode()
    outputs = [await store.upload(attempt, content)] if attempt.outputs else []
    await bench.report(attempt, metadata={"n": 7}, outputs=outputs)


async def ended(bench: Bench, job: JobView) -> JobView:
    return await bench.client.get_job(job.job_id, wait=20)


async def tasks_of(bench: Bench, job: JobView) -> dict[str, TaskView]:
    lines = (await bench.client.get_tree(job.job_id, limit=1000)).items
    return {str(line.name): await bench.client.get_task(line.task_id) for line in lines if line.name}


async def decided(bench: Bench, job: JobView, name: str) -> AttemptView:
    """Wait until the scheduler has looked at the newest attempt of a task."""
    while True:
        (*_, attempt) = (await tasks_of(bench, job))[name].attempts
        if attempt.reuse is not None:
            return attempt
        await asyncio.sleep(0.01)


async def test_a_job_that_was_run_before_ends_without_any_worker(bench: Bench, store: ServedStore) -> None:
    first = await run(bench, store, NULL, AFTER)
    await bench.client.dismiss("w1")

    job = await ended(bench, await submit(bench, NULL, AFTER))

    assert (job.state, job.reuse, job.counts.done) == (JobState.DONE, True, 3)
    tasks = await tasks_of(bench, job)
    for name, source in zip("ab", first, strict=True):
        (attempt,) = tasks[name].attempts
        assert (attempt.state, attempt.worker_id) == (AttemptState.ACCEPTED, "scheduler")
        assert (attempt.adopted_from, tasks[name].adopted_from) == (source.attempt_id, source.attempt_id)
        assert (attempt.metadata, attempt.settings) == ({"n": 7}, source.settings)
        assert attempt.reuse is not None
        assert attempt.reuse.decision is ReuseDecision.ADOPTED
        assert attempt.reuse.source is not None
        assert (attempt.reuse.source.task_id, attempt.reuse.source.job_id) == (source.task_id, source.job_id)
    why = await bench.client.explain_task(tasks["a"].task_id)
    assert why.code is WhyCode.ADOPTED
    assert f"from attempt {first[0].attempt_id} (task {first[0].task_id} of job {first[0].job_id})" in why.words


async def test_only_what_differs_is_run_and_says_in_what(bench: Bench, store: ServedStore) -> None:
    other = {"task": "null", "name": "c", "duration": 5}
    first = await run(bench, store, NULL, AFTER, other)
    job = await submit(bench, {**NULL, "duration": 2}, AFTER, other)

    attempt = await decided(bench, job, "a")

    assert attempt.reuse is not None
    assert (attempt.reuse.decision, attempt.state) == (ReuseDecision.DIFFERENT, AttemptState.QUEUED)
    assert [(one.part, one.keys) for one in attempt.reuse.differences] == [(FingerprintPart.SETTINGS, ["duration"])]
    assert attempt.reuse.source is not None
    assert attempt.reuse.source.attempt_id == first[0].attempt_id
    (claimed,) = await bench.claim()
    await bench.report(claimed, metadata={"n": 8})
    after = await decided(bench, job, "b")
    assert after.reuse is not None
    assert [one.part for one in after.reuse.differences] == [
        FingerprintPart.SETTINGS,
        FingerprintPart.REQUESTED_METADATA,
    ]
    why = await bench.client.explain_task(claimed.task_id)
    assert "It adopted nothing: attempt" in why.words
    assert "differs in settings (duration)" in why.words
    await bench.run_one()
    tasks = await tasks_of(bench, await ended(bench, job))
    assert [name for name in tasks if tasks[name].adopted_from is None] == ["a", "b"]


async def test_files_are_adopted_under_other_names_without_copying_a_byte(bench: Bench, store: ServedStore) -> None:
    made, found = await run(bench, store, MAKE, FIND, working_directory="first")
    source = (await bench.client.get_attempt(made.attempt_id)).outputs[0]
    renamed = {**MAKE, "outputs": {"lightcurve": "b_0.5.gz"}}
    reader = {**FIND, "inputs": {"lightcurve": "b_0.5.gz"}}
    new = {"task": "find", "name": "new", "inputs": {"lightcurve": "b_0.5.gz"}, "lc_duration": 1}

    job = await submit(bench, renamed, reader, new, working_directory="second")

    (claimed,) = await bench.claim(wait=20)
    assert claimed.task_name == "new"
    read = claimed.inputs["lightcurve"]
    stored = await store.client.get_version(read.version_id)
    assert (stored.adopted_from, stored.sha256, stored.directory) == (source.version_id, source.sha256, "second")
    assert (stored.job_id, stored.metadata, read.metadata) == (job.job_id, {"made": "well"}, {"made": "well"})
    assert len(store.objects()) == 1
    await bench.report(claimed)
    tasks = await tasks_of(bench, await ended(bench, job))
    assert tasks["find"].adopted_from == found.attempt_id
    assert tasks["find"].attempts[0].inputs["lightcurve"] == read
    async with asyncio.timeout(60):
        while not (await store.client.get_version(read.version_id)).passed_qc:  # noqa: ASYNC110 - the verdict comes by HTTP
            await asyncio.sleep(0.02)


async def test_a_re_run_with_re_use_keeps_the_very_versions(bench: Bench, store: ServedStore) -> None:
    made, _ = await run(bench, store, MAKE, FIND)
    (source,) = (await bench.client.get_attempt(made.attempt_id)).outputs
    job = await ended(bench, await submit(bench, MAKE, FIND, rerun=True))
    assert job.state is JobState.DONE
    tasks = await tasks_of(bench, job)
    assert tasks["make"].attempts[0].outputs[0].version_id == source.version_id
    assert tasks["find"].attempts[0].inputs["lightcurve"].version_id == source.version_id
    assert (await store.client.list_versions()).items[-1].version_id == source.version_id
    again = await ended(bench, await submit(bench, MAKE, FIND, rerun=True))
    third = await tasks_of(bench, again)
    assert third["make"].adopted_from == tasks["make"].attempts[0].attempt_id


@pytest.mark.every_database
async def test_a_re_run_says_what_differs_from_the_older_generation(bench: Bench, store: ServedStore) -> None:
    made, _ = await run(bench, store, MAKE, FIND, job_name="another")
    changed = {**MAKE, "radius": 2.0}
    job = await submit(bench, changed, FIND, rerun=True, job_name="other", seed=1)
    (claimed,) = await bench.claim(wait=20)
    attempt = await decided(bench, job, "make")
    assert attempt.reuse is not None
    assert attempt.reuse.source is not None
    assert attempt.reuse.source.attempt_id == made.attempt_id
    assert [one.part for one in attempt.reuse.differences] == [FingerprintPart.SETTINGS, FingerprintPart.SEED]
    await finish(bench, store, claimed)
    find = await decided(bench, job, "find")
    assert find.reuse is not None
    assert find.reuse.decision is ReuseDecision.NO_CANDIDATE


async def test_what_failed_quality_control_since_is_not_adopted(bench: Bench, store: ServedStore) -> None:
    made, _ = await run(bench, store, MAKE, FIND)
    await store.client.record_verdicts([Verdict(attempt_id=made.attempt_id, passed=False, author="ada")])
    job = await submit(bench, MAKE, FIND, rerun=True)
    (claimed,) = await bench.claim(wait=20)
    attempt = await decided(bench, job, "make")
    assert attempt.reuse is not None
    assert (attempt.reuse.decision, claimed.task_name) == (ReuseDecision.UNUSABLE, "make")
    assert "did not pass quality control" in str(attempt.reuse.message)
    assert "did not pass quality control" in (await bench.client.explain_task(claimed.task_id)).words
    await finish(bench, store, claimed)
    tasks = await tasks_of(bench, await ended(bench, job))
    assert tasks["find"].adopted_from is not None


async def test_other_versions_formats_and_seeds_are_other_attempts(bench: Bench, store: ServedStore) -> None:
    await run(bench, store, MAKE, seed=1)
    found: list[list[FingerprintPart]] = []
    for seed, version, filename in [(1, "1", "a.fits"), (5, "1", "b.gz"), (1, "2", "c.gz")]:
        types = [one.model_copy(update={"version": version}) if one.name == "make" else one for one in TASK_TYPES]
        await announce(bench, types)
        job = await submit(bench, {**MAKE, "outputs": {"lightcurve": filename}}, seed=seed)
        attempt = await decided(bench, job, "make")
        assert attempt.reuse is not None
        found.append([one.part for one in attempt.reuse.differences])
        await bench.client.cancel_job(job.job_id)
    assert found == [[FingerprintPart.OUTPUTS], [FingerprintPart.SEED], [FingerprintPart.VERSION]]


async def announce(bench: Bench, task_types: list[Any]) -> None:
    body = {"worker_id": "w1", "host": "here", "process_id": 1, "slots": 1}
    types = [one.model_dump() for one in task_types]
    response = await bench.http.post("/workers", json={**body, "task_types": types})
    assert response.status_code < 300, response.text


async def test_a_type_that_draws_no_random_numbers_does_not_mind_the_seed(bench: Bench, store: ServedStore) -> None:
    await announce(bench, [one.model_copy(update={"uses_seed": False}) for one in TASK_TYPES])
    await run(bench, store, NULL, seed=1)
    assert (await ended(bench, await submit(bench, NULL, seed=2))).state is JobState.DONE


async def test_a_job_without_seed_takes_that_of_the_newest_job_of_its_name(bench: Bench, store: ServedStore) -> None:
    draws = {"task": "null", "name": "a", "duration": "(random.uniform(0, 1))"}
    (attempt,) = await run(bench, store, draws)
    job = await ended(bench, await submit(bench, draws))
    assert (await tasks_of(bench, job))["a"].attempts[0].settings == attempt.settings
    other = await submit(bench, draws, job_name="other")
    assert (await decided(bench, other, "a")).state is AttemptState.QUEUED


@pytest.mark.every_database
async def test_while_the_store_is_away_files_wait_and_the_rest_goes_on(
    open_bench: OpenBench, bench: Bench, store: ServedStore
) -> None:
    await run(bench, store, MAKE, NULL)
    async with open_bench(product_store_url="http://127.0.0.1:9") as alone:
        job = await submit(alone, MAKE, NULL, {"task": "null", "name": "new", "duration": 3}, rerun=True)
        (claimed,) = await alone.claim(wait=20)
        assert claimed.task_name == "new"
        await alone.report(claimed)
        tasks = await tasks_of(alone, job)
        assert {name: task.state.value for name, task in tasks.items()} == {
            "make": "queued",
            "a": "done",
            "new": "done",
        }
        why = await alone.client.explain_task(tasks["make"].task_id)
        assert why.code is WhyCode.WAITING_FOR_SCHEDULER
        assert "adopt" in why.words
        await alone.client.pause_job(job.job_id)
        await alone.client.resume_job(job.job_id)
        assert await alone.claim() == []
    async with open_bench(product_store_url=store.url) as again:
        assert (await ended(again, job)).state is JobState.DONE
        assert (await tasks_of(again, job))["make"].adopted_from is not None


async def test_a_paused_job_adopts_nothing_until_it_goes_on(bench: Bench, store: ServedStore) -> None:
    await run(bench, store, NULL, AFTER)
    other = {**NULL, "duration": 3}
    job = await submit(bench, other, AFTER)
    (claimed,) = await bench.claim(wait=20)
    await bench.client.pause_job(job.job_id)
    await bench.report(claimed, metadata={"n": 7})
    await submit(bench, NULL, job_name="unnamed")
    assert (await tasks_of(bench, job))["b"].state == "queued"
    await bench.client.resume_job(job.job_id)
    assert (await decided(bench, job, "b")).reuse is not None
    await bench.client.cancel_job(job.job_id)


async def test_what_a_retry_changes_may_be_adopted_too(bench: Bench, store: ServedStore) -> None:
    (source,) = await run(bench, store, NULL)
    job = await submit(bench, {**NULL, "duration": 4})
    (claimed,) = await bench.claim(wait=20)
    await bench.report(claimed, "failed")
    await bench.client.retry_job(job.job_id, settings={"duration": 1})
    assert (await ended(bench, job)).state is JobState.DONE
    assert (await tasks_of(bench, job))["a"].adopted_from == source.attempt_id


async def test_what_no_fingerprint_covers_is_run(bench: Bench, store: ServedStore) -> None:
    job = await submit(bench, {"task": "null", "name": "bare"}, {"task": "ingest", "name": "ingest"})
    words = [(await decided(bench, job, name)).reuse for name in ("bare", "ingest")]
    assert [(one and one.decision, one and one.message) for one in words] == [
        (ReuseDecision.NOT_REUSABLE, "it has no settings, inputs or outputs"),
        (ReuseDecision.NOT_REUSABLE, "its task type reads files that only it knows"),
    ]
    assert len(await bench.claim(wait=20)) == 2


async def test_an_equal_attempt_that_still_runs_is_not_waited_for(bench: Bench, store: ServedStore) -> None:
    await announce(bench, [one.model_copy(update={"uses_seed": False}) for one in TASK_TYPES])
    job = await submit(bench, NULL)
    (first,) = await bench.claim(wait=20)
    twin = await submit(bench, NULL)
    (second,) = await bench.claim(wait=20)
    for attempt in (first, second):
        await bench.report(attempt)
    third = await submit(bench, NULL)
    assert [(await ended(bench, one)).state for one in (job, twin, third)] == [JobState.DONE] * 3
    assert (await tasks_of(bench, third))["a"].adopted_from == second.attempt_id


async def test_the_key_and_the_root_key_are_part_of_what_is_submitted(bench: Bench, store: ServedStore) -> None:
    text = json.dumps({"task_list": [], "reuse": True})
    job = await bench.client.submit_job(text, idempotency_key="k")
    assert job.reuse
    assert (await bench.client.submit_job(text, idempotency_key="k", reuse=True)).job_id == job.job_id
    with pytest.raises(ConflictError, match="submitted with reuse"):
        await bench.client.submit_job(text, idempotency_key="k", rerun=True)
    refused = await bench.refuse(reuse="yes")
    assert (refused["status"], refused["problems"][0]["where"]) == (422, "$.reuse")


async def test_a_cascade_of_a_thousand_tasks_is_adopted(bench: Bench, store: ServedStore) -> None:
    loop = {"task": "execution_for_loop", "parameter": "p", "values": "(list(range(500)))", "task_list": [NULL, AFTER]}
    job_id = await bench.submit(loop, job_name=NAME)
    while attempts := await bench.claim(1000):
        for attempt in attempts:
            await bench.report(attempt, metadata={"n": attempt.metadata["p"]})
    assert (await bench.client.get_job(job_id)).state is JobState.DONE
    await bench.client.dismiss("w1")
    job = await ended(bench, await submit(bench, loop))
    assert (job.state, job.counts.done) == (JobState.DONE, 1502)
