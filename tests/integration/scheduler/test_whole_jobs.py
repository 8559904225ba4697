"""Whole job documents, drawn at random and run to their end, make the rows that the job language says, in its order.

What the language says is written down a second time here, as a reference that knows nothing of the scheduler.
"""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from eas.contracts.states import JobState

from .conftest import Bench, OpenBench, version

EXAMPLES = int(os.environ.get("EAS_TEST_WHOLE_JOBS", "40"))
MOST_ROWS = 200
NO_DATA: dict[str, Any] = {}

Task = dict[str, Any]
Values = Mapping[str, Any]
#: What can be told of a task: the row of its parent, level, type, name and what it inherits; of one that workers run
#: also how they saw it.
Row = tuple[Any, ...]


def draw_result(name: str | None, metadata: Values, own: Values) -> dict[str, int]:
    """What a worker finds out: anything, but the same for the same task with the same settings."""
    return {"x": zlib.crc32(repr((name, sorted(metadata.items()), own)).encode()) % 4}


def to_float(value: Any) -> Any:
    """What the task type means by a whole number."""
    return float(value) if type(value) is int else value


# --- the reference --------------------------------------------------------------------------------------------------


def read(raw: Any, metadata: Values, requested: Values = NO_DATA) -> Any:
    """Evaluate a value as Python would."""
    if not (isinstance(raw, str) and raw[:1] in ("'", "(")):
        return raw
    return eval(raw, {}, {"metadata": metadata, "requested_metadata": requested})


@dataclass(frozen=True)
class Place:
    """What a list of tasks inherits."""

    parent: int | None
    level: int
    job_name: str | None
    directory: str
    metadata: Values

    def below(self, parent: int, **more: Any) -> Place:
        return replace(self, parent=parent, level=self.level + 1, metadata={**self.metadata, **more})


@dataclass
class Reference:
    """Runs a job in its head."""

    rows: list[Row] = field(default_factory=list)
    products: set[tuple[str, str]] = field(default_factory=set)

    def run_list(self, tasks: list[Task], parent: int, place: Place) -> dict[str, Values]:
        """Run a list of tasks below the row `parent`, which is at `place`. Returns the results by name."""
        results: dict[str, Values] = {}
        for task in tasks:
            values = place.metadata
            name = read(task.get("name"), values)
            requested = {read(one, values): results[read(one, values)] for one in task["requires_metadata_from"]}
            own = replace(
                place.below(parent),
                job_name=read(task.get("job_name"), values) or place.job_name,
                directory=read(task.get("working_directory"), values) or place.directory,
            )
            result = self.run_task(task, name, own, requested)
            if name:
                results[name] = result
        return results

    def run_task(self, task: Task, name: str | None, own: Place, requested: Values) -> Values:
        if not task["task"].startswith("execution_"):
            duration = (
                {"duration": to_float(read(task["duration"], own.metadata, requested))} if "duration" in task else {}
            )
            self.add(own, task["task"], name, own.job_name, own.directory, duration)
            for filename in task.get("outputs", {}).values():
                product = (own.directory, read(filename, own.metadata))
                assume(product not in self.products)
                self.products.add(product)
            return draw_result(name, own.metadata, duration)
        number = self.add(own, task["task"], name)
        match task["task"]:
            case "execution_chain":
                self.run_list(task["task_list"], number, own)
            case "execution_for_loop":
                self.run_for_loop(task, own, number, requested)
            case "execution_conditional":
                branch = "task_list" if read(task["criterion"], own.metadata, requested) else "else_task_list"
                if branch in task:
                    self.run_chain(task[branch], own.below(number))
            case _:
                self.run_repeatedly(task, own, number, requested)
        return NO_DATA

    def run_chain(self, tasks: list[Task], chain: Place) -> tuple[int, dict[str, Values]]:
        number = self.add(chain, "execution_chain", None)
        return number, self.run_list(tasks, number, chain)

    def run_for_loop(self, task: Task, own: Place, number: int, requested: Values) -> None:
        name = read(task["parameter"], own.metadata)
        for index, value in enumerate(find_values(task, own.metadata, requested)):
            self.run_chain(task["task_list"], own.below(number, **{name: value, f"{name}_index": index}))

    def run_repeatedly(self, task: Task, own: Place, number: int, requested: Values) -> None:
        counter = read(task["iteration_name"], own.metadata) + "_index"
        certain = task["task"] == "execution_do_while_loop"
        test = task["repeat_criterion" if certain else "criterion"]
        done = 0
        while certain or read(test, {**own.metadata, counter: done}, requested):
            done, certain = done + 1, False
            chain = own.below(number, **{counter: done})
            of_chain, results = self.run_chain(task["task_list"], chain)
            self.add(chain.below(of_chain), task["task"], None)
            wanted = [read(one, chain.metadata) for one in task["requires_metadata_from_child"]]
            requested = {one: results[one] for one in wanted}

    def add(self, place: Place, kind: str, name: str | None, *seen: Any) -> int:
        self.rows.append((place.parent, place.level, kind, name, dict(place.metadata), *seen))
        assume(len(self.rows) <= MOST_ROWS)
        return len(self.rows) - 1


def find_values(task: Task, metadata: Values, requested: Values) -> list[Any]:
    """List what a for loop runs over; ranges are drawn so that their values are exact."""
    if "values" in task:
        return [read(value, metadata, requested) for value in read(task["values"], metadata, requested)]
    key = "linear_range" if "linear_range" in task else "log_range"
    start, end, count = (float(read(value, metadata, requested)) for value in task[key])
    if count < 2:
        return [start][: int(count)]
    steps = count - 1
    if key == "linear_range":
        return [start + index * (end - start) / steps for index in range(int(count))]
    return [start * (end / start) ** (index / steps) for index in range(int(count))]


# --- documents ------------------------------------------------------------------------------------------------------

NAMES = ["a", "b", "'n{}'.format(len(metadata))"]
COUNTERS = ["p", "q", "'r' + str(1 + 1)"]
LEAVES = ["null", "null", "files"]


def often(draw: st.DrawFn) -> bool:
    return draw(st.integers(0, 3)) > 0


FLOWS = ["chain", "for", "for", "if", "if", "do_while", "while"]


def quote(name: str) -> str:
    return name if name.startswith("'") else repr(name)


@st.composite
def lists(draw: st.DrawFn, depth: int, tag: str) -> list[Task]:
    """Draw a list of tasks that may ask for what stands before them."""
    tasks: list[Task] = []
    names: list[str] = []
    for index in range(draw(st.sampled_from([0, 1, 2, 2, 3, 3, 4]))):
        kind = draw(st.sampled_from(LEAVES + FLOWS if depth else LEAVES))
        requires = draw(st.lists(st.sampled_from(names), max_size=2, unique=True)) if names and often(draw) else []
        task: Task = {"requires_metadata_from": requires}
        if often(draw):
            task["name"] = draw(st.sampled_from(NAMES))
        if draw(st.integers(0, 5)) == 0:
            task["job_name"] = draw(st.sampled_from(["survey", "'j' + str(len(metadata))"]))
        place = f"{tag}{index}"
        if draw(st.integers(0, 5)) == 0:
            task["working_directory"] = draw(
                st.sampled_from([f"JOB/d{place}", f"'JOB/d{place}_' + str(len(metadata))"])
            )
        if kind == "files":
            filename = f"('f{place}' + str(sorted(metadata.items())).replace('/', '_'))"
            tasks.append({**task, "task": "make", "outputs": {"lightcurve": filename}})
            reader = {"task": "find", "inputs": {"lightcurve": filename}, "requires_metadata_from": []}
            tasks.append(reader | {key: task[key] for key in ("working_directory",) if key in task})
        elif kind == "null":
            tasks.append({**task, "task": "null", "duration": draw_number(draw, requires)})
        else:
            tasks.append(task | draw(flows(kind, depth - 1, place, requires)))
        if "name" in task:
            names.append(task["name"])
    return tasks


def draw_number(draw: st.DrawFn, requires: list[str]) -> str:
    """Draw an expression that gives 0 to 3, from a result where there is one."""
    if not requires:
        return draw(st.sampled_from(["(len(metadata) % 3)", "(1 + 1)", "(0)"]))
    return f"(requested_metadata[{quote(draw(st.sampled_from(requires)))}].get('x', 1))"


@st.composite
def flows(draw: st.DrawFn, kind: str, depth: int, tag: str, requires: list[str]) -> Task:
    """Draw the rest of a task of flow control."""
    body = draw(lists(depth, tag))
    number = draw_number(draw, requires)
    match kind:
        case "chain":
            return {"task": "execution_chain", "task_list": body}
        case "for":
            loop = {"task": "execution_for_loop", "parameter": draw(st.sampled_from(COUNTERS)), "task_list": body}
            values = [["x", "(len(metadata))"], [True, 2.5, None], f"(list(range({number})))", []]
            ranges = [{"linear_range": [0, 8, number]}, {"log_range": [1, 16, 3]}, {"linear_range": [1, 3, "(3)"]}]
            return loop | draw(st.sampled_from([{"values": one} for one in values] + ranges))
        case "if":
            branch: Task = {"task": "execution_conditional", "criterion": f"({number} > 1)"}
            other = draw(st.one_of(st.none(), lists(depth, f"{tag}e")))
            return branch | {"task_list": body} | ({} if other is None else {"else_task_list": other})
        case _:
            children = [task["name"] for task in body if "name" in task]
            wanted = [draw(st.sampled_from(children))] if children and often(draw) else []
            counter = draw(st.sampled_from(COUNTERS))
            test = f"metadata[{quote(counter)} + '_index'] < {draw(st.sampled_from([2, 3, 1, 0]))}"
            for name in dict.fromkeys([*wanted, *requires]):
                result = f"requested_metadata.get({quote(name)}, {{}}).get('x', {draw(st.integers(0, 3))})"
                test += f" and {result} > {draw(st.integers(0, 1))}"
            key = "repeat_criterion" if kind == "do_while" else "criterion"
            loop = {"task": f"execution_{kind}_loop", "iteration_name": counter, key: f"({test})", "task_list": body}
            return loop | {"requires_metadata_from_child": wanted}


# --- the comparison -------------------------------------------------------------------------------------------------


async def run_to_the_end(bench: Bench, document: Task) -> list[Row]:
    """Run a job on the real scheduler. Returns its rows as the reference would write them."""
    job_id = await submit(bench, document)
    seen: dict[int, tuple[Any, ...]] = {}
    while (await bench.client.get_job(job_id)).state is JobState.RUNNING:
        for attempt in reversed(await bench.claim(7, wait=0.05)):
            seen[attempt.task_id] = (attempt.job_name, attempt.working_directory, attempt.settings)
            outputs = [version(attempt)] if attempt.outputs else []
            result = draw_result(attempt.task_name, attempt.metadata, attempt.settings)
            response = await bench.report(attempt, metadata=result, outputs=outputs)
            assert response.results[0].recorded
    job = await bench.client.get_job(job_id)
    tree = (await bench.client.get_tree(job_id, max_depth=1000, limit=1000)).items
    assert (job.state, job.counts.total, job.counts.done) == (JobState.DONE, len(tree), len(tree)), tree
    rows = {line.task_id: number for number, line in enumerate(tree)}
    parents = [None if line.parent_id is None else rows[line.parent_id] for line in tree]
    return [
        (parent, line.level, line.task_type, line.name, line.metadata, *seen.get(line.task_id, ()))
        for parent, line in zip(parents, tree, strict=True)
    ]


async def submit(bench: Bench, document: Task) -> int:
    response = await bench.http.post("/jobs", json=document)
    assert response.status_code == 201, response.text
    job_id: int = response.json()["job_id"]
    return job_id


def test_whole_jobs_run_as_the_language_says(open_bench: OpenBench) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        bench = runner.run(stack.enter_async_context(open_bench()))
        runner.run(bench.announce())
        jobs = iter(range(1_000_000))

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        @given(lists(2, "t"))
        def check(tasks: list[Task]) -> None:
            directory = f"job{next(jobs)}"  # so that no job makes the products of another
            tasks = json.loads(json.dumps(tasks).replace("JOB", directory))
            reference = Reference()
            reference.run_chain(tasks, Place(None, 0, None, directory, NO_DATA))
            for kind in {row[2] for row in reference.rows}:
                event(kind)
            document = {"working_directory": directory, "task_list": tasks}
            assert runner.run(run_to_the_end(bench, document)) == reference.rows

        try:
            check()
        finally:
            runner.run(stack.aclose())
