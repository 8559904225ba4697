"""Task types and quality checks in a folder of files, and as entry points."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pydantic import Field

from eas.authoring.declaration import quality_check
from eas.authoring.task_type import Slot, TaskContext, TaskSettings, TaskType
from eas.contracts.metadata import Metadata
from eas.contracts.scheduler import WorkerAnnouncement
from eas_worker.storage.task_type_files import TaskTypeError
from eas_worker.storage.task_types import InstalledTaskTypes, UnusableCheckError, describe_task_types

GREET = """
from eas import TaskContext, task_type
from _words import word

@task_type(version="1")
def {name}(context: TaskContext):
    return {{"word": word}}
"""
CHECK = """
from eas import quality_check, reject

@quality_check("null")
def never(context, metadata):
    return reject("never")
"""


@quality_check("null")
def idle(context: TaskContext, metadata: Metadata) -> None: ...


NO_CHECK = "text"


def given(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def names(catalog: InstalledTaskTypes) -> list[str]:
    return [found.name for found in catalog.load_all()[0]]


def test_files_of_a_folder_are_task_types_and_may_share_code(tmp_path: Path) -> None:
    given(tmp_path, greet_file=GREET.format(name="greet"), _words="word = 'hello'")
    catalog = InstalledTaskTypes.discover(folder=tmp_path)

    assert {"greet", "null", "detrend"} <= set(names(catalog))
    greet = catalog.find("greet")
    assert greet is not None
    assert greet.run(TaskContext(tmp_path, {}, {}), greet.settings()) == {"word": "hello"}


def test_a_file_is_found_without_loading_everything(tmp_path: Path) -> None:
    given(tmp_path, hello=GREET.format(name="hello"), _words="word = 1")
    catalog = InstalledTaskTypes.discover(folder=tmp_path)

    assert catalog.find("hello") is not None
    assert catalog.find("nonsense") is None


def test_only_the_names_to_keep_are_offered_from_files_too(tmp_path: Path) -> None:
    given(tmp_path, one=GREET.format(name="one"), two=GREET.format(name="two"), _words="word = 1")
    good, problems = InstalledTaskTypes.discover(only=["two", "null", "three"], folder=tmp_path).load_all()

    assert [found.name for found in good] == ["null", "two"]
    assert problems == ["task type 'three': there is none of that name"]
    with pytest.raises(TaskTypeError, match="no such task type: three"):
        InstalledTaskTypes.discover(only=["three"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import eas\ndef f(:", "line 2: SyntaxError"),
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("x = 1", "declares no task type and no quality check"),
        ("from eas import task_type\n@task_type(version='1')\ndef null(context): ...", "a task type 'null' already"),
        ("from greet import greet", "declares no task type and no quality check"),
    ],
)
def test_a_file_that_cannot_be_used_is_left_out_with_the_reason(tmp_path: Path, text: str, words: str) -> None:
    given(tmp_path, broken=text, greet=GREET.format(name="greet"), _words="word = 1")
    good, problems = InstalledTaskTypes.discover(folder=tmp_path).load_all()

    assert "greet" in [found.name for found in good]
    (problem,) = [problem for problem in problems if str(tmp_path) in problem]
    assert problem.startswith(str(tmp_path / "broken.py"))
    assert words in problem


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    given(tmp_path, a=GREET.format(name="greet"), b=GREET.format(name="greet"), _words="word = 1")
    good, problems = InstalledTaskTypes.discover(folder=tmp_path).load_all()

    assert [found.name for found in good].count("greet") == 1
    assert problems[-1:] == [f"{tmp_path / 'b.py'}: there is a task type 'greet' already"]


def test_checks_are_found_in_files_for_those_whom_they_concern(tmp_path: Path) -> None:
    given(tmp_path, checks=CHECK)
    catalog = InstalledTaskTypes.discover(folder=tmp_path)

    assert [check.name for check in catalog.checks_of("null")] == ["never"]
    assert catalog.checks_of("verify") == ()


def test_checks_are_found_as_entry_points() -> None:
    point = EntryPoint("idle", f"{__name__}:idle", "eas.quality_checks")
    assert [check.name for check in InstalledTaskTypes({}, [point]).checks_of("null")] == ["idle"]


@pytest.mark.parametrize("value", ["no_such_module:idle", "{here}:NO_CHECK", "{here}:missing"])
def test_a_worker_with_an_unusable_check_offers_and_accepts_nothing(value: str) -> None:
    point = EntryPoint("strict", value.format(here=__name__), "eas.quality_checks")
    null = EntryPoint("null", "eas_worker.tasks.null:TASK_TYPE", "eas.task_types")
    catalog = InstalledTaskTypes({"null": null}, [point])

    good, problems = catalog.load_all()

    assert good == []
    assert "quality check 'strict'" in problems[0]
    with pytest.raises(UnusableCheckError, match="quality check 'strict'"):
        catalog.checks_of("null")


def test_a_broken_file_that_may_hold_checks_counts_as_one(tmp_path: Path) -> None:
    given(tmp_path, checks=CHECK + "1 / 0")
    catalog = InstalledTaskTypes.discover(folder=tmp_path)

    good, problems = catalog.load_all()

    assert good == []
    assert "checks.py: ZeroDivisionError" in problems[-1]
    with pytest.raises(UnusableCheckError, match="ZeroDivisionError"):
        catalog.checks_of("verify")


def returns_nothing(context: TaskContext, settings: TaskSettings) -> Metadata:
    return {}


class Undescribed(TaskSettings):
    """Settings that have no JSON Schema."""

    call: Callable[[], int] = Field(default=lambda: 1)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (TaskType("a\nb", "1", returns_nothing), "name"),
        (TaskType("n" * 65, "1", returns_nothing), "name"),
        (TaskType("bad", "", returns_nothing), "version"),
        (TaskType("bad", "1", returns_nothing, outputs=(Slot("o", mime_type="text plain"),)), "outputs.0.mime_type"),
        (TaskType("bad", "1", returns_nothing, inputs=(Slot("i\n"),)), "inputs.0.name"),
        (TaskType("bad", "1", returns_nothing, settings=Undescribed), "cannot be described"),
    ],
    ids=["line break", "long name", "no version", "mime type", "slot", "settings"],
)
def test_what_the_scheduler_would_refuse_is_left_out_and_named(bad: TaskType, words: str) -> None:
    good = TaskType("good", "1", returns_nothing)
    described, problems = describe_task_types([bad, good])
    assert [found.name for found in described] == ["good"]
    (problem,) = problems
    assert repr(bad.name) in problem
    assert words in problem
    WorkerAnnouncement(worker_id="w", host="h", process_id=1, slots=1, task_types=described)
