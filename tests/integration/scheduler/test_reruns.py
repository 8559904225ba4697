"""Re-runs make new versions of products; everyone keeps reading what was meant for them."""

from __future__ import annotations

import asyncio
import functools
import json
from typing import Any

import pytest

from eas.contracts.errors import ConflictError, ProductExistsError
from eas.contracts.scheduler import AttemptReport, ClaimedAttempt, JobView, ReportRequest
from eas.contracts.states import JobState

from .conftest import Bench, OpenBench, version

pytestmark = pytest.mark.sqlite_only

MAKE = {"task": "make", "name": "make", "outputs": {"lightcurve": "a.gz"}}
FIND = {"task": "find", "name": "find", "inputs": {"lightcurve": "a.gz"}}
BOTH = json.dumps({"task_list": [MAKE, FIND]})


async def rerun(bench: Bench, *tasks: dict[str, Any]) -> JobView:
    return await bench.client.submit_job(json.dumps({"task_list": list(tasks)}), rerun=True)


async def make(bench: Bench) -> ClaimedAttempt:
    (attempt,) = await bench.claim(1)
    await bench.report(attempt, outputs=[version(attempt)])
    return attempt


def version_read(attempt: ClaimedAttempt) -> int:
    return attempt.inputs["lightcurve"].version_id - 1000


async def test_a_re_run_is_a_job_of_its_own_with_new_versions(bench: Bench) -> None:
    first = await bench.submit(MAKE, FIND)
    made = await make(bench)
    await bench.run_one()
    with pytest.raises(ProductExistsError):
        await bench.client.submit_job(BOTH)

    second = await bench.client.submit_job(BOTH, rerun=True)

    assert second.rerun
    assert not (await bench.client.get_job(first)).rerun
    again = await make(bench)
    assert (again.rerun, made.rerun) == (True, False)
    assert version_read(await bench.run_one()) == again.attempt_id
    assert (await bench.client.get_job(second.job_id)).state is JobState.DONE


async def test_readers_of_each_job_get_its_own_version_whenever_they_run(open_bench: OpenBench, bench: Bench) -> None:
    await bench.submit(MAKE, FIND)
    made = [await make(bench)]
    find = await bench.run_one("failed")
    for _ in range(2):
        await rerun(bench, MAKE, FIND)
        made.append(await make(bench))
        assert version_read(await bench.run_one("failed")) == made[-1].attempt_id
    async with open_bench() as restarted:
        for job_id, maker in ((find.job_id, made[0]), (made[1].job_id, made[1]), (made[2].job_id, made[2])):
            await restarted.client.retry_job(job_id)
            assert version_read(await restarted.run_one()) == maker.attempt_id
        await restarted.submit(FIND)
        assert version_read(await restarted.run_one()) == made[2].attempt_id


async def test_a_maker_that_is_retried_after_a_re_run_serves_its_own_readers(bench: Bench) -> None:
    job_id = await bench.submit(MAKE, FIND)
    await bench.run_one("failed")
    await rerun(bench, MAKE)
    newer = await make(bench)
    await bench.client.retry_job(job_id)
    late = await make(bench)
    assert version_read(await bench.run_one()) == late.attempt_id
    await bench.submit({**FIND, "name": "other"})
    assert version_read(await bench.run_one()) == newer.attempt_id


@pytest.mark.parametrize("state", ["queued", "running", "waiting"])
async def test_what_is_still_being_made_is_not_made_anew(bench: Bench, state: str) -> None:
    wait = {"task": "null", "name": "first"}
    maker = {**MAKE, "requires_metadata_from": ["first"]} if state == "waiting" else MAKE
    job_id = await bench.submit(*([wait] if state == "waiting" else []), maker)
    if state == "running":
        (attempt,) = await bench.claim()
    with pytest.raises(ProductExistsError) as refused:
        await rerun(bench, MAKE)
    (problem,) = refused.value.problems
    assert problem.where == "$.task_list[0].outputs.lightcurve"
    assert f"of job {job_id}, which is {state}: cancel it" in problem.message
    assert len((await bench.client.list_jobs()).items) == 1
    await bench.client.cancel_job(job_id)
    if state == "running":
        await bench.report(attempt, "cancelled")
    assert (await rerun(bench, MAKE)).counts.queued == 1


async def test_of_two_re_runs_at_the_same_time_one_is_refused(bench: Bench) -> None:
    await bench.submit(MAKE)
    await make(bench)
    results = await asyncio.gather(*(rerun(bench, MAKE) for _ in range(2)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["JobView", "ProductExistsError"]


async def test_a_re_run_makes_nothing_twice_and_of_no_other_kind(bench: Bench) -> None:
    await bench.submit({"task": "null", "name": "n"}, MAKE)
    await bench.run_one()
    await make(bench)
    values = "(requested_metadata['n']['values'])"
    loop = {"task": "execution_for_loop", "parameter": "p", "values": values, "task_list": [MAKE]}
    job = await rerun(bench, {"task": "null", "name": "n"}, {**loop, "requires_metadata_from": ["n"]}, MAKE)
    for _ in range(2):
        (attempt,) = await bench.claim(1)
        outputs = [version(attempt)] if attempt.outputs else []
        await bench.report(attempt, metadata={"values": [1]}, outputs=outputs)
    ended = await bench.client.get_job(job.job_id, wait=60)
    assert (ended.state, ended.counts.failed) == (JobState.FAILED, 1)
    (trouble,) = (await bench.client.get_tree(job.job_id, max_depth=1)).items[2:3]
    assert "of the job's products exist already" in str(trouble.message)


async def test_loops_that_are_expanded_late_read_and_make_what_is_their_jobs_own(bench: Bench) -> None:
    values = "(requested_metadata['n']['values'])"
    null = {"task": "null", "name": "n"}
    late = {**MAKE, "outputs": {"lightcurve": "late.gz"}, "name": "late"}
    loop = {"task": "execution_for_loop", "parameter": "p", "values": values, "task_list": [FIND, late]}
    document: list[dict[str, Any]] = [MAKE, null, {**loop, "requires_metadata_from": ["n"]}]
    await bench.submit(*document)
    first = await make(bench)
    await rerun(bench, MAKE)
    newer = await make_of_type(bench, "make")
    assert newer.attempt_id > first.attempt_id

    (attempt,) = await bench.claim(1)
    await bench.report(attempt, metadata={"values": [1]})

    found = [await claim_one(bench) for _ in range(2)]
    by_name = {one.task_name: one for one in found}
    assert version_read(by_name["find"]) == first.attempt_id
    await bench.report(by_name["late"], outputs=[version(by_name["late"])])
    job = await rerun(bench, null, {**loop, "requires_metadata_from": ["n"], "task_list": [late]})
    await bench.report(by_name["find"])
    (attempt,) = await bench.claim(1)
    await bench.report(attempt, metadata={"values": [1]})
    again = await claim_one(bench)
    assert (again.outputs, again.rerun) == ({"lightcurve": "late.gz"}, True)
    await bench.report(again, outputs=[version(again)])
    assert (await bench.client.get_job(job.job_id)).state is JobState.DONE


async def claim_one(bench: Bench) -> ClaimedAttempt:
    (attempt,) = await bench.claim(1, wait=60)
    return attempt


async def make_of_type(bench: Bench, task_type: str) -> ClaimedAttempt:
    """Run the only queued attempt of a type, whatever else is queued."""
    while True:
        held = await bench.claim()
        chosen = next(one for one in held if one.task_type == task_type)
        for other in held:
            if other is not chosen:
                await bench.report(other, "lost", reason="evicted")
        await bench.report(chosen, outputs=[version(chosen)])
        return chosen


async def test_names_that_only_the_attempt_knows_are_taken_over_too(bench: Bench) -> None:
    ingest = {"task": "ingest", "name": "ingest"}
    await bench.submit(ingest)
    (first,) = await bench.claim()
    await bench.report(first, outputs=[version(first, filename="star.gz")])

    for submit in (bench.submit, functools.partial(rerun, bench)):  # what was found is found again, re-run or not
        await submit(ingest)
        (again,) = await bench.claim()
        await bench.report(again, outputs=[version(again, filename="star.gz")])
        assert (await bench.client.get_attempt(again.attempt_id)).state == "accepted"
    await bench.submit({**FIND, "inputs": {"lightcurve": "star.gz"}})
    assert version_read(await bench.run_one()) == again.attempt_id


async def test_what_a_job_declared_is_not_found_again_by_another(bench: Bench) -> None:
    await bench.submit(MAKE)
    (made,) = await bench.claim()
    await bench.report(made, outputs=[version(made)])
    await bench.submit({"task": "ingest", "name": "ingest"})
    (found,) = await bench.claim()
    await bench.report(found, outputs=[version(found, filename=version(made).filename)])
    refused = await bench.client.get_attempt(found.attempt_id)
    assert "is promised by task" in (refused.message or "")


async def test_of_two_attempts_that_report_the_same_name_together_one_fails(bench: Bench) -> None:
    for _ in range(2):
        await rerun(bench, {"task": "ingest"})
    reports = [
        AttemptReport(
            attempt_id=one.attempt_id,
            lease_token=one.lease_token,
            state="accepted",
            outputs=[version(one, filename="star.gz")],
        )
        for one in await bench.claim()
    ]
    await bench.client.report(ReportRequest(worker_id="w1", reports=reports))
    states = [(await bench.client.get_attempt(report.attempt_id)).state for report in reports]
    assert states == ["accepted", "failed"]


async def test_a_key_stands_for_one_way_of_submitting(bench: Bench) -> None:
    job = await bench.client.submit_job(BOTH, idempotency_key="k", rerun=True)
    assert (await bench.client.submit_job(BOTH, idempotency_key="k", rerun=True)).job_id == job.job_id
    with pytest.raises(ConflictError, match="was submitted with rerun"):
        await bench.client.submit_job(BOTH, idempotency_key="k")


async def test_a_plan_counts_new_versions_apart(bench: Bench) -> None:
    await bench.submit(MAKE)
    await make(bench)
    other = {**MAKE, "outputs": {"lightcurve": "b.gz"}}
    text = json.dumps({"task_list": [MAKE, other]})
    plan = await bench.client.plan_job(text, rerun=True)
    assert (plan.products, plan.new_versions, plan.tasks) == (1, 1, 3)
    with pytest.raises(ProductExistsError):
        await bench.client.plan_job(text)
    assert (await rerun(bench, MAKE)).rerun
