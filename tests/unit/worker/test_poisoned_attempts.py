"""One attempt at which the worker itself fails ends with a reason, and the worker goes on with the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from eas.amqp.ports import Handler
from eas.amqp.topology import Topology
from eas.contracts.doorbells import write_doorbell
from eas.contracts.errors import InvalidInputError
from eas.contracts.scheduler import AttemptReport, TaskTypeDescription
from eas.contracts.states import FailureReason
from eas.testing.broker import FakeBroker, FakeConsumer
from eas.testing.product_store import FakeProductStore
from eas.testing.scheduler import FakeScheduler
from eas_worker.domain.assignment import Answer, AnsweredOutput, Assignment, CheckingNotice, Departure
from eas_worker.domain.share import Share
from eas_worker.domain.terms import WorkerTerms
from eas_worker.logic.keeping import keep_going
from eas_worker.logic.ports import Child
from eas_worker.logic.worker import Worker
from eas_worker.storage.child_process import ChildProcess, make_channel
from eas_worker.storage.doorbells import BrokerDoorbells
from eas_worker.storage.frames import pack_answer, pack_notice


@dataclass(eq=False)
class PromptChild:
    """Answers each attempt at once; raises if it is to be given one that cannot be written down."""

    child_starter: FakeChildStarter
    pid: int
    said: list[Answer | CheckingNotice] = field(default_factory=list)

    def send(self, assignment: Assignment) -> bool:
        if assignment.settings.get("poison") == "send":
            raise ValueError("it cannot be written down")
        self.said.append(self.child_starter.answer(assignment))
        asyncio.get_running_loop().call_soon(self.child_starter.hear, self)
        return True

    def receive(self) -> list[Answer | CheckingNotice]:
        said, self.said = self.said, []
        return said

    def recall(self) -> list[int]:
        return []

    def kill(self) -> None:
        pass

    def close(self) -> None:
        pass


class FakeChildStarter:
    """Where such children come from. The first births may fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stillbirths = 0

    async def start(
        self, _share: Share, *, on_word: Callable[[Child], None], on_death: Callable[[Child, Departure], None]
    ) -> list[TaskTypeDescription]:
        self.hear, self.bury = on_word, on_death
        return [TaskTypeDescription(name="null", version="1", settings_schema={})]

    async def start_child(self, slot: int) -> PromptChild:
        if self.stillbirths:
            self.stillbirths -= 1
            raise ValueError("no child")
        return PromptChild(self, 100 + slot)

    async def stop(self) -> None:
        pass

    def answer(self, assignment: Assignment) -> Answer:
        poison = assignment.settings.get("poison")
        metadata: Any = {1: 2} if poison == "result" else {}
        outputs = []
        for slot, filename in assignment.outputs.items():
            file = self.folder / filename
            file.write_text(filename)
            name: Any = object() if poison == "output" else filename
            outputs.append(AnsweredOutput(slot, str(file), name, "text/plain"))
        return Answer(assignment.attempt_id, "accepted", 0.0, 1.0, metadata=metadata, outputs=outputs)


class FragileWorkspace:
    """Folders of attempts, of which some cannot be used, or not be removed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.bad: set[int] = set()

    def folder(self, attempt_id: int) -> Path:
        return self._folder / str(attempt_id)

    def scratch(self, child_pid: int) -> Path:
        return self._folder / f"scratch-{child_pid}"

    def create_inputs(self, attempt_id: int, slots: Sequence[str]) -> list[Path]:
        if attempt_id in self.bad:
            raise ValueError("a defect of the worker")
        folders = [self.folder(attempt_id) / slot for slot in slots]
        for folder in folders:
            folder.mkdir(parents=True)
        return folders

    async def remove(self, attempt_id: int) -> None:
        if attempt_id in self.bad:
            raise ValueError("a defect of the worker")

    async def remove_scratch(self, child_pid: int) -> None:
        pass


@dataclass
class Place:
    scheduler: FakeScheduler
    store: FakeProductStore
    workspace: FragileWorkspace
    child_starter: FakeChildStarter

    async def reports(self, *attempt_ids: int) -> list[AttemptReport]:
        async with asyncio.timeout(120):
            return [await self.scheduler.report_of(attempt_id) for attempt_id in attempt_ids]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    found = Place(FakeScheduler(), FakeProductStore(), FragileWorkspace(tmp_path), FakeChildStarter(tmp_path))
    terms = WorkerTerms("w1", "here", 1, slots=1)
    worker = Worker(terms, found.scheduler, found.store, found.child_starter, found.workspace)
    running = asyncio.create_task(worker.run())
    yield found
    assert not running.done(), "it goes on"
    worker.stop()
    worker.stop()
    await asyncio.wait_for(running, 120)


def outcome(report: AttemptReport) -> tuple[str, FailureReason | None]:
    return report.state, report.reason


async def test_an_attempt_that_cannot_be_given_to_a_child_fails_alone(place: Place) -> None:
    attempts = [place.scheduler.add("null", {"poison": poison}) for poison in ("", "send", "")]
    first, bad, last = await place.reports(*attempts)
    assert first.state == last.state == "accepted"
    assert outcome(bad) == ("failed", FailureReason.INFRASTRUCTURE)
    assert "it cannot be written down" in (bad.message or "")


@pytest.mark.parametrize("poison", ["result", "output"])
async def test_an_answer_that_no_report_can_have_fails_its_attempt_alone(place: Place, poison: str) -> None:
    attempts = [
        place.scheduler.add("null", {"poison": kind}, outputs={"report": f"{number}.txt"} if poison == "output" else {})
        for number, kind in enumerate(("", poison, ""))
    ]
    first, bad, last = await place.reports(*attempts)
    assert first.state == last.state == "accepted"
    assert bad.state == "failed"
    assert bad.message


async def test_inputs_at_which_the_worker_fails_fail_their_attempt_alone(place: Place) -> None:
    version = place.store.put("lightcurve", "a.txt", b"a")
    bad = 2
    place.workspace.bad.add(bad)
    attempts = [place.scheduler.add("null", inputs={"lightcurve": version}) for _ in range(3)]
    first, failed, last = await place.reports(*attempts)
    assert first.state == last.state == "accepted"
    assert outcome(failed) == ("failed", FailureReason.INFRASTRUCTURE)
    assert "a defect of the worker" in (failed.message or "")


async def test_a_folder_that_cannot_be_removed_holds_up_nothing(place: Place) -> None:
    place.workspace.bad.add(1)
    attempts = [place.scheduler.add("null", outputs={"report": f"{number}.txt"}) for number in range(3)]
    assert [report.state for report in await place.reports(*attempts)] == ["accepted"] * 3


async def test_a_slot_whose_child_cannot_be_raised_gets_one_later(tmp_path: Path) -> None:
    scheduler, child_starter = FakeScheduler(), FakeChildStarter(tmp_path)
    child_starter.stillbirths = 1
    terms = WorkerTerms("w1", "here", 1, slots=1)
    worker = Worker(terms, scheduler, FakeProductStore(), child_starter, FragileWorkspace(tmp_path))
    running = asyncio.create_task(worker.run())
    report = await asyncio.wait_for(scheduler.report_of(scheduler.add("null")), 120)
    assert report.state == "accepted"
    worker.stop()
    worker.stop()
    await asyncio.wait_for(running, 120)


async def test_a_loop_begins_again_after_any_error_but_a_refusal_of_the_worker() -> None:
    errors = [TypeError("a defect"), ValueError("another"), InvalidInputError("no such worker can be")]

    async def loop() -> None:
        raise errors.pop(0)

    with pytest.raises(InvalidInputError):
        await asyncio.wait_for(keep_going("test", loop, pause=0), 120)
    assert errors == []


async def test_a_word_that_cannot_be_read_ends_the_child_and_the_other_words_count(tmp_path: Path) -> None:
    ours, theirs = make_channel()
    killed: list[int] = []
    child = ChildProcess(7, ours, theirs, tmp_path, killed.append)
    answer = Answer(3, "accepted", 0.0, 1.0)
    for message in (pack_notice(3), b"?nonsense", b"a{}", pack_answer(answer, tmp_path)):
        theirs.send(message)
    assert child.receive() == [CheckingNotice(3), answer]
    assert killed == [7, 7]
    child.close()


async def test_a_type_that_has_no_queue_does_not_silence_the_others() -> None:
    broker, topology = FakeBroker(), Topology("test")
    heard: asyncio.Queue[int] = asyncio.Queue()

    def make_consumer(handler: Handler) -> FakeConsumer:
        return broker.consumer(topology, handler, prefetch=1)

    async def hear(attempt_id: int) -> bool:
        heard.put_nowait(attempt_id)
        return True

    doorbells = BrokerDoorbells(make_consumer, topology)
    listening = asyncio.create_task(doorbells.listen(["a", "x" * 300, "z"], hear))
    for number, name in enumerate(("a", "z")):
        await broker.queues(topology).publish(topology.task_queue(name), write_doorbell(number))
    assert {await asyncio.wait_for(heard.get(), 120) for _ in range(2)} == {0, 1}
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
