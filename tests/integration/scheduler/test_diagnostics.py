"""Tables for operators, as JSON and CSV."""

from __future__ import annotations

import csv
from typing import Any

import pytest

from eas.contracts.diagnostics import JobFilter, ResultTable, join_tables
from eas.contracts.errors import InvalidInputError, NotFoundError

from .conftest import Bench, MovableClock, OpenBench

NULL = {"task": "null"}
EVERYTHING = JobFilter()


def loop(values: str, *tasks: dict[str, Any], name: str = "x") -> dict[str, Any]:
    return {"task": "execution_for_loop", "parameter": name, "values": values, "task_list": list(tasks or [NULL])}


def read_csv(text: str) -> list[list[str]]:
    return list(csv.reader(text.splitlines()))


def cells(table: ResultTable, *names: str) -> list[tuple[Any, ...]]:
    places = [table.columns.index(name) for name in names]
    return [tuple(row[place] for place in places) for row in table.rows]


async def test_progress_counts_each_task_once_in_its_state(bench: Bench) -> None:
    job_id = await bench.submit(
        {"task": "null", "name": "bad"},
        {"task": "null", "requires_metadata_from": ["bad"]},
        NULL,
        NULL,
        {"task": "make", "outputs": {"lightcurve": "a.gz"}},
        {"task": "find", "inputs": {"lightcurve": "a.gz"}},
    )
    await bench.run_one("failed", reason="science")
    await bench.run_one()
    await bench.claim(1)
    found = {row.task_type: row for row in (await bench.client.get_progress(JobFilter(job_id=job_id))).items}
    assert list(found) == ["execution_chain", "find", "make", "null"]
    assert found["null"].model_dump(exclude_defaults=True, exclude={"task_type"}) == {
        "failed": 1,
        "blocked": 1,
        "done": 1,
        "running": 1,
    }
    assert (found["make"].queued, found["find"].waiting, found["execution_chain"].done) == (1, 1, 1)
    counted = sum(value for row in found.values() for key, value in row.model_dump().items() if key != "task_type")
    assert counted == (await bench.client.get_job(job_id)).counts.total


async def test_a_task_whose_worker_missed_its_heartbeats_is_stalled_and_not_running(open_bench: OpenBench) -> None:
    clock = MovableClock()
    async with open_bench(clock, lease_seconds=30) as bench:
        await bench.announce()
        await bench.submit(NULL, NULL)
        await bench.claim(1)
        clock.move(31)
        (null,) = (await bench.client.get_progress(JobFilter(task_type="null"))).items
        assert (null.running, null.stalled, null.queued) == (0, 1, 1)


async def test_tables_are_about_the_job_name_and_type_that_were_asked_for(bench: Bench) -> None:
    first = await bench.submit(NULL, job_name="survey")
    second = await bench.submit(NULL, {"task": "ingest"}, job_name="survey")
    await bench.submit(NULL, NULL, NULL, job_name="other")
    found = await bench.client.get_progress(JobFilter(job_name="survey", task_type="null"))
    assert [(row.task_type, row.queued) for row in found.items] == [("null", 2)]
    for attempt in await bench.claim():
        await bench.report(attempt, "failed", reason="science", message="bad")
    errors = await bench.client.list_errors(JobFilter(job_name="survey", task_type="null"))
    assert [(one.job_id, one.job_name) for one in errors.items] == [(first, "survey"), (second, "survey")]
    timings = await bench.client.get_timings(JobFilter(job_name="survey"))
    assert [(table.job_id, table.task_type) for table in timings.tables] == [
        (first, "null"),
        (second, "ingest"),
        (second, "null"),
    ]


@pytest.mark.parametrize("path", ["progress", "outcomes", "timings", "errors", "timeline"])
async def test_a_table_about_a_job_that_is_not_there_is_refused(bench: Bench, path: str) -> None:
    response = await bench.http.get(f"/diagnostics/{path}", params={"job_id": 99})
    assert (response.status_code, response.json()["where"]) == (404, "query.job_id")


async def test_outcomes_tell_undefined_from_fail_and_sort_mixed_values(bench: Bench) -> None:
    job_id = await bench.submit(loop("([2, 'star', 1.5, None, 10])"))
    attempts = await bench.claim()
    for attempt, outcome in zip(attempts, ("PASS", "FAIL", "UNDEFINED", "odd", "PASS"), strict=True):
        await bench.report(attempt, metadata={"outcome": outcome})
    (table,) = (await bench.client.get_outcomes(JobFilter(job_id=job_id))).tables
    assert table.task_type == "null"
    assert table.columns[-3:] == ["outcome", "task_id", "attempt_id"]
    assert cells(table, "x", "outcome") == [
        (1.5, "UNDEFINED"),
        (2, "PASS"),
        (10, "PASS"),
        ("star", "FAIL"),
        (None, "UNDEFINED"),
    ]
    assert [type(row[0]) for row in cells(table, "x")] == [float, int, int, str, type(None)]


async def test_outcomes_have_one_row_a_task_and_no_long_texts(bench: Bench) -> None:
    await bench.submit(loop(f"(['short', '{'x' * 26}'])"))
    await bench.run_one("lost", reason="evicted")
    for attempt in await bench.claim():
        await bench.report(attempt, metadata={"outcome": "PASS"})
    (table,) = (await bench.client.get_outcomes(EVERYTHING)).tables
    assert sorted(cells(table, "x"), key=str) == [("short",), (None,)]
    assert len({row[-2] for row in table.rows}) == 2


async def test_a_loop_variable_named_like_a_column_hides_neither(bench: Bench) -> None:
    await bench.submit(loop("([7])", name="outcome"), loop("([1])", name="task_id"))
    for attempt in await bench.claim():
        await bench.report(attempt, metadata={"outcome": "PASS"})
    (table,) = (await bench.client.get_outcomes(EVERYTHING)).tables
    assert cells(table, "inherited.outcome", "outcome") == [(7, "PASS"), (None, "PASS")]
    assert [row[0] for row in cells(table, "inherited.task_id")] == [None, 1]


async def test_tasks_without_an_outcome_are_left_out(bench: Bench) -> None:
    await bench.submit(NULL)
    await bench.run_one(metadata={"period": 3.0})
    assert (await bench.client.get_outcomes(EVERYTHING)).tables == []


async def test_pages_of_outcomes_join_to_the_whole(bench: Bench) -> None:
    for _ in range(2):
        await bench.submit(loop("(range(5))"))
    for attempt in await bench.claim():
        await bench.report(attempt, metadata={"outcome": "PASS"})
    whole = await bench.client.get_outcomes(EVERYTHING)
    pages = [await bench.client.get_outcomes(EVERYTHING, limit=3)]
    while (after := pages[-1].next_after) is not None:
        pages.append(await bench.client.get_outcomes(EVERYTHING, after=after, limit=3))
    assert len(pages) > 3
    assert join_tables(pages).tables == whole.tables
    assert [len(table.rows) for table in whole.tables] == [5, 5]
    with pytest.raises(InvalidInputError, match="next_after"):
        await bench.client.get_outcomes(EVERYTHING, after="x")


async def test_timings_have_a_row_for_every_attempt_also_unfinished(bench: Bench) -> None:
    await bench.submit(loop("([1, 2])"))
    await bench.run_one("lost", reason="evicted")
    await bench.run_one(wall_time=1.5, cpu_time=1.25, cpu_time_with_children=1.3)
    (table,) = (await bench.client.get_timings(EVERYTHING)).tables
    assert cells(table, "x", "state", "wall_time", "cpu_time", "cpu_time_with_children") == [
        (1, "accepted", 1.5, 1.25, 1.3),
        (1, "lost", None, None, None),
        (2, "queued", None, None, None),
    ]
    waited = [row[0] for row in cells(table, "queue_time")]
    assert waited[2] is None
    assert all(isinstance(value, float) and value >= 0 for value in waited[:2])


async def test_errors_are_newest_last_and_go_back_by_pages(bench: Bench) -> None:
    await bench.submit(*[{"task": "null", "name": str(number)} for number in range(5)], job_name="night")
    attempts = await bench.claim()
    for attempt in attempts:
        await bench.report(attempt, "failed", reason="science", message=f"{attempt.task_name}" + "x" * 1000)
    page = await bench.client.list_errors(EVERYTHING, limit=2)
    assert [item.task_name for item in page.items] == ["3", "4"]
    newest = page.items[-1]
    assert (newest.job_name, newest.reason, newest.state, newest.worker_id) == ("night", "science", "failed", "w1")
    assert newest.message == "4" + "x" * 499
    older = await bench.client.list_errors(EVERYTHING, before=page.next_before, limit=3)
    assert ([item.task_name for item in older.items], older.next_before) == (["0", "1", "2"], None)


async def test_queues_tell_length_and_age_and_show_their_head(bench: Bench) -> None:
    await bench.submit(*[NULL] * 105, {"task": "ingest"})
    found = (await bench.client.list_queues()).items
    assert [(queue.task_type, queue.waiting) for queue in found] == [("ingest", 1), ("null", 105)]
    assert all(queue.oldest_age is not None and 0 <= queue.oldest_age < 60 for queue in found)
    head = await bench.client.get_queue("null")
    assert (head.waiting, len(head.attempt_ids)) == (105, 100)
    claimed = await bench.claim(3)
    assert {attempt.attempt_id for attempt in claimed if attempt.task_type == "null"} <= set(head.attempt_ids)
    assert (await bench.client.get_queue("find")).attempt_ids == []
    with pytest.raises(NotFoundError, match="no task type 'nonsense'"):
        await bench.client.get_queue("nonsense")


async def test_the_timeline_shows_who_did_what_when(bench: Bench) -> None:
    await bench.announce("w2")
    await bench.submit(*[NULL] * 3)
    (long,) = await bench.claim(1)
    (short,) = await bench.claim(1, worker_id="w2")
    (open_one,) = await bench.claim(1)
    times = {"started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T00:01:00Z"}
    await bench.report(long, **times)
    await bench.report(short, worker_id="w2", **times | {"ended_at": "2026-01-01T00:00:01Z"})
    found = (await bench.client.get_timeline(EVERYTHING)).items
    assert [(item.worker_id, item.attempt_id, item.ended_at is None) for item in found] == [
        ("w1", long.attempt_id, False),
        ("w1", open_one.attempt_id, True),
        ("w2", short.attempt_id, False),
    ]
    assert (found[0].duration, found[0].host) == (60.0, "here")
    slow = await bench.client.get_timeline(EVERYTHING, min_duration=59.5)
    assert [item.attempt_id for item in slow.items] == [long.attempt_id]
    assert len((await bench.client.get_timeline(EVERYTHING, limit=1)).items) == 1


async def test_hosts_sum_up_their_workers(bench: Bench) -> None:
    await bench.announce("w2")
    await bench.announce("w3")
    await bench.client.dismiss("w3")
    await bench.submit(NULL)
    await bench.claim(1)
    (host,) = (await bench.client.list_hosts()).items
    assert (host.host, host.workers, host.slots, host.running) == ("here", 2, 2, 1)


@pytest.mark.parametrize("how", ["format", "accept"])
async def test_tables_come_as_csv(bench: Bench, how: str) -> None:
    await bench.submit(loop("([1, 'a,b'])"), job_name="j")
    for attempt in await bench.claim():
        await bench.report(attempt, metadata={"outcome": "PASS"})
    params = {"format": "csv"} if how == "format" else {}
    headers = {"Accept": "text/csv"} if how == "accept" else {}
    response = await bench.http.get("/diagnostics/outcomes", params=params, headers=headers)
    assert response.headers["content-type"].startswith("text/csv")
    head, *rows = read_csv(response.text)
    assert (head[:3], head[-3:]) == (["job_id", "job_name", "task_type"], ["outcome", "task_id", "attempt_id"])
    assert sorted(row[head.index("x")] for row in rows) == ["1", "a,b"]
    page = await bench.http.get("/diagnostics/outcomes", params={**params, "limit": 1}, headers=headers)
    assert page.headers["x-next-page"].startswith("1.")


@pytest.mark.parametrize("path", ["diagnostics/progress", "diagnostics/timings", "diagnostics/errors", "queues"])
async def test_every_table_has_its_csv(bench: Bench, path: str) -> None:
    await bench.submit(NULL, NULL)
    await bench.run_one("failed", reason="science")
    for place in (path, "diagnostics/timeline", "diagnostics/hosts"):
        rows = read_csv((await bench.http.get(f"/{place}", params={"format": "csv"})).text)
        assert len(rows) > 1
        assert {len(row) for row in rows} == {len(rows[0])}


async def test_of_a_traceback_the_table_of_errors_shows_the_error(bench: Bench) -> None:
    frames = "".join(f'  File "long.py", line {number}, in deeper\n    deeper()\n' for number in range(60))
    message = f"Traceback (most recent call last):\n{frames}ValueError: no flux in sector 5"
    await bench.submit(NULL)
    await bench.run_one("failed", reason="science", message=message)
    page = await bench.client.list_errors(EVERYTHING, limit=2)
    assert [item.message for item in page.items] == ["ValueError: no flux in sector 5"]
