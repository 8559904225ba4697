"""The tree of what runs: with the tasks above it, page by page, and as a table."""

from __future__ import annotations

import csv

import pytest

from eas.contracts.errors import InvalidInputError, NotFoundError
from eas.contracts.scheduler import TaskLine

from .conftest import Bench

INNER = {"task": "execution_for_loop", "parameter": "b", "values": [1, 2], "task_list": [{"task": "null"}]}
GRID = {"task": "execution_for_loop", "parameter": "a", "values": [7, 8, 9], "task_list": [INNER]}


def places(lines: list[TaskLine]) -> list[tuple[int, object, object]]:
    return [(line.level, line.metadata.get("a"), line.metadata.get("b")) for line in lines]


@pytest.fixture
async def job_id(bench: Bench) -> int:
    """A job of which the first task is done and the second and sixth run."""
    job_id = await bench.submit(GRID, {"task": "null"})
    attempts = await bench.claim(6)
    for number, attempt in enumerate(attempts):
        if number not in (1, 5):
            await bench.report(attempt)
    return job_id


async def test_only_what_runs_and_all_above_it_is_shown(bench: Bench, job_id: int) -> None:
    page = await bench.client.get_tree(job_id, max_depth=100, running=True)
    assert places(page.items) == [
        (0, None, None),
        (1, None, None),
        (2, 7, None),
        (3, 7, None),
        (4, 7, 2),
        (5, 7, 2),
        (2, 9, None),
        (3, 9, None),
        (4, 9, 2),
        (5, 9, 2),
    ]
    whole = {line.task_id: line for line in (await bench.client.get_tree(job_id, max_depth=100, limit=1000)).items}
    assert all(line == whole[line.task_id] for line in page.items)
    assert [line.state.value for line in page.items if line.task_type == "null"] == ["running", "running"]


@pytest.mark.parametrize("size", [1, 2, 3, 9])
async def test_pages_put_together_are_the_whole(bench: Bench, job_id: int, size: int) -> None:
    whole = (await bench.client.get_tree(job_id, max_depth=100, running=True)).items
    found: list[TaskLine] = []
    after: str | None = None
    while True:
        page = await bench.client.get_tree(job_id, max_depth=100, running=True, after=after, limit=size)
        found += page.items
        after = page.next_after
        if after is None:
            break
    assert found == whole


async def test_depth_and_root_hold_for_what_runs(bench: Bench, job_id: int) -> None:
    whole = (await bench.client.get_tree(job_id, max_depth=100, running=True)).items
    assert (await bench.client.get_tree(job_id, max_depth=2, running=True)).items == [
        line for line in whole if line.level <= 2
    ]
    second = whole[6]
    below = await bench.client.get_tree(job_id, root=second.task_id, max_depth=1, running=True)
    assert below.items == whole[6:8]
    done = (await bench.client.get_tree(job_id, max_depth=100)).items[-1]
    assert (await bench.client.get_tree(job_id, root=done.task_id, running=True)).items == []


async def test_a_job_of_which_nothing_runs_has_no_such_tree(bench: Bench, job_id: int) -> None:
    other = await bench.submit({"task": "null"})
    page = await bench.client.get_tree(other, running=True)
    assert (page.items, page.next_after) == ([], None)
    with pytest.raises(NotFoundError):
        await bench.client.get_tree(99, running=True)
    with pytest.raises(NotFoundError):
        await bench.client.get_tree(other, root=1, running=True)
    with pytest.raises(InvalidInputError):
        await bench.client.get_tree(job_id, after="x", running=True)


async def test_a_tree_is_a_table_with_a_column_for_what_is_inherited(bench: Bench, job_id: int) -> None:
    response = await bench.http.get(
        f"/jobs/{job_id}/tree", params={"format": "csv", "running": "true", "max_depth": 100, "limit": 6}
    )
    head, *rows = csv.reader(response.text.splitlines())
    assert head[:4] == ["task_id", "parent_id", "level", "task_type"]
    assert head[-4:] == ["a", "a_index", "b", "b_index"]
    assert rows[-1][3] == "null"
    assert rows[-1][-4:] == ["7", "0", "2", "1"]
    rest = await bench.http.get(
        f"/jobs/{job_id}/tree",
        params={"running": "true", "max_depth": 100, "after": response.headers["X-Next-Page"]},
        headers={"Accept": "text/csv"},
    )
    assert len(rest.text.splitlines()) == 1 + 4
    assert "X-Next-Page" not in rest.headers
