"""The law of attempts, as workers meet it."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime

import pytest

from eas.contracts.errors import NotFoundError
from eas.contracts.scheduler import (
    AttemptReport,
    ClaimRequest,
    HeartbeatRequest,
    LeasedAttempt,
    ReportRequest,
)
from eas.contracts.states import AttemptState, FailureReason, TaskState

from .conftest import Bench, MovableClock, OpenBench, version

NULL = {"task": "null"}


async def test_a_chain_moves_with_one_request_a_task(bench: Bench) -> None:
    chain = [{"task": "null", "name": "0"}]
    chain += [{"task": "null", "name": str(n), "requires_metadata_from": [str(n - 1)]} for n in range(1, 5)]  # type: ignore[dict-item]
    job_id = await bench.submit(*chain)
    claim = ClaimRequest(worker_id="w1", per_type={"null": 5}, total=5)
    (attempt,) = await bench.claim()
    for _ in range(4):
        report = AttemptReport(attempt_id=attempt.attempt_id, lease_token=attempt.lease_token, state="accepted")
        answer = await bench.client.report(ReportRequest(worker_id="w1", reports=[report], claim=claim))
        assert answer.claimed is not None
        (attempt,) = answer.claimed.attempts
    await bench.report(attempt)
    assert await bench.counts(job_id) == {"done": 6}
    assert (await bench.client.get_job(job_id)).finished_at is not None


async def test_every_step_leaves_times_and_the_task_its_history(bench: Bench) -> None:
    await bench.submit(NULL)
    attempt = await bench.run_one(
        wall_time=1.5,
        cpu_time=1.25,
        cpu_time_with_children=1.3,
        started_at="2026-01-01T00:00:00Z",
        metadata={"index": 3, "flag": True, "name": "25"},
    )
    found = await bench.client.get_attempt(attempt.attempt_id)
    assert found.state is AttemptState.ACCEPTED
    assert (found.wall_time, found.cpu_time, found.cpu_time_with_children) == (1.5, 1.25, 1.3)
    assert found.metadata == {"index": 3, "flag": True, "name": "25"}
    assert isinstance(found.metadata["index"], int)
    assert found.claimed_at is not None
    assert found.queued_at <= found.claimed_at


async def test_no_attempt_is_claimed_twice_under_contention(bench: Bench) -> None:
    await bench.submit({"task": "execution_for_loop", "parameter": "i", "values": "(range(300))", "task_list": [NULL]})
    workers = [f"w{number}" for number in range(16)]
    await asyncio.gather(*(bench.announce(worker) for worker in workers))

    async def drain(worker: str) -> list[int]:
        mine: list[int] = []
        while found := await bench.claim(7, worker_id=worker):
            mine += [attempt.attempt_id for attempt in found]
        return mine

    taken = Counter(attempt for mine in await asyncio.gather(*map(drain, workers)) for attempt in mine)
    assert len(taken) == 300
    assert set(taken.values()) == {1}


async def test_a_claim_keeps_to_its_limits(bench: Bench) -> None:
    await bench.submit(*[NULL] * 5, *[{"task": "make", "outputs": {"lightcurve": f"{n}.gz"}} for n in range(5)])
    request = ClaimRequest(worker_id="w1", per_type={"null": 2, "make": 1}, total=10)
    kinds = [attempt.task_type for attempt in (await bench.client.claim(request)).attempts]
    assert sorted(kinds) == ["make", "null", "null"]
    request = ClaimRequest(worker_id="w1", per_type={"make": 9}, total=2)
    assert [attempt.task_type for attempt in (await bench.client.claim(request)).attempts] == ["make", "make"]


async def test_a_long_poll_is_answered_when_work_comes(bench: Bench) -> None:
    poll = asyncio.create_task(bench.claim(1, wait=30))
    await bench.settle()
    assert not poll.done()
    await bench.submit(NULL)
    (attempt,) = await asyncio.wait_for(poll, 60)
    assert attempt.task_type == "null"
    found = await bench.client.get_attempt(attempt.attempt_id)
    assert found.claimed_at == found.queued_at, "handed over in the transaction that made it"
    assert (await bench.report(attempt)).results[0].recorded


async def test_a_rolled_back_transaction_hands_nothing_out(bench: Bench) -> None:
    poll = asyncio.create_task(bench.claim(1, wait=30))
    await bench.settle()
    make = {"task": "make", "outputs": {"lightcurve": "a.gz"}}
    assert (await bench.refuse(make, {"task": "find", "inputs": {"lightcurve": "b.gz"}}))["status"] == 422
    assert not poll.done()
    await bench.submit(make)
    (attempt,) = await asyncio.wait_for(poll, 60)
    assert attempt.task_type == "make"


async def test_the_long_poll_of_a_dismissed_worker_ends_at_once(bench: Bench) -> None:
    poll = asyncio.create_task(bench.claim(1, wait=30))
    await bench.settle()
    assert not poll.done()
    await bench.client.dismiss("w1")
    with pytest.raises(NotFoundError):
        await asyncio.wait_for(poll, 60)


async def test_a_stranger_has_to_announce_itself(bench: Bench) -> None:
    with pytest.raises(NotFoundError, match="has not announced itself"):
        await bench.claim(worker_id="stranger")


async def test_a_report_is_taken_once_and_repeated_safely(bench: Bench) -> None:
    await bench.submit(NULL, {"task": "null", "name": "other"})
    (attempt,) = await bench.claim(1)
    for _ in range(3):
        assert (await bench.report(attempt)).results[0].recorded
    other_end = (await bench.report(attempt, "failed")).results[0]
    assert (other_end.recorded, other_end.slug) == (False, "attempt_closed")
    assert (await bench.client.get_attempt(attempt.attempt_id)).state is AttemptState.ACCEPTED


async def test_a_report_of_what_is_not_held_changes_nothing(bench: Bench) -> None:
    await bench.announce("w2")
    await bench.submit(NULL)
    (attempt,) = await bench.claim(1)
    stolen = await bench.report(attempt, worker_id="w2")
    forged = await bench.report(attempt.model_copy(update={"lease_token": "guess"}))
    unknown = await bench.report(attempt.model_copy(update={"attempt_id": 999}))
    assert {answer.results[0].slug for answer in (stolen, forged, unknown)} == {"attempt_closed"}
    assert (await bench.client.get_attempt(attempt.attempt_id)).state is AttemptState.RUNNING


async def test_a_lapsed_lease_makes_a_new_attempt_and_closes_the_old(open_bench: OpenBench) -> None:
    clock = MovableClock()
    async with open_bench(clock, lease_seconds=30, reap_seconds=0.05) as bench:
        await bench.announce()
        job_id = await bench.submit(NULL)
        (first,) = await bench.claim(1)
        clock.move(31)
        (second,) = await bench.claim(1, wait=30)
        assert (second.task_id, second.number) == (first.task_id, 2)
        late = await bench.report(first)
        assert late.results[0].slug == "attempt_closed"
        old = await bench.client.get_attempt(first.attempt_id)
        assert (old.state, old.reason) == (AttemptState.LOST, FailureReason.LOST)
        await bench.report(second)
        assert await bench.counts(job_id) == {"done": 2}


async def test_a_heartbeat_keeps_a_lease_and_shows_the_phase(open_bench: OpenBench) -> None:
    clock = MovableClock()
    async with open_bench(clock, lease_seconds=30, reap_seconds=0.05) as bench:
        await bench.announce()
        await bench.submit(NULL, NULL)
        kept, dropped = await bench.claim(2)
        held = [LeasedAttempt(attempt_id=kept.attempt_id, lease_token=kept.lease_token, phase="checking")]
        clock.move(20)
        answer = await bench.client.beat(HeartbeatRequest(worker_id="w1", attempts=held))
        assert answer.renewed == [kept.attempt_id]
        clock.move(20)
        (again,) = await bench.claim(1, wait=60)
        assert again.task_id == dropped.task_id
        assert (await bench.client.get_attempt(dropped.attempt_id)).state is AttemptState.LOST
        assert (await bench.client.get_attempt(kept.attempt_id)).state is AttemptState.CHECKING
        assert (await bench.report(kept)).results[0].recorded
        closed = [LeasedAttempt(attempt_id=dropped.attempt_id, lease_token=dropped.lease_token)]
        answer = await bench.client.beat(HeartbeatRequest(worker_id="w1", attempts=closed))
        assert (answer.renewed, answer.closed) == ([], [dropped.attempt_id])


async def test_a_lease_that_lapsed_during_an_outage_is_renewed(open_bench: OpenBench) -> None:
    clock = MovableClock()
    async with open_bench(clock, lease_seconds=30) as bench:
        await bench.announce()
        await bench.submit(NULL)
        (attempt,) = await bench.claim(1)
    clock.move(31)
    async with open_bench(clock, lease_seconds=30) as bench:
        held = [LeasedAttempt(attempt_id=attempt.attempt_id, lease_token=attempt.lease_token)]
        assert (await bench.client.beat(HeartbeatRequest(worker_id="w1", attempts=held))).renewed
        assert (await bench.report(attempt)).results[0].recorded


async def test_a_dismissed_worker_loses_its_attempts_at_once(bench: Bench) -> None:
    await bench.announce("w2")
    await bench.submit(NULL)
    (first,) = await bench.claim(1)
    await bench.client.dismiss("w1")
    (second,) = await bench.claim(1, worker_id="w2")
    assert second.task_id == first.task_id
    with pytest.raises(NotFoundError):
        await bench.claim()
    await bench.announce()
    assert await bench.claim() == []


async def test_what_never_reached_a_worker_that_left_in_good_order_is_no_loss(bench: Bench) -> None:
    job_id = await bench.submit(NULL)
    for _ in range(5):
        await bench.announce()
        assert len(await bench.claim(1)) == 1
        await bench.client.dismiss("w1", in_good_order=True)
    tasks = (await bench.client.get_tree(job_id)).items
    attempts = (await bench.client.get_task(tasks[-1].task_id)).attempts
    assert {found.reason for found in attempts[:-1]} == {FailureReason.EVICTED}
    assert attempts[-1].state.value == "queued"


async def test_a_worker_that_is_to_stop_hears_of_it_with_every_beat_and_others_do_not(bench: Bench) -> None:
    await bench.announce("w2")
    await bench.client.drain("w1")
    for _ in range(2):
        assert (await bench.client.beat(HeartbeatRequest(worker_id="w1"))).drain
    assert not (await bench.client.beat(HeartbeatRequest(worker_id="w2"))).drain
    await bench.client.dismiss("w1")
    await bench.announce("w1")
    assert not (await bench.client.beat(HeartbeatRequest(worker_id="w1"))).drain


async def test_what_a_worker_says_of_itself_is_listed_until_it_says_otherwise(bench: Bench) -> None:
    words = "its disk is full: /scratch has 12 MB left, 88 MB are missing"
    await bench.client.beat(HeartbeatRequest(worker_id="w1", paused=words, clock_offset=-37.25))
    (worker,) = await bench.client.list_workers()
    assert (worker.paused, worker.clock_offset) == (words, -37.25)
    await bench.announce("w1")
    (worker,) = await bench.client.list_workers()
    assert worker.paused is None
    await bench.client.beat(HeartbeatRequest(worker_id="w1", clock_offset=0.5))
    (worker,) = await bench.client.list_workers()
    assert (worker.paused, worker.clock_offset) == (None, 0.5)


async def test_a_worker_is_told_the_schedulers_time(bench: Bench) -> None:
    before = datetime.now(UTC)
    answer = await bench.client.beat(HeartbeatRequest(worker_id="w1"))
    welcome = await bench.announce("w1")
    assert answer.time is not None
    assert welcome.time is not None
    assert before <= answer.time <= welcome.time <= datetime.now(UTC)


async def test_only_a_worker_that_is_there_can_be_told_to_stop(bench: Bench) -> None:
    await bench.client.dismiss("w1")
    for name in ("w1", "nobody"):
        with pytest.raises(NotFoundError, match=name):
            await bench.client.drain(name)


async def test_a_task_that_takes_workers_with_it_is_quarantined(bench: Bench) -> None:
    job_id = await bench.submit(
        {"task": "null", "name": "killer"}, {"task": "null", "requires_metadata_from": ["killer"]}
    )
    for _ in range(3):
        await bench.run_one("lost", message="killed by signal 9")
    assert await bench.claim() == []
    assert await bench.counts(job_id) == {"done": 1, "failed": 1, "blocked": 1}
    line = (await bench.client.get_tree(job_id)).items[1]
    assert line.reason is FailureReason.LOST
    assert line.message == "killed by signal 9; quarantined: 3 workers were lost while running it"


async def test_work_that_is_handed_back_is_not_held_against_the_task(bench: Bench) -> None:
    job_id = await bench.submit(NULL)
    for _ in range(10):
        await bench.run_one("lost", reason="evicted")
    await bench.run_one()
    assert await bench.counts(job_id) == {"done": 2}


@pytest.mark.parametrize("reason", ["science", "input"])
async def test_a_failure_blocks_all_that_depends_on_it(bench: Bench, reason: str) -> None:
    job_id = await bench.submit(
        {"task": "make", "name": "a", "outputs": {"lightcurve": "a.gz"}},
        {"task": "find", "name": "b", "inputs": {"lightcurve": "a.gz"}},
        {"task": "null", "name": "c", "requires_metadata_from": ["b"]},
        {"task": "null", "name": "free"},
    )
    (maker, free) = await bench.claim()
    await bench.report(maker, "failed", reason=reason, message="Traceback …")
    await bench.report(free)
    job = await bench.client.get_job(job_id)
    assert job.state.value == "failed"
    tree = {line.name: line for line in (await bench.client.get_tree(job_id)).items}
    assert [tree[name].state for name in ("a", "b", "c", "free")] == [
        TaskState.FAILED,
        TaskState.BLOCKED,
        TaskState.BLOCKED,
        TaskState.DONE,
    ]
    assert tree["a"].message == "Traceback …"
    assert (await bench.client.get_task(tree["c"].task_id)).blocked_by == tree["a"].task_id
    later = await bench.submit({"task": "find", "inputs": {"lightcurve": "a.gz"}})
    assert await bench.counts(later) == {"done": 1, "blocked": 1}


async def test_acceptance_needs_every_promised_output(bench: Bench) -> None:
    job_id = await bench.submit(
        {"task": "make", "outputs": {"lightcurve": "a.gz"}}, {"task": "find", "inputs": {"lightcurve": "a.gz"}}
    )
    attempt = await bench.run_one(outputs=[])
    found = await bench.client.get_attempt(attempt.attempt_id)
    assert (found.state, found.reason) == (AttemptState.REJECTED, FailureReason.QUALITY)
    assert found.message == "output 'lightcurve' was not made"
    assert await bench.counts(job_id) == {"done": 1, "failed": 1, "blocked": 1}


async def test_an_output_that_failed_quality_control_is_not_accepted(bench: Bench) -> None:
    await bench.submit({"task": "make", "outputs": {"lightcurve": "a.gz"}})
    (attempt,) = await bench.claim(1)
    await bench.report(attempt, outputs=[version(attempt, passed_qc=False, qc_reason="all NaN")])
    found = await bench.client.get_attempt(attempt.attempt_id)
    assert (found.state, found.message) == (AttemptState.REJECTED, "output 'lightcurve': all NaN")


async def test_a_consumer_gets_the_exact_version_and_it_is_recorded(bench: Bench) -> None:
    await bench.submit(
        {"task": "make", "outputs": {"lightcurve": "a.gz"}},
        {"task": "find", "lc_duration": "(20 + 7)", "inputs": {"lightcurve": "a.gz"}},
        working_directory="field",
    )
    (maker,) = await bench.claim()
    assert (maker.outputs, maker.working_directory) == ({"lightcurve": "a.gz"}, "field")
    await bench.report(maker, "lost", reason="evicted")
    (again,) = await bench.claim()
    await bench.report(again, outputs=[version(again, metadata={"mes": 7.5})])
    (finder,) = await bench.claim()
    assert finder.inputs["lightcurve"].version_id == 1000 + again.attempt_id
    assert finder.inputs["lightcurve"].metadata == {"mes": 7.5}
    recorded = await bench.client.get_attempt(finder.attempt_id)
    assert recorded.inputs == finder.inputs
    assert recorded.settings == {"lc_duration": 27}


async def test_settings_may_follow_from_results(bench: Bench) -> None:
    await bench.submit(
        {"task": "null", "name": "first"},
        {"task": "null", "duration": "(requested_metadata['first']['x'] * 2)", "requires_metadata_from": ["first"]},
    )
    await bench.run_one(metadata={"x": 4})
    (second,) = await bench.claim()
    assert second.settings == {"duration": 8}


async def test_settings_that_turn_out_wrong_fail_the_attempt_with_the_place(bench: Bench) -> None:
    job_id = await bench.submit(
        {"task": "null", "name": "first"},
        {"task": "null", "duration": "(requested_metadata['first']['x'])", "requires_metadata_from": ["first"]},
    )
    await bench.run_one(metadata={"x": "long"})
    assert await bench.claim() == []
    failed = (await bench.client.get_tree(job_id)).items[2]
    assert (failed.state, failed.reason) == (TaskState.FAILED, FailureReason.INPUT)
    assert failed.message == '$.task_list[1].duration: null: "long" is not of type "number"'


async def test_products_that_only_the_task_knew_of_can_be_read_by_others(bench: Bench) -> None:
    await bench.submit({"task": "ingest"})
    (attempt,) = await bench.claim()
    extra = version(attempt, "lightcurve_00000", filename="found.npz", version_id=77)
    assert (await bench.report(attempt, outputs=[extra])).results[0].recorded
    job_id = await bench.submit({"task": "find", "inputs": {"lightcurve": "found.npz"}})
    assert await bench.counts(job_id) == {"queued": 1, "done": 1}
    await bench.submit({"task": "ingest"})
    find, again = await bench.claim()
    assert find.inputs["lightcurve"].version_id == 77
    clash = version(again, "report", filename="found.npz", version_id=78)  # as another kind of product
    await bench.report(again, outputs=[clash])
    found = await bench.client.get_attempt(again.attempt_id)
    assert (found.state, found.reason) == (AttemptState.FAILED, FailureReason.INPUT)


async def test_a_wait_for_a_job_ends_with_the_job(bench: Bench) -> None:
    job_id = await bench.submit(NULL)
    waiting = asyncio.create_task(bench.client.get_job(job_id, wait=30))
    await bench.client.list_jobs()
    assert not waiting.done()
    await bench.run_one()
    assert (await asyncio.wait_for(waiting, 60)).state.value == "done"
    assert (await bench.client.get_job(job_id, wait=30)).state.value == "done"


async def test_unknown_things_are_not_found(bench: Bench) -> None:
    for path in ("/jobs/99", "/jobs/99/tree", "/jobs/99/results", "/jobs/99/document", "/tasks/99", "/attempts/99"):
        response = await bench.http.get(path)
        assert (response.status_code, response.json()["slug"]) == (404, "not_found")
