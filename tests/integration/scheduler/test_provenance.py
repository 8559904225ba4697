"""Any version can be traced to what made it, from what, and to what was made from it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from eas.contracts.errors import NotFoundError, UnavailableError
from eas.contracts.provenance import Direction, ProvenanceGraph
from eas.contracts.scheduler import ClaimedAttempt, ClaimRequest, OutputVersion, WorkerAnnouncement
from eas_control.views.provenance import tabulate_provenance

from .conftest import Bench, OpenBench, describe
from .served_store import ServedStore, serve_store

pytestmark = pytest.mark.sqlite_only

TYPES = [
    describe("make", {"radius": {"type": "number"}}, required=[], inputs=[], outputs=["raw"]),
    describe("flat", {"window": {"type": "number"}}, required=[], inputs=["raw"], outputs=["flat"]),
    describe("find", {}, required=[], inputs=["flat"], outputs=["report"]),
]
CHAIN: list[dict[str, Any]] = [
    {"task": "make", "name": "make", "radius": 0.1, "outputs": {"raw": "raw"}},
    {"task": "flat", "name": "flat", "window": 2.5, "inputs": {"raw": "raw"}, "outputs": {"flat": "flat"}},
    {"task": "find", "name": "one", "inputs": {"flat": "flat"}, "outputs": {"report": "one"}},
    {"task": "find", "name": "two", "inputs": {"flat": "flat"}, "outputs": {"report": "two"}},
]


class Pipeline:
    """A scheduler, a real store, and a worker that stores what it makes."""

    def __init__(self, bench: Bench, store: ServedStore) -> None:
        self.bench = bench
        self.store = store

    async def announce(self, version: str = "1") -> None:
        types = [found.model_copy(update={"version": version}) for found in TYPES]
        await self.bench.client.announce(
            WorkerAnnouncement(worker_id="w1", host="h", process_id=1, slots=1, task_types=types)
        )

    async def claim(self, limit: int = 1) -> list[ClaimedAttempt]:
        limits = {found.name: 10 for found in TYPES}
        return (await self.bench.client.claim(ClaimRequest(worker_id="w1", per_type=limits, total=limit))).attempts

    async def finish(self, attempt: ClaimedAttempt, content: bytes) -> OutputVersion:
        (slot,) = attempt.outputs
        made = await self.store.upload(attempt, content, slot)
        assert (await self.bench.report(attempt, outputs=[made])).results[0].recorded
        return made

    async def run(self) -> dict[str, OutputVersion]:
        """Run all that can be run."""
        made: dict[str, OutputVersion] = {}
        while attempts := await self.claim():
            for attempt in attempts:
                output = await self.finish(attempt, f"made by {attempt.attempt_id}".encode())
                made[output.filename] = output
        return made

    async def trace(self, version: OutputVersion, direction: Direction, depth: int = 100) -> ProvenanceGraph:
        return await self.bench.client.trace_version(version.version_id, direction=direction, depth=depth)


@pytest.fixture
async def pipeline(open_bench: OpenBench, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with serve_store(tmp_path / "store") as store, open_bench(product_store_url=store.url) as bench:
        found = Pipeline(bench, store)
        await found.announce()
        yield found


def names(graph: ProvenanceGraph) -> list[str]:
    return sorted(view.filename for view in graph.versions)


async def test_a_version_is_traced_to_all_that_it_was_made_from(pipeline: Pipeline) -> None:
    await pipeline.bench.submit(*CHAIN)
    made = await pipeline.run()

    graph = await pipeline.trace(made["one"], Direction.UP)

    assert (names(graph), graph.complete, graph.missing) == (["flat", "one", "raw"], True, [])
    make, flat, find = graph.attempts
    assert [one.task_type for one in graph.attempts] == ["make", "flat", "find"]
    assert (make.settings, flat.settings) == ({"radius": 0.1}, {"window": 2.5})
    assert [use.version_id for use in flat.inputs] == [made["raw"].version_id]
    assert [use.version_id for use in find.outputs] == [made["one"].version_id]
    assert all(view.sha256 for view in graph.versions)


async def test_what_was_made_from_a_version_is_listed(pipeline: Pipeline) -> None:
    await pipeline.bench.submit(*CHAIN)
    made = await pipeline.run()

    graph = await pipeline.trace(made["raw"], Direction.DOWN)

    assert names(graph) == ["flat", "one", "raw", "two"]
    assert [one.task_type for one in graph.attempts] == ["flat", "find", "find"]
    both = await pipeline.trace(made["flat"], Direction.BOTH)
    assert (names(both), len(both.attempts)) == (["flat", "one", "raw", "two"], 4)


async def test_a_history_that_goes_on_beyond_the_depth_says_so(pipeline: Pipeline) -> None:
    await pipeline.bench.submit(*CHAIN)
    made = await pipeline.run()
    up = await pipeline.trace(made["one"], Direction.UP, depth=1)
    assert (names(up), up.complete) == (["flat", "one"], False)
    down = await pipeline.trace(made["raw"], Direction.DOWN, depth=1)
    assert (names(down), down.complete) == (["flat", "raw"], False)
    assert (await pipeline.trace(made["raw"], Direction.DOWN, depth=2)).complete


async def test_an_attempt_keeps_the_version_of_its_code_when_others_are_announced(pipeline: Pipeline) -> None:
    await pipeline.bench.submit(*CHAIN[:2])
    (first,) = await pipeline.claim()
    await pipeline.announce("2")
    await pipeline.finish(first, b"raw")
    made = await pipeline.run()
    await pipeline.announce("3")
    graph = await pipeline.trace(made["flat"], Direction.UP)
    assert [(one.task_type, one.task_type_version) for one in graph.attempts] == [("make", "1"), ("flat", "2")]


async def test_readers_of_an_earlier_version_are_not_readers_of_a_later_one(pipeline: Pipeline) -> None:
    await pipeline.bench.submit(*CHAIN[:2])
    first = await pipeline.run()
    response = await pipeline.bench.http.post("/jobs?rerun=true", json={"task_list": CHAIN[:1]})
    assert response.status_code == 201, response.text
    second = await pipeline.run()
    assert second["raw"].version_id != first["raw"].version_id
    assert names(await pipeline.trace(first["raw"], Direction.DOWN)) == ["flat", "raw"]
    assert names(await pipeline.trace(second["raw"], Direction.DOWN)) == ["raw"]


async def test_a_history_in_the_words_of_prov(pipeline: Pipeline) -> None:
    await pipeline.bench.submit(*CHAIN)
    made = await pipeline.run()
    document = await pipeline.bench.client.trace_version_as_prov(made["flat"].version_id, direction=Direction.UP)
    flat, raw = (f"eas:version/{made[name].version_id}" for name in ("flat", "raw"))
    assert document["prefix"] == {"eas": "urn:plato-eas:"}
    assert document["entity"][flat]["eas:sha256"] == made["flat"].sha256
    assert document["entity"]["eas:task-type/flat/1"]["eas:taskType"] == "flat"
    (generated,) = [one for one in document["wasGeneratedBy"].values() if one["prov:entity"] == flat]
    activity = document["activity"][generated["prov:activity"]]
    assert activity["eas:settings"] == '{"window": 2.5}'
    (used,) = document["used"].values()
    assert (used["prov:entity"], used["prov:activity"]) == (raw, generated["prov:activity"])
    # every name that a relation uses is there
    names = {"prov:entity": "entity", "prov:activity": "activity", "prov:agent": "agent", "prov:plan": "entity"}
    for relation in ("used", "wasGeneratedBy", "wasAssociatedWith"):
        for one in document[relation].values():
            assert all(one[key] in document[part] for key, part in names.items() if key in one)


async def test_a_version_that_does_not_exist_and_a_store_that_is_away(
    pipeline: Pipeline, open_bench: OpenBench
) -> None:
    with pytest.raises(NotFoundError, match="there is no version 999"):
        await pipeline.bench.client.trace_version(999)
    response: httpx.Response = await pipeline.bench.http.get("/versions/1/provenance", params={"depth": 0})
    assert response.json()["slug"] == "invalid_input"
    async with open_bench(product_store_url="http://127.0.0.1:9") as alone:
        with pytest.raises(UnavailableError):
            await alone.client.trace_version(1)


async def test_a_history_is_shown_in_a_terminal(pipeline: Pipeline) -> None:
    await pipeline.bench.submit(*CHAIN)
    made = await pipeline.run()
    table = tabulate_provenance(await pipeline.trace(made["flat"], Direction.UP))
    cells = [list(column.cells) for column in table.columns]
    assert cells[3] == ["make 1", "flat 1"]
    assert cells[6][1] == f"*{made['flat'].version_id} /flat"
