"""Quality control as a gate: a task type's own check, users' checks, and what happens when they break."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from eas.authoring.errors import InputError
from eas.authoring.quality import Findings, QualityCheck
from eas.authoring.task_type import Slot, TaskContext, TaskSettings, TaskType, Verdict
from eas.contracts.metadata import Metadata
from eas.contracts.states import FailureReason
from eas_worker.domain.assignment import Answer, Assignment
from eas_worker.logic.execution import ExecutionLimits, Executor
from eas_worker.logic.scratch import ScratchFolder
from eas_worker.storage.task_types import UnusableCheckError


class SilentJournal:
    def set_attempt(self, attempt_id: int, *, task_id: int = 0, job_id: int = 0) -> None: ...

    def clear_attempt(self) -> None: ...


class Catalog:
    def __init__(self, task_type: TaskType, checks: Sequence[QualityCheck], broken: str = "") -> None:
        self._task_type, self._checks, self._broken = task_type, checks, broken

    def find(self, name: str) -> TaskType | None:
        return self._task_type

    def checks_of(self, name: str) -> Sequence[QualityCheck]:
        if self._broken:
            raise UnusableCheckError(self._broken)
        return self._checks


def run(context: TaskContext, settings: TaskSettings) -> Metadata:
    path = context.path_for("text")
    path.write_text("words")
    context.add_output("text", path)
    return {"count": 5}


def attempt(
    folder: Path,
    *checks: QualityCheck,
    own: Callable[[TaskContext, Metadata], Sequence[Verdict]] | None = None,
    broken: str = "",
) -> Answer:
    task_type = TaskType("write", "1", run, outputs=(Slot("text"),), check=own)
    executor = Executor(
        Catalog(task_type, checks, broken), SilentJournal(), ExecutionLimits(), ScratchFolder(folder / "scratch")
    )
    assignment = Assignment(1, 1, 1, "write", str(folder / "attempt"), outputs={"text": "text.txt"})
    return executor.execute(assignment, lambda attempt_id: None)


def check(name: str, answer: object) -> QualityCheck:
    def judge(context: TaskContext, metadata: Metadata) -> Findings:
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[return-value]

    return QualityCheck(name, judge)


YES, NO = Verdict(passed=True, reason="fine", slot="text"), Verdict(passed=False, reason="five is odd", slot="text")


def test_a_users_check_can_reject_and_is_named_as_the_author(tmp_path: Path) -> None:
    answer = attempt(tmp_path, check("even", NO))

    assert (answer.state, answer.reason) == ("rejected", FailureReason.QUALITY)
    assert answer.message == "text: even: five is odd"
    (output,) = answer.outputs
    assert (output.passed_qc, output.qc_reason) == (False, "even: five is odd")


@pytest.mark.parametrize("found", [None, [], YES, [YES]])
def test_a_users_check_can_find_nothing_wrong(tmp_path: Path, found: object) -> None:
    answer = attempt(tmp_path, check("even", found))
    assert answer.state == "accepted"
    assert answer.outputs[0].qc_reason == ("even: fine" if found in (YES, [YES]) else "")


def test_users_checks_come_after_the_own_one_and_only_if_that_said_yes(tmp_path: Path) -> None:
    never = check("never", AssertionError("was called"))
    answer = attempt(tmp_path, never, own=lambda context, metadata: [NO])
    assert answer.message == "text: five is odd"

    answer = attempt(tmp_path, check("even", NO), check("also", NO), own=lambda context, metadata: [YES])
    assert answer.message == "text: even: five is odd; text: also: five is odd"


@pytest.mark.parametrize("own", [True, False])
def test_a_check_that_breaks_rejects_with_the_traceback(tmp_path: Path, own: bool) -> None:
    broken = check("broken", ZeroDivisionError("nothing to divide by"))
    answer = attempt(tmp_path, own=broken.run) if own else attempt(tmp_path, broken)  # type: ignore[arg-type]

    assert (answer.state, answer.reason) == ("rejected", FailureReason.QUALITY)
    assert answer.message is not None
    assert ("broken: quality control itself failed" in answer.message) is not own
    assert "Traceback (most recent call last)" in answer.message
    assert "ZeroDivisionError: nothing to divide by" in answer.message
    assert answer.outputs[0].passed_qc is False


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (True, "quality control itself failed"),
        ([True], "returned a bool where a Verdict was expected"),
        (InputError("no such curve"), "even: no such curve"),
    ],
)
def test_a_check_that_answers_nonsense_rejects(tmp_path: Path, answer: object, words: str) -> None:
    found = attempt(tmp_path, check("even", answer))
    assert found.state == "rejected"
    assert words in (found.message or "")


def test_nothing_is_accepted_where_a_check_cannot_be_used(tmp_path: Path) -> None:
    answer = attempt(tmp_path, broken="quality check 'strict' is missing")
    assert (answer.state, answer.reason, answer.outputs) == ("failed", FailureReason.INFRASTRUCTURE, [])
    assert answer.message == "quality check 'strict' is missing"


def test_running_out_of_memory_in_a_check_is_no_verdict(tmp_path: Path) -> None:
    answer = attempt(tmp_path, check("greedy", MemoryError()))
    assert (answer.state, answer.reason) == ("failed", FailureReason.OUT_OF_MEMORY)
