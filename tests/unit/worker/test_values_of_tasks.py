"""What tasks, programs and quality control give back: what cannot be stored fails the attempt at once, in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eas.authoring.errors import TaskError
from eas.authoring.executables import load_executable
from eas.authoring.quality import QualityCheck
from eas.authoring.task_type import Slot, TaskContext, TaskType, Verdict
from eas.contracts.metadata import Metadata
from eas.contracts.scheduler import AttemptReport, ClaimedAttempt, OutputVersion, ReportRequest
from eas.contracts.states import FailureReason
from eas.contracts.texts import MAX_MESSAGE, MAX_REASON
from eas.contracts.values import MAX_LEVELS, MAX_METADATA_BYTES, MAX_RESULT_BYTES
from eas_worker.domain.assignment import Answer, Assignment
from eas_worker.domain.reports import report_answer
from eas_worker.logic.execution import ExecutionLimits, Executor
from eas_worker.logic.scratch import ScratchFolder
from eas_worker.storage.frames import pack_answer, unpack_word


class SilentJournal:
    def set_attempt(self, attempt_id: int, *, task_id: int = 0, job_id: int = 0) -> None: ...

    def clear_attempt(self) -> None: ...


class Catalog:
    def __init__(self, task_type: TaskType) -> None:
        self._task_type = task_type

    def find(self, name: str) -> TaskType | None:
        return self._task_type

    def checks_of(self, name: str) -> Sequence[QualityCheck]:
        return ()


def execute(task_type: TaskType, folder: Path) -> Answer:
    """Run an attempt, and bring its answer to the supervisor as a child does."""
    (folder / "scratch").mkdir()
    executor = Executor(Catalog(task_type), SilentJournal(), ExecutionLimits(), ScratchFolder(folder / "scratch"))
    outputs = {slot.name: f"{slot.name}.txt" for slot in task_type.outputs}
    assignment = Assignment(1, 1, 1, task_type.name, str(folder / "attempt"), outputs=outputs)
    answer = unpack_word(pack_answer(executor.execute(assignment, lambda attempt_id: None), folder))
    assert isinstance(answer, Answer)
    assert_can_be_sent(answer)
    return answer


def assert_can_be_sent(answer: Answer) -> None:
    """The report of it can be written, and what the scheduler reads is what was meant."""
    claimed = ClaimedAttempt(attempt_id=1, lease_token="t", task_id=1, job_id=1, number=1, task_type="x")
    made: dict[str, Any] = {"version_id": 1, "directory": "", "md5": "", "sha256": "", "size": 1}
    outputs = [
        OutputVersion(slot=file.slot, filename=file.filename, qc_reason=file.qc_reason, metadata=file.metadata, **made)
        for file in answer.outputs
    ]
    request = ReportRequest(worker_id="w", reports=[report_answer(claimed, answer, outputs)])
    (sent,) = ReportRequest.model_validate_json(request.model_dump_json()).reports
    assert isinstance(sent, AttemptReport)
    assert (sent.state, sent.message) == (answer.state, answer.message)
    if answer.state == "accepted":
        assert sent.metadata == answer.metadata


def returning(metadata: Any) -> TaskType:
    return TaskType("give", "1", lambda context, settings: metadata)


def writing(check: Callable[[TaskContext, Metadata], Any] | None = None, **words: Any) -> TaskType:
    """A task that writes one file and hands it over with these words."""

    def run(context: TaskContext, settings: object) -> Metadata:
        path = context.path_for("table")
        path.write_text("1 2 3")
        if "filename" in words:
            context.add_product(words.pop("slot", "table"), path, **words)
        else:
            context.add_output("table", path, **words)
        return {}

    return TaskType("write", "1", run, outputs=(Slot("table", required=False),), open_outputs=True, check=check)


def nest(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def make_ring() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


UNSOUND: dict[str, tuple[Any, str]] = {
    "2^70": ({"flags": 2**70}, "metadata flags: 1180591620717411303424: whole numbers have at most 64 bits"),
    "2^63": ({"flags": 2**63}, "metadata flags: 9223372036854775808: whole numbers have at most 64 bits"),
    "-2^63-1": ({"a": {"b": [-(2**63) - 1]}}, "metadata a.b[0]"),
    "uint64": ({"n": np.uint64(2**64 - 1)}, "metadata n"),
    "huge": ({"n": 10**10_000}, "metadata n: a number of 33220 bits"),
    "65 levels": ({"tree": nest(MAX_LEVELS)}, f"nested too deep: a value has at most {MAX_LEVELS} levels"),
    "200 levels": ({"tree": nest(200)}, "metadata tree[0]"),
    "100,000 levels": ({"tree": nest(100_000)}, "nested too deep"),
    "ring": ({"tree": make_ring()}, "nested too deep"),
    "many keys": ({"a": {str(number): 1 for number in range(10_001)}}, "metadata a: an object of 10001 keys"),
    "long key": ({"k" * 300: 1}, "a key of 300 characters"),
    "long": ({"list": ["v" * MAX_RESULT_BYTES]}, "metadata list: 1048589 bytes as JSON"),
    "object": ({"a": object()}, "metadata a: object has no JSON form"),
    "no dict": ([1, 2], "metadata: list given; expected a dict"),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_results_that_cannot_be_stored_fail_at_once(name: str, tmp_path: Path) -> None:
    metadata, words = UNSOUND[name]
    answer = execute(returning(metadata), tmp_path)
    assert (answer.state, answer.reason) == ("failed", FailureReason.SCIENCE)
    assert words in str(answer.message)
    assert len(str(answer.message)) < 500


def test_results_at_the_borders_stay_what_they_are(tmp_path: Path) -> None:
    metadata = {"high": 2**63 - 1, "low": -(2**63), "zero": -0.0, "flag": True, "tree": nest(MAX_LEVELS - 1)}
    answer = execute(returning(metadata), tmp_path)
    assert (answer.state, answer.metadata) == ("accepted", metadata)
    assert str(answer.metadata["zero"]) == "-0.0"
    assert answer.metadata["flag"] is True


@pytest.mark.parametrize("keys", [(1, "1"), ("\ud800", "\\ud800")])
def test_no_value_is_lost_because_two_keys_are_the_same_text(keys: tuple[object, object], tmp_path: Path) -> None:
    def run(context: TaskContext, settings: object) -> Metadata:
        return {"found": dict.fromkeys(keys, 0)}

    answer = execute(TaskType("twins", "1", run), tmp_path)
    assert (answer.state, answer.reason) == ("failed", FailureReason.SCIENCE)
    assert "metadata found: two keys are the same text" in str(answer.message)


def test_surrogates_in_keys_and_texts_become_escapes(tmp_path: Path) -> None:
    answer = execute(returning({"file \udcff": {"\udcfe": "\udcfd"}}), tmp_path)
    assert answer.metadata == {"file \\udcff": {"\\udcfe": "\\udcfd"}}


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), np.float32("nan")])
def test_what_is_not_finite_is_rejected(value: float, tmp_path: Path) -> None:
    answer = execute(returning({"fit": [1.0, value]}), tmp_path)
    assert (answer.state, answer.reason) == ("rejected", FailureReason.QUALITY)
    assert answer.message == "metadata fit[1] is not finite"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"metadata": {"n": 2**70}}, "output 'table': metadata n"),
        ({"metadata": {"n": nest(MAX_LEVELS)}}, "nested too deep"),
        ({"metadata": {"text": "v" * MAX_METADATA_BYTES}}, f"at most {MAX_METADATA_BYTES} are allowed"),
        ({"metadata": {"k" * 65: 1}}, "expected 1 to 64 characters"),
        ({"metadata": {"": 1}}, "expected 1 to 64 characters"),
        ({"mime_type": "text plain"}, "output 'table': mime_type 'text plain'"),
        ({"filename": "f" * 300}, "output 'table': filename"),
        ({"filename": "../f"}, "output 'table': filename"),
        ({"filename": "a\udcff"}, "output 'table': filename"),
        ({"filename": "f", "slot": "a\nb"}, "slot"),
        ({"filename": "f", "slot": "s" * 300}, "slot"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_the_product_store_would_refuse_of_an_output_fails_at_once(
    words: dict[str, Any], message: str, tmp_path: Path
) -> None:
    answer = execute(writing(**words), tmp_path)
    assert (answer.state, answer.reason) == ("failed", FailureReason.SCIENCE)
    assert message in str(answer.message)


# --- quality control


@pytest.mark.parametrize("passed", [True, False])
def test_a_long_reason_is_cut(passed: bool, tmp_path: Path) -> None:
    reason = ", ".join(f"sample {number} is off" for number in range(10_000))
    answer = execute(writing(lambda *_: [Verdict(passed=passed, reason=reason, slot="table")]), tmp_path)
    (output,) = answer.outputs
    assert output.passed_qc is passed
    assert len(output.qc_reason) <= MAX_REASON
    assert output.qc_reason.startswith("sample 0 is off")
    assert "characters cut" in output.qc_reason
    if not passed:
        assert MAX_REASON < len(str(answer.message)) <= MAX_MESSAGE


@pytest.mark.parametrize(("reason", "said"), [("no \udcff", "no \\udcff"), (None, ""), (5, "5"), ("a\0b", "a\0b")])
def test_a_reason_is_text_that_can_be_sent(reason: Any, said: str, tmp_path: Path) -> None:
    answer = execute(writing(lambda *_: [Verdict(passed=False, reason=reason, slot="table")]), tmp_path)
    assert answer.state == "rejected"
    assert answer.outputs[0].qc_reason == said


def test_a_check_that_spoils_the_result_fails_the_attempt(tmp_path: Path) -> None:
    def check(context: TaskContext, metadata: Metadata) -> list[Verdict]:
        metadata["n"] = 2**70
        return []

    answer = execute(writing(check), tmp_path)
    assert (answer.state, answer.reason) == ("failed", FailureReason.SCIENCE)
    assert "metadata n" in str(answer.message)


# --- errors


class MuteError(TaskError):
    def __str__(self) -> str:
        raise ZeroDivisionError("no words")


@pytest.mark.parametrize("error", [MuteError(), TaskError("m" * 10**6), TaskError("\ud800"), RecursionError("deep")])
def test_whatever_is_raised_can_be_reported(error: BaseException, tmp_path: Path) -> None:
    def run(context: TaskContext, settings: object) -> Metadata:
        raise error

    answer = execute(TaskType("fail", "1", run), tmp_path)
    assert (answer.state, answer.reason) == ("failed", FailureReason.SCIENCE)
    assert 0 < len(str(answer.message)) <= MAX_MESSAGE


# --- executables


@pytest.mark.parametrize(
    ("metadata", "state", "words"),
    [
        (str(2**70), "failed", "metadata x: 1180591620717411303424"),
        ("1" * 5000, "failed", "whole number beyond 64 bits"),
        ("1,", "failed", "result.json is not JSON"),
        ("[" * 100 + "]" * 100, "failed", "nested too deep"),
        ("[" * 100_000 + "]" * 100_000, "failed", "nested too deep"),
        ("NaN", "rejected", "metadata x is not finite"),
        ("1e400", "rejected", "metadata x is not finite"),
        ('"\\ud800"', "accepted", ""),
        (str(2**63 - 1), "accepted", ""),
    ],
    ids=["2^70", "5000 digits", "half", "100 levels", "100,000 levels", "nan", "1e400", "surrogate", "2^63-1"],
)
def test_results_of_programs_alike(metadata: str, state: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "result.txt").write_text(f'{{"metadata": {{"x": {metadata}}}}}')
    declaration = {"name": "program", "version": "1", "command": ["cp", "./result.txt", "result.json"]}
    (tmp_path / "program.json").write_text(json.dumps(declaration))
    answer = execute(load_executable(tmp_path / "program.json"), tmp_path)
    assert answer.state == state
    assert answer.reason in (None, FailureReason.SCIENCE, FailureReason.QUALITY)
    assert words in str(answer.message)
