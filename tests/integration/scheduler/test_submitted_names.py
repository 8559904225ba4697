"""Names of files and folders in job documents: what the product store would refuse is refused before anything runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Bench

pytestmark = pytest.mark.sqlite_only

REFUSED = [
    "../x",
    "/etc/passwd",
    ".",
    "..",
    "a//b",
    "a\0b",
    "a\nb",
    "x" * 4000,
    "cafe\u0301",
    "' a'",
    "('a' + ' ')",
    "a /b",
    "a\\b",
    "a\u202eb",
    "\u200fa",
    "a\ufffdb",
]
ACCEPTED = ["CON", "nul.txt", "a.", "...", "-rf", "~", "$HOME", "%2e%2e", "café", "A", "a", "名前.fits"]


async def post(bench: Bench, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    response = await bench.http.post("/jobs", content=json.dumps(document).encode())
    return response.status_code, response.json()


def job(name: str, **more: str) -> dict[str, Any]:
    return {"task_list": [{"task": "make", "outputs": {"lightcurve": name}}], **more}


async def test_an_unsafe_name_is_refused_with_its_place(bench: Bench) -> None:
    for name in REFUSED:
        status, error = await post(bench, job(name))
        assert status == 422, (name, error)
        problems = [(problem["slug"], problem["where"]) for problem in error["problems"]]
        assert problems == [("unsafe_path", "$.task_list[0].outputs.lightcurve")], name
        status, error = await post(bench, job("f", working_directory=name))
        assert status == 422, (name, error)
        assert {problem["slug"] for problem in error["problems"]} == {"unsafe_path"}, name
    assert (await bench.client.list_jobs()).items == []


@pytest.mark.parametrize("where", ["filename", "directory", "slot", "task"])
async def test_a_lone_surrogate_is_an_error_of_the_caller(bench: Bench, where: str) -> None:
    document = job("f")
    task = document["task_list"][0]
    match where:
        case "filename":
            task["outputs"]["lightcurve"] = "\ud800"
        case "directory":
            document["working_directory"] = "\ud800"
        case "slot":
            task["outputs"]["\ud800"] = "f"
        case _:
            task["task"] = "\ud800"
    status, error = await post(bench, document)
    assert status in (400, 422), error
    assert error["slug"] in ("invalid_json", "invalid_job")
    assert (await bench.client.list_jobs()).items == []


async def test_odd_but_plain_names_are_promised_to_the_letter(bench: Bench) -> None:
    tasks = [{"task": "make", "outputs": {"lightcurve": name}} for name in ACCEPTED]
    status, answer = await post(bench, {"task_list": tasks})
    assert status == 201, answer
    claimed = []
    while found := await bench.claim():
        claimed += [filename for attempt in found for filename in attempt.outputs.values()]
    assert sorted(claimed) == sorted(ACCEPTED)


async def test_blanks_around_plain_text_belong_to_the_document_and_not_to_the_name(bench: Bench) -> None:
    status, answer = await post(bench, job("  a "))
    assert status == 201, answer
    assert [attempt.outputs for attempt in await bench.claim()] == [{"lightcurve": "a"}]
