"""Submission: all or nothing, with every problem named."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from eas.contracts.states import TaskState
from eas_scheduler.main import create_app
from eas_scheduler.settings import SchedulerSettings

from .conftest import Bench, version

pytestmark = pytest.mark.sqlite_only

MAKE = {"task": "make", "outputs": {"lightcurve": "a.gz"}}
FIND = {"task": "find", "inputs": {"lightcurve": "a.gz"}}


async def test_broken_json_is_refused_with_its_place(bench: Bench) -> None:
    response = await bench.http.post("/jobs", content=b'{"task_list": [\n{"task": "null",}]}')
    assert response.status_code == 400
    assert response.json()["slug"] == "invalid_json"
    assert response.json()["where"] == "line 2, column 16"
    assert response.headers["x-request-id"] == response.json()["request_id"]


@pytest.mark.parametrize(
    ("tasks", "slug", "where"),
    [
        ([FIND, MAKE], "consumer_before_producer", "$.task_list[0].inputs.lightcurve"),
        ([{"task": "no_such"}], "unknown_task_type", "$.task_list[0].task"),
        ([{"task": "null", "duration": "long"}], "invalid_setting", "$.task_list[0].duration"),
        ([MAKE, MAKE], "duplicate_output", "$.task_list[1].outputs.lightcurve"),
        (
            [{"task": "make", "outputs": {"lightcurve": "../../x"}}],
            "unsafe_path",
            "$.task_list[0].outputs.lightcurve",
        ),
        (
            [{"task": "null", "duration": "(__import__('os').getpid())"}],
            "invalid_expression",
            "$.task_list[0].duration",
        ),
        ([FIND], "unknown_input", "$.task_list[0].inputs.lightcurve"),
    ],
)
async def test_a_job_that_cannot_run_changes_nothing(bench: Bench, tasks: list[Any], slug: str, where: str) -> None:
    error = await bench.refuse(*tasks)
    assert error["status"] == 422
    assert [(problem["slug"], problem["where"]) for problem in error["problems"]] == [(slug, where)]
    assert (await bench.client.list_jobs()).items == []
    assert await bench.claim() == []
    await bench.submit(MAKE)


async def test_a_refused_job_uses_up_no_ids(bench: Bench) -> None:
    first = await bench.client.get_job(await bench.submit(MAKE))
    await bench.refuse(MAKE)
    second = await bench.client.get_job(await bench.submit({"task": "null"}))
    assert second.root_task_id == first.root_task_id + 2


async def test_products_that_exist_are_refused_with_the_list(bench: Bench) -> None:
    await bench.submit(MAKE, working_directory="here")
    error = await bench.refuse({"task": "null"}, MAKE, working_directory="here")
    assert (error["status"], error["slug"]) == (409, "product_exists")
    assert error["problems"][0]["where"] == "$.task_list[1].outputs.lightcurve"
    assert len((await bench.client.list_jobs()).items) == 1
    await bench.submit(MAKE, working_directory="elsewhere")


async def test_a_job_can_read_products_of_an_earlier_one(bench: Bench) -> None:
    await bench.submit(MAKE)
    second = await bench.submit(FIND)
    assert await bench.counts(second) == {"waiting": 1, "done": 1}
    (maker,) = await bench.claim()
    assert maker.task_type == "make"
    await bench.report(maker, outputs=[version(maker, md5="a" * 32)])
    (finder,) = await bench.claim()
    assert finder.inputs["lightcurve"].md5 == "a" * 32
    third = await bench.submit(FIND)
    assert await bench.counts(third) == {"queued": 1, "done": 1}


@pytest.mark.every_database
async def test_the_tree_lists_parents_before_children_page_by_page(bench: Bench) -> None:
    inner = {"task": "execution_for_loop", "parameter": "j", "values": [1, 2, 3], "task_list": [{"task": "null"}] * 2}
    outer = {"task": "execution_for_loop", "parameter": "i", "values": ["a", "b"], "task_list": [inner]}
    job_id = await bench.submit(outer, {"task": "null", "name": "last"})
    whole = (await bench.client.get_tree(job_id, limit=1000)).items
    assert len(whole) == 1 + 1 + 2 * (1 + 1 + 3 * (1 + 2)) + 1
    assert [line.level for line in whole[:6]] == [0, 1, 2, 3, 4, 5]
    assert whole[-1].name == "last"
    for limit in (1, 2, 3, 7):
        lines, after = [], None
        while True:
            page = await bench.client.get_tree(job_id, limit=limit, after=after)
            assert len(page.items) <= limit
            lines += page.items
            after = page.next_after
            if after is None:
                break
        assert lines == whole
    shallow = (await bench.client.get_tree(job_id, max_depth=1)).items
    assert [line.task_type for line in shallow] == ["execution_chain", "execution_for_loop", "null"]


async def test_a_loop_over_a_result_is_expanded_when_the_result_is_there(bench: Bench) -> None:
    loop = {
        "task": "execution_for_loop",
        "parameter": "p",
        "values": "(requested_metadata['first']['periods'])",
        "requires_metadata_from": ["first"],
        "task_list": [{"task": "null", "duration": "(metadata['p'])"}],
    }
    job_id = await bench.submit({"task": "null", "name": "first"}, loop)
    await bench.run_one(metadata={"periods": [0.5, 2]})
    found = await bench.claim(wait=60) + await bench.claim()
    while len(found) < 2:
        found += await bench.claim(wait=60)
    assert sorted(attempt.settings["duration"] for attempt in found) == [0.5, 2]
    for attempt in found:
        await bench.report(attempt)
    job = await bench.client.get_job(job_id)
    assert (job.state.value, job.counts.total) == ("done", 1 + 1 + 1 + 2 + 2)


async def test_a_loop_that_cannot_be_expanded_fails_with_the_place(bench: Bench) -> None:
    loop = {
        "task": "execution_for_loop",
        "parameter": "p",
        "values": "(requested_metadata['first']['missing'])",
        "requires_metadata_from": ["first"],
        "task_list": [{"task": "null"}],
    }
    after = {"task": "null", "requires_metadata_from": ["loop"]}
    job_id = await bench.submit({"task": "null", "name": "first"}, loop | {"name": "loop"}, after)
    await bench.run_one(metadata={"periods": []})
    job = await bench.client.get_job(job_id, wait=60)
    assert job.state.value == "failed"
    tree = {line.name: line for line in (await bench.client.get_tree(job_id)).items}
    assert tree["loop"].state is TaskState.FAILED
    assert "$.task_list[1].values" in (tree["loop"].message or "")
    assert await bench.counts(job_id) == {"done": 2, "failed": 1, "blocked": 1}


async def test_tokens_and_scopes(tmp_path: Any) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text('{"r": {"name": "rita", "scopes": ["read"]}, "o": {"name": "olaf", "scopes": ["operate"]}}')
    tokens.chmod(0o600)
    url = f"sqlite:///{tmp_path}/s.db"
    app = create_app(SchedulerSettings(database_url=url, tokens_file=tokens, ids_patience_seconds=0))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http,
    ):
        assert (await http.get("/health/ready")).status_code == 200
        assert (await http.get("/jobs")).status_code == 401
        assert (await http.get("/jobs", headers={"Authorization": "Bearer wrong"})).json()["slug"] == "unauthenticated"
        rita = {"Authorization": "Bearer r"}
        assert (await http.get("/jobs", headers=rita)).status_code == 200
        refused = await http.post("/jobs", headers=rita, json={})
        assert (refused.status_code, refused.json()["slug"]) == (403, "forbidden")
        assert "submit" in refused.json()["message"]
        made = await http.post("/jobs", headers={"Authorization": "Bearer o"}, json={})
        assert made.json()["submitted_by"] == "olaf"


async def test_every_operation_is_documented_with_an_example(bench: Bench) -> None:
    document = (await bench.http.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("summary"), (method, path)
            for body in operation.get("requestBody", {}).get("content", {}).values():
                assert "example" in body or "examples" in body or "examples" in body["schema"], (method, path)
