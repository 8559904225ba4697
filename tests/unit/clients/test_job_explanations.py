"""Why a job is not done: the most telling tasks first, and no more of its tree than that needs."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from eas.client.suite import Job, Suite, SuiteAddress
from eas.contracts.diagnostics import WhyCode, WhyView
from eas.contracts.scheduler import JobView, TaskLine, TaskPage
from eas.contracts.states import TaskState

JOB = {
    "job_id": 1,
    "name": None,
    "state": "running",
    "working_directory": "",
    "root_task_id": 1,
    "submitted_at": "2026-01-01T00:00:00Z",
    "submitted_by": "ada",
}


def line(task_id: int, state: str, children: int = 0) -> TaskLine:
    level = 0 if task_id == 1 else 1
    kind = "execution_chain" if children else "null"
    return TaskLine(
        task_id=task_id,
        parent_id=None,
        level=level,
        task_type=kind,
        name=None,
        state=TaskState(state),
        children=children,
    )


class Scheduler:
    """Answers with pages of a tree, and remembers which were asked for."""

    def __init__(self, pages: Mapping[str, TaskPage], counts: Mapping[str, int], state: str = "running") -> None:
        self.job = JobView.model_validate(JOB | {"state": state, "counts": counts})
        self.pages = pages
        self.asked: list[str] = []
        self.suite = Suite(SuiteAddress("http://suite"), transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        match request.url.path.removeprefix("/scheduler/").split("/"):
            case ["jobs", "1"]:
                return httpx.Response(200, text=self.job.model_dump_json())
            case ["jobs", "1", "tree"]:
                self.asked.append(request.url.params.get("after", ""))
                return httpx.Response(200, text=self.pages[self.asked[-1]].model_dump_json())
            case ["tasks", task_id, "why"]:
                why = WhyView(
                    task_id=int(task_id),
                    job_id=1,
                    task_type="null",
                    name=None,
                    state=TaskState.QUEUED,
                    code=WhyCode.WAITING_FOR_WORKER,
                    words="",
                )
                return httpx.Response(200, text=why.model_dump_json())
        raise AssertionError(request.url)

    async def explain(self, limit: int) -> list[int]:
        async with self.suite:
            return [found.task_id for found in await Job(self.suite, self.job).why(limit=limit)]


TREE = {
    "": TaskPage(items=[line(1, "running", 5), line(2, "waiting"), line(3, "running")], next_after="a"),
    "a": TaskPage(items=[line(4, "failed"), line(5, "blocked"), line(6, "done")], next_after="b"),
    "b": TaskPage(items=[line(7, "failed")]),
}
COUNTS = {"running": 2, "waiting": 1, "failed": 2, "blocked": 1, "done": 1}


@pytest.mark.parametrize(
    ("limit", "explained", "asked"),
    [
        (1, [4], ["", "a"]),
        (2, [4, 7], ["", "a", "b"]),
        (4, [4, 7, 3, 5], ["", "a", "b"]),
        (9, [4, 7, 3, 5, 2], ["", "a", "b"]),
    ],
)
async def test_the_most_telling_tasks_are_explained(limit: int, explained: list[int], asked: list[str]) -> None:
    scheduler = Scheduler(TREE, COUNTS)
    assert await scheduler.explain(limit) == explained
    assert scheduler.asked == asked


async def test_a_long_queue_is_not_read_to_its_end() -> None:
    first = TaskPage(
        items=[line(1, "running", 9), line(2, "done"), line(3, "queued"), line(4, "queued")], next_after="a"
    )
    scheduler = Scheduler({"": first}, {"running": 1, "done": 1, "queued": 100_000})
    assert await scheduler.explain(2) == [3, 4]
    assert scheduler.asked == [""]


async def test_a_done_job_needs_no_explanation() -> None:
    scheduler = Scheduler({}, {"done": 3}, state="done")
    assert await scheduler.explain(2) == []
    assert scheduler.asked == []
