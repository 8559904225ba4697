"""Values that cannot be stored, at each door of the scheduler: an error in words, and everything else goes on.

On real databases, since it is there that a value fails which Python and JSON bear.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from eas.contracts.scheduler import ClaimedAttempt
from eas.contracts.states import FailureReason, TaskState
from eas.contracts.texts import MAX_MESSAGE, MAX_REASON
from eas.contracts.values import MAX_LEVELS, MAX_RESULT_BYTES
from tests.support.databases import Inspector

from .conftest import Bench, find_wrong_counts, version

pytestmark = pytest.mark.sqlite_only

GAIA = 4658478254654321234
UNSOUND = ["(2**63)", "(2**64)", "(-2**63 - 1)", "(float('nan'))", r"'\ud800'", "({1: 2})", "(constants)"]


def nest(levels: int, inner: str = "1") -> str:
    return "[" * levels + inner + "]" * levels


def null(name: str, **keys: Any) -> dict[str, Any]:
    return {"task": "null", "name": name, **keys}


async def post(bench: Bench, path: str, text: str | bytes) -> tuple[int, dict[str, Any]]:
    content = text if isinstance(text, bytes) else text.encode()
    answer = await bench.http.post(path, content=content, headers={"Content-Type": "application/json"})
    return answer.status_code, answer.json()


async def report(bench: Bench, attempt: ClaimedAttempt, **fields: str) -> tuple[int, dict[str, Any]]:
    """Report an attempt accepted; fields are JSON texts."""
    parts = {"attempt_id": attempt.attempt_id, "lease_token": attempt.lease_token, "state": "accepted"}
    said = [f'"{key}": {json.dumps(value)}' for key, value in parts.items() if key not in fields]
    said += [f'"{key}": {value}' for key, value in fields.items()]
    text = f'{{"worker_id": "w1", "reports": [{{{", ".join(said)}}}]}}'
    return await post(bench, "/attempts/report", text)


# --- claims


async def test_settings_that_cannot_be_stored_fail_their_task_alone(bench: Bench) -> None:
    # Given tasks whose settings depend on a result, one of them beyond 64 bits, and another job behind them
    duration = "(requested_metadata['first'].get('source_id') * 10)"
    poisoned = await bench.submit(
        null("first"), null("second", requires_metadata_from=["first"], duration=duration), null("third")
    )
    other = await bench.submit(null("other"))
    attempts = await bench.claim(1)
    await bench.report(attempts[0], metadata={"source_id": GAIA})
    # When a worker claims all that there is
    claimed = await bench.claim(10)
    # Then it gets all the others
    assert {attempt.task_name for attempt in claimed} == {"third", "other"}
    for attempt in claimed:
        await bench.report(attempt)
    assert await bench.counts(other) == {"done": 2}
    assert await bench.counts(poisoned) == {"done": 3, "failed": 1}
    # And the user reads which setting it was
    (line,) = [line for line in (await bench.client.get_tree(poisoned)).items if line.state is TaskState.FAILED]
    assert (line.name, line.reason, line.attempts) == ("second", FailureReason.INPUT, 1)
    assert "$.task_list[1].duration" in str(line.message)
    assert "64 bits" in str(line.message)


# --- documents


@pytest.mark.parametrize("waits", [False, True])
async def test_a_plan_says_what_a_submission_says(bench: Bench, waits: bool) -> None:
    for value in UNSOUND:
        task = null("second", duration={"a": value})
        if waits:
            task["requires_metadata_from"] = ["first"]
        text = json.dumps({"task_list": [null("first"), task]})
        planned, submitted = await post(bench, "/jobs/plan", text), await post(bench, "/jobs", text)
        assert planned[0] == submitted[0] == 422, value
        assert planned[1]["problems"] == submitted[1]["problems"]
        assert planned[1]["problems"][0]["where"] == "$.task_list[1].duration.a"


@pytest.mark.every_database
@pytest.mark.parametrize("levels", [100, 300, 100_000])
async def test_deep_documents_are_errors_of_the_caller(bench: Bench, levels: int) -> None:
    headers = {"Idempotency-Key": "k"}
    setting = f'{{"task_list": [{{"task": "null", "duration": {nest(levels)}}}]}}'
    chains = levels // 2
    chain = '{"task": "execution_chain", "task_list": [' * chains + '{"task": "null"}' + "]}" * chains
    await bench.http.post("/jobs", json={"task_list": [null("a")]}, headers=headers)
    for text in (setting, f'{{"task_list": [{chain}]}}'):
        for path in ("/jobs", "/jobs/plan"):
            answer = await bench.http.post(path, content=text.encode(), headers=headers if path == "/jobs" else {})
            conflict = levels == 100 and path == "/jobs"  # the key is looked up before the job is planned
            assert answer.status_code == 409 if conflict else answer.status_code in (400, 422), answer.text
            assert conflict or "deep" in answer.text
    assert len((await bench.client.list_jobs()).items) == 1


@pytest.mark.every_database
async def test_the_deepest_job_can_be_submitted_and_shown(bench: Bench) -> None:
    tasks = [null("a")]
    for _ in range(48):
        tasks = [{"task": "execution_chain", "_note": json.loads(nest(MAX_LEVELS - 1)), "task_list": tasks}]
    job_id = await bench.submit(*tasks)
    shown = await bench.http.get(f"/jobs/{job_id}/document")
    assert shown.json()["task_list"] == tasks
    tree = (await bench.http.get(f"/jobs/{job_id}/tree?max_depth=60")).json()["items"]
    assert len(tree) == 50
    for line in tree:
        assert (await bench.client.get_task(line["task_id"])).task_id == line["task_id"]


async def test_much_metadata_reach_the_product_store_in_several_messages(bench: Bench, inspector: Inspector) -> None:
    inner = {
        "task": "execution_for_loop",
        "parameter": "i",
        "values": "(range(100))",
        "task_list": [{"task": "make", "outputs": {"lightcurve": "'{i}.f'.format(**metadata)"}}],
    }
    outer = {"task": "execution_for_loop", "parameter": "long", "values": ["v" * 30_000], "task_list": [inner]}
    await bench.submit(outer)
    payloads = [payload for (payload,) in inspector.fetch("SELECT payload FROM outbox WHERE kind = 'plan'")]
    assert [len(payload) < 1.1 * 2**20 for payload in payloads] == [True] * 3
    assert sum(len(json.loads(payload)["products"]) for payload in payloads) == 100


# --- reports


@pytest.mark.every_database
@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (f'{{"flags": {2**70}}}', "metadata flags: 1180591620717411303424: whole numbers have at most 64 bits"),
        (f'{{"flags": {-(2**63) - 1}}}', "at most 64 bits"),
        (f'{{"a": {{"b": [1, {2**63}]}}}}', "metadata a.b[1]"),
        ('{"x": NaN}', "x: nan is not finite"),
        ('{"x": 1e400}', "x: inf is not finite"),
        (f'{{"tree": {nest(MAX_LEVELS)}}}', f"at most {MAX_LEVELS} levels"),
        (f'{{"tree": {nest(180)}}}', f"at most {MAX_LEVELS} levels"),
        (json.dumps({str(number): number for number in range(10_001)}), "10001 keys"),
        (json.dumps({"k" * 300: 1}), "key of 300 characters"),
        (json.dumps({"long": "v" * MAX_RESULT_BYTES}), f"metadata long: {MAX_RESULT_BYTES + 11} bytes"),
    ],
    ids=["2^70", "-2^63-1", "2^63 inside", "nan", "inf", "65 levels", "180 levels", "many keys", "long key", "long"],
)
async def test_metadata_that_cannot_be_stored_end_their_attempt_in_words(
    bench: Bench, inspector: Inspector, metadata: str, words: str
) -> None:
    job_id = await bench.submit(null("a"), null("b"))
    bad, good = await bench.claim(2)
    status, answer = await report(bench, bad, metadata=metadata)
    assert (status, answer["results"][0]["recorded"]) == (200, True)
    await bench.report(good, metadata={"flags": 2**63 - 1, "low": -(2**63), "zero": -0.0, "text": "NUL \0"})
    # It is not tried again
    assert await bench.claim(2) == []
    assert await bench.counts(job_id) == {"done": 2, "failed": 1}
    found = await bench.client.get_attempt(bad.attempt_id)
    assert (found.state, found.reason, found.metadata) == ("rejected", FailureReason.QUALITY, {})
    assert words in str(found.message)
    kept = (await bench.client.get_attempt(good.attempt_id)).metadata
    assert kept == {"flags": 2**63 - 1, "low": -(2**63), "zero": 0.0, "text": "NUL \0"}
    assert find_wrong_counts(inspector) == []
    assert (await bench.http.get(f"/jobs/{job_id}/results")).status_code == 200


async def test_metadata_of_an_output_that_cannot_be_stored_reject_its_version(
    bench: Bench, inspector: Inspector
) -> None:
    await bench.submit({"task": "make", "outputs": {"lightcurve": "f"}})
    (attempt,) = await bench.claim(1)
    output = version(attempt).model_dump_json().replace('"metadata":{}', f'"metadata":{{"n":{2**64}}}')
    status, _ = await report(bench, attempt, outputs=f"[{output}]", metadata='{"kept": 1}')
    assert status == 200
    found = await bench.client.get_attempt(attempt.attempt_id)
    assert (found.state, found.metadata) == ("rejected", {"kept": 1})
    assert "output 'lightcurve': metadata n: 18446744073709551616" in str(found.message)
    told = [json.loads(payload) for kind, payload in inspector.fetch("SELECT kind, payload FROM outbox")]
    assert [one["verdicts"][0]["passed"] for one in told if "verdicts" in one] == [False]


async def test_a_failed_attempt_with_such_metadata_stays_failed(bench: Bench) -> None:
    await bench.submit(null("a"))
    (attempt,) = await bench.claim(1)
    status, _ = await report(
        bench, attempt, state='"failed"', reason='"science"', message='"no star"', metadata=f'{{"n": {2**64}}}'
    )
    assert status == 200
    found = await bench.client.get_attempt(attempt.attempt_id)
    assert (found.state, found.reason) == ("failed", FailureReason.SCIENCE)
    assert str(found.message).startswith("no star; metadata n")


async def test_long_words_are_cut_and_reach_the_product_store(bench: Bench, inspector: Inspector) -> None:
    await bench.submit({"task": "make", "outputs": {"lightcurve": "f"}})
    (attempt,) = await bench.claim(1)
    output = version(attempt, passed_qc=False).model_dump(mode="json") | {"qc_reason": "r" * 10_000}
    status, _ = await report(
        bench, attempt, state='"rejected"', message=json.dumps("m" * 100_000 + " end"), outputs=json.dumps([output])
    )
    assert status == 200
    found = await bench.client.get_attempt(attempt.attempt_id)
    assert len(str(found.message)) <= MAX_MESSAGE + 100
    assert str(found.message).endswith(" end")
    told = [json.loads(payload) for (payload,) in inspector.fetch("SELECT payload FROM outbox WHERE kind = 'verdicts'")]
    assert len(told[0]["verdicts"][0]["reason"]) <= MAX_REASON


@pytest.mark.parametrize(
    "fields",
    [
        {"attempt_id": str(2**63)},
        {"attempt_id": "-1"},
        {"peak_memory": str(2**64)},
        {"wall_time": "NaN"},
        {"cpu_time": "1e400"},
        {"metadata": f'{{"a": {nest(1000)}}}'},
        {"metadata": f'{{"a": {nest(100_000)}}}'},
    ],
    ids=["id", "negative id", "memory", "nan", "inf", "1000 levels", "100,000 levels"],
)
async def test_a_report_that_is_none_is_an_error_of_the_caller(bench: Bench, fields: dict[str, str]) -> None:
    await bench.submit(null("a"))
    (attempt,) = await bench.claim(1)
    status, answer = await report(bench, attempt, **fields)
    assert status in (400, 422), answer
    # And changes nothing
    assert (await bench.report(attempt)).results[0].recorded


# --- other doors


async def test_changed_settings_are_checked(bench: Bench) -> None:
    await bench.submit(null("a"))
    attempt = await bench.run_one("failed")
    for value in (str(2**63), "NaN", nest(MAX_LEVELS), nest(900), nest(5000), '"\\ud800"'):
        for path in (f"/tasks/{attempt.task_id}/retry", f"/jobs/{attempt.job_id}/retry"):
            status, answer = await post(bench, path, f'{{"settings": {{"duration": {value}}}}}')
            assert status in (400, 422), (value, answer)
    assert (await bench.client.get_task(attempt.task_id)).changed_settings == {}


PATHS = [
    "/jobs/{}",
    "/jobs/{}/tree",
    "/jobs?before={}",
    "/tasks/{}",
    "/attempts/{}",
    "/versions/{}/provenance",
    "/tasks/{}/why",
    "/jobs/1/results?after={}",
    "/jobs/1/tree?root={}",
    "/jobs/1/tree?after={}",
    "/jobs/1/tree?after=0.{}",
    "/diagnostics/errors?job_id={}",
    "/diagnostics/errors?before={}",
    "/diagnostics/progress?job_id={}",
    "/diagnostics/outcomes?after={}",
    "/diagnostics/timings?after={}",
    "/diagnostics/timings?after=1.{}",
    "/diagnostics/timeline?job_id={}",
    "/jobs/{}/events",
    "/events?after={}",
]


@pytest.mark.every_database
async def test_numbers_beyond_64_bits_are_errors_of_the_caller(bench: Bench) -> None:
    await bench.submit(null("a"))
    for number in (2**63, 2**64, -(2**70)):
        for path in PATHS:
            answer = await bench.http.get(path.format(number))
            assert 400 <= answer.status_code < 500, (path, answer.text)
        for path in ("/jobs/{}/cancel", "/tasks/{}/cancel"):
            answer = await bench.http.post(path.format(number))
            assert 400 <= answer.status_code < 500, (path, answer.text)


def describe_type(**change: Any) -> dict[str, Any]:
    return {"name": "t", "version": "1", "settings_schema": {"type": "object"}} | change


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"worker_id": "a\nb"}, "worker_id"),
        ({"process_id": 2**63}, "process_id"),
        ({"host": "h" * 300}, "host"),
        ({"task_types": [describe_type(name="a\nb")]}, "task_types"),
        ({"task_types": [describe_type(name="n" * 65)]}, "task_types"),
        ({"task_types": [describe_type(version="")]}, "task_types"),
        ({"task_types": [describe_type(settings_schema={"default": 2**70})]}, "task_types"),
        ({"task_types": [describe_type(settings_schema={"default": json.loads(nest(MAX_LEVELS))})]}, "task_types"),
        ({"task_types": [describe_type(outputs=[{"name": "o", "mime_type": "text plain"}])]}, "task_types"),
        ({"task_types": [describe_type(inputs=[{"name": "i\0"}])]}, "task_types"),
    ],
    ids=lambda value: str(value)[:40].encode("ascii", "backslashreplace").decode().replace("\n", " "),
)
async def test_announcements_are_checked(bench: Bench, change: dict[str, Any], where: str) -> None:
    body = {"worker_id": "w2", "host": "h", "process_id": 1, "slots": 1, "task_types": []}
    status, answer = await post(bench, "/workers", json.dumps(body | change))
    assert (status, answer["where"]) == (422, f"body.{where}")


async def test_rules_are_checked(bench: Bench) -> None:
    answer = await bench.http.put("/task-types/null/rules", json={"max_running": 2**64})
    assert (answer.status_code, answer.json()["where"]) == (422, "body.max_running")
