"""Any executable as a task type: its files and environment, its log, its results, and what its exit status means."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from eas.authoring.errors import OutputError
from eas.authoring.executables import (
    ExecutableError,
    check_declaration,
    load_executable,
)
from eas.authoring.program_results import ProgramError
from eas.authoring.task_type import InputFile, TaskContext, TaskType
from eas.contracts.metadata import Metadata
from eas.contracts.states import FailureReason
from eas.journal.children import MAX_LINE
from eas.lightcurve import FixedStepLightCurve, read_light_curve, write_light_curve
from eas_worker.storage.task_types import InstalledTaskTypes, describe_task_type

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "executables"


def declare(folder: Path, script: str, **rest: Any) -> TaskType:
    """Make a task type of a shell script."""
    (folder / "work.sh").write_text(script)
    path = folder / "trial.json"
    path.write_text(json.dumps({"name": "trial", "version": "1", "command": ["sh", "./work.sh"], **rest}))
    return load_executable(path)


def run(
    task_type: TaskType, folder: Path, settings: dict[str, Any] | None = None, **rest: Any
) -> tuple[TaskContext, Metadata]:
    """Run it as the worker does, in a directory of its own."""
    directory = folder / "attempt"
    directory.mkdir()
    context = TaskContext(directory, rest.pop("inputs", {}), rest.pop("outputs", {}), **rest)
    return context, task_type.run(context, task_type.settings.model_validate(settings or {}))


# --- What it is given


def test_task_json_holds_all_that_it_needs(tmp_path: Path) -> None:
    # Given an executable with settings, an input and an output
    task_type = declare(
        tmp_path,
        "cat inputs/lc.tar.gz > outputs/copy.dat",
        settings={"depth": {"type": "number", "default": 0.5}, "name": {"type": "string"}},
        inputs={"lc": {}},
        outputs={"copy": {}},
    )
    source = tmp_path / "0" / "product.tar.gz"
    source.parent.mkdir()
    source.write_bytes(b"\0\1\2")
    # When it runs
    context, _ = run(
        task_type,
        tmp_path,
        {"name": "x"},
        inputs={"lc": InputFile(source, {"mes": 7.5})},
        outputs={"copy": "made.dat"},
        metadata={"index": 3},
        cpus=2,
        seed=11,
    )
    # Then
    assert json.loads((context.directory / "task.json").read_text()) == {
        "task_type": "trial",
        "version": "1",
        "settings": {"depth": 0.5, "name": "x"},
        "metadata": {"index": 3},
        "seed": 11,
        "cpus": 2,
        "inputs": {"lc": {"path": "inputs/lc.tar.gz", "metadata": {"mes": 7.5}}},
        "outputs": {"copy": {"path": "outputs/copy.dat", "filename": "made.dat"}},
    }
    assert [(file.slot, file.path.read_bytes()) for file in context.outputs] == [("copy", b"\0\1\2")]


def test_its_environment_is_clean_and_says_what_is_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_WORKER_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("LICENCE_SERVER", "there")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    task_type = declare(
        tmp_path,
        "env -0 > env.txt; cd ..; pwd",
        environment={"MODE": "fast"},
        pass_environment=["LICENCE_SERVER", "NOT_THERE"],
        settings={"is-on": {"type": "boolean"}, "list": {"type": "array"}, "lower": {"type": ["number", "null"]}},
        inputs={"lc.2": {}},
        outputs={"out": {}},
    )
    (tmp_path / "a.txt").touch()
    context, _ = run(
        task_type,
        tmp_path,
        {"is-on": True, "list": [1], "lower": None},
        inputs={"lc.2": InputFile(tmp_path / "a.txt")},
        outputs={"out": "x.gz"},
        input_directory=tmp_path,
        cpus=3,
        seed=5,
    )
    found = dict(
        entry.split("=", 1) for entry in (context.directory / "env.txt").read_text().split("\0") if "=" in entry
    )
    assert {name: found.pop(name, None) for name in ("PWD", "PATH", "_", "SHLVL", "OLDPWD", "TZ")}["PATH"]
    threads = {name for name in found if name.endswith("THREADS")}
    assert {found.pop(name) for name in threads} == {"3"}
    assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"} <= threads
    assert found == {
        "HOME": str(context.directory),
        "TMPDIR": str(context.directory / "tmp"),
        "LANG": "C.UTF-8",
        "MPLBACKEND": "agg",
        "MODE": "fast",
        "LICENCE_SERVER": "there",
        "EAS_TASK_TYPE": "trial",
        "EAS_TASK_TYPE_VERSION": "1",
        "EAS_SEED": "5",
        "EAS_CPUS": "3",
        "EAS_DIRECTORY": str(context.directory),
        "EAS_INPUT_DIRECTORY": str(tmp_path),
        "EAS_INPUT_LC_2": "inputs/lc.2.txt",
        "EAS_OUTPUT_OUT": "outputs/out.gz",
        "EAS_SETTING_IS_ON": "true",
        "EAS_SETTING_LOWER": "",
    }


# --- What it says


def test_every_line_becomes_a_record_whatever_its_bytes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    script = r"""
printf 'one\n\ntwo\377\000\033[1m\n'
printf 'oops\n' >&2
printf 'unfinished'
"""
    with caplog.at_level(logging.INFO):
        run(declare(tmp_path, script), tmp_path)
    assert [record.message for record in caplog.records if record.name == "stdout"] == [
        "one",
        r"two\xff\x00\x1b[1m",
        "unfinished",
    ]
    assert [(record.levelname, record.message) for record in caplog.records if record.name == "stderr"] == [
        ("WARNING", "oops")
    ]


def test_endless_lines_are_logged_in_pieces_and_megabytes_do_not_block(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        run(declare(tmp_path, "head -c 1000000 /dev/zero | tr '\\0' x; head -c 300000 /dev/zero >&2"), tmp_path)
    said = [record.message for record in caplog.records if record.name == "stdout"]
    assert max(map(len, said)) == MAX_LINE
    assert sum(map(len, said)) == 1_000_000


def test_what_it_leaves_running_does_not_keep_the_attempt(tmp_path: Path) -> None:
    # Longer than the time limit of a test. The signal fails if the process that was left has ended.
    context, _ = run(declare(tmp_path, "sleep 3600 & echo $! > pid; echo done"), tmp_path)
    os.kill(int((context.directory / "pid").read_text()), signal.SIGKILL)


def test_closed_streams_do_no_harm(tmp_path: Path) -> None:
    _, metadata = run(declare(tmp_path, 'exec 1>&- 2>&-; echo \'{"metadata": {"a": 1}}\' > result.json'), tmp_path)
    assert metadata == {"a": 1}


# --- How it ends


@pytest.mark.parametrize(
    ("script", "reason", "words"),
    [
        ("exit 1", FailureReason.SCIENCE, "the program ended with exit status 1"),
        ("echo no star >&2; exit 65", FailureReason.INPUT, "ended with exit status 65: no star"),
        ("exit 66", FailureReason.INPUT, "66"),
        ("exit 70", FailureReason.SCIENCE, "70"),
        ("exit 75", FailureReason.INFRASTRUCTURE, "75"),
        ("exit 78", FailureReason.INFRASTRUCTURE, "78"),
        ("no_such_command", FailureReason.INFRASTRUCTURE, "127"),
        ("kill -SEGV $$", FailureReason.SCIENCE, r"was killed by signal 11 \(SIGSEGV\)"),
        ("kill -KILL $$", FailureReason.OUT_OF_MEMORY, r"was killed by signal 9 \(SIGKILL\)"),
        ("kill -XCPU $$", FailureReason.TIMEOUT, "SIGXCPU"),
        (
            """echo '{"reason": "input", "message": "too faint"}' > result.json; exit 1""",
            FailureReason.INPUT,
            "too faint",
        ),
        ("echo '{' > result.json; exit 3", FailureReason.SCIENCE, "ended with exit status 3"),
    ],
)
def test_the_end_of_a_program_has_a_typed_reason(
    tmp_path: Path, script: str, reason: FailureReason, words: str
) -> None:
    with pytest.raises(ProgramError, match=words) as caught:
        run(declare(tmp_path, script), tmp_path)
    assert caught.value.reason is reason


def test_only_the_last_words_are_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(ProgramError) as caught:
        run(declare(tmp_path, "seq 1000 >&2; exit 1"), tmp_path)
    assert str(caught.value).split(": ", 1)[1].split() == [str(number) for number in range(981, 1001)]


def test_a_program_that_is_not_there_is_infrastructure(tmp_path: Path) -> None:
    task_type = declare(tmp_path, "true", command=["no-such-program-here"])
    with pytest.raises(ProgramError, match="no-such-program-here: there is no such executable") as caught:
        run(task_type, tmp_path)
    assert caught.value.reason is FailureReason.INFRASTRUCTURE


# --- What it made


def test_result_json_describes_outputs_and_judges_them(tmp_path: Path) -> None:
    result = {
        "metadata": {"period": 3.5},
        "outputs": {
            "good": {"metadata": {"a": [1, None]}, "mime_type": "text/csv"},
            "bad": {"path": "elsewhere.txt", "passed": False, "reason": "blurred"},
        },
    }
    (tmp_path / "result.json").write_text(json.dumps(result))
    task_type = declare(
        tmp_path,
        f"cp {tmp_path}/result.json .; echo 1 > outputs/good.csv; echo 2 > elsewhere.txt",
        outputs={"good": {}, "bad": {}, "other": {"required": False}},
    )
    context, metadata = run(task_type, tmp_path, outputs={"good": "g.csv", "bad": "b.csv", "other": "o.csv"})
    assert metadata == {"period": 3.5}
    assert [(file.slot, file.path.name, file.metadata, file.mime_type) for file in context.outputs] == [
        ("good", "good.csv", {"a": [1, None]}, "text/csv"),
        ("bad", "elsewhere.txt", {}, None),
    ]
    assert task_type.check is not None
    assert [(found.slot, found.passed, found.reason) for found in task_type.check(context, metadata)] == [
        ("good", True, ""),
        ("bad", False, "blurred"),
    ]


def test_products_that_no_job_declared_need_a_name(tmp_path: Path) -> None:
    script = """
echo 1 > a.txt
echo '{"outputs": {"extra": {"path": "a.txt", "filename": "found.txt"}}}' > result.json
"""
    context, _ = run(declare(tmp_path, script, open_outputs=True), tmp_path)
    assert [(file.slot, file.filename) for file in context.outputs] == [("extra", "found.txt")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "result.json is not JSON"),
        ("[]", "result.json: file: Input should be a valid dictionary"),
        ('{"metdata": {}}', "result.json: metdata: Extra inputs are not permitted"),
        ('{"outputs": {"x": {"metadata": 1}}}', "result.json: outputs.x.metadata: Input should be a valid dictionary"),
        ('{"outputs": {"x": {}}}', "outputs.x: the job declares no such output"),
    ],
)
def test_a_wrong_result_json_is_an_output_error(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(OutputError, match=words):
        run(declare(tmp_path, f"echo '{text}' > result.json"), tmp_path)


# --- How it is declared


def test_settings_are_announced_as_a_schema_and_checked_by_it(tmp_path: Path) -> None:
    task_type = declare(
        tmp_path,
        "true",
        settings={
            "specs": {
                "type": "object",
                "properties": {"depth": {"type": "number", "minimum": 0, "default": 1}},
                "additionalProperties": False,
                "default": {},
            },
            "label": {"type": "string"},
        },
    )
    schema = describe_task_type(task_type).settings_schema
    assert (schema["required"], schema["additionalProperties"]) == (["label"], False)
    assert task_type.settings.model_validate({"label": "a"}).values == {"specs": {"depth": 1}, "label": "a"}  # type: ignore[attr-defined]
    with pytest.raises(ValidationError) as caught:
        task_type.settings.model_validate({"specs": {"depth": -1}, "colour": 3})
    found = {(error["loc"], error["msg"]) for error in caught.value.errors()}
    assert (("specs", "depth"), "-1.0 is less than the minimum of 0") in found
    assert {message for place, message in found if place == ()} == {
        '"label" is a required property',
        "Additional properties are not allowed ('colour' was unexpected)",
    }


def test_a_whole_schema_may_be_given(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": []}
    task_type = declare(tmp_path, "true", settings=schema)
    assert describe_task_type(task_type).settings_schema == {"additionalProperties": False, **schema}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = 3", "name: Input should be a valid string"),
        ("name = 'a b'\nversion = '1'\ncommand = ['x']", "name: String should match pattern"),
        ("name = 'a'\nversion = '1'\ncommand = []", "command: List should have at least 1 item"),
        ("name = 'a'\nversion = '1'\ncommand = ['x']\ncomand = 1", "comand: Extra inputs are not permitted"),
        ("name =", "Invalid value"),
        ("name = 'a'\nversion = '1'\ncommand = ['x']\nsettings.b.type = 'nmber'", 'settings: "nmber" is not valid'),
        ("name = 'a'\nversion = '1'\ncommand = ['./x']", "x: there is no such executable"),
        ("name = 'a'\nversion = '1'\ncommand = ['sh', './x']", "x: there is no such file"),
    ],
)
def test_a_wrong_declaration_is_explained(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "task_type.toml"
    path.write_text(text)
    problems = check_declaration(path)
    assert len(problems) == 1
    assert str(path) in problems[0]
    assert words in problems[0]


def test_executables_are_found_in_the_folder_of_task_types(tmp_path: Path) -> None:
    # Given two good ones, one of them in a folder of its own, a broken one, and one with the name of another task type
    text = "name = '{}'\nversion = '2'\ncommand = ['true']"
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "task_type.toml").write_text(text.format("mine"))
    (tmp_path / "other.task_type.toml").write_text(text.format("other"))
    (tmp_path / "broken.task_type.json").write_text("{}")
    (tmp_path / "null.task_type.toml").write_text(text.format("null"))
    (tmp_path / "pyproject.toml").write_text("not one at all")
    # When the worker looks
    catalog = InstalledTaskTypes.discover(only=["mine", "other", "null"], folder=tmp_path)
    found, problems = catalog.load_all()
    # Then
    versions = {task_type.name: task_type.version for task_type in found}
    assert (versions["mine"], versions["other"], versions["null"]) == ("2", "2", "1")
    assert catalog.find("mine") is not None
    assert len(problems) == 2
    assert any("broken.task_type.json: name: Field required" in problem for problem in problems)
    assert any("null.task_type.toml: there is a task type 'null' already" in problem for problem in problems)


# --- The examples


@pytest.fixture
def curve() -> FixedStepLightCurve:
    return FixedStepLightCurve(0.0, 600 / 86400, [1.0, 2.0, 6.0, 2.0, 1.0], flags=[0, 0, 1, 0, 0])


def test_the_example_in_the_language_of_the_shell(tmp_path: Path, curve: FixedStepLightCurve) -> None:
    path = EXAMPLES / "flux_range" / "task_type.toml"
    assert check_declaration(path) == []
    task_type = load_executable(path)
    write_light_curve(curve, tmp_path / "lc.gz")
    given = {"lightcurve": InputFile(tmp_path / "lc.gz")}
    context, metadata = run(task_type, tmp_path, {"lowest_allowed": 1.5}, inputs=given)
    assert metadata == {"flux_min": 1, "flux_max": 2, "samples": 4}
    assert task_type.check is not None
    verdicts = task_type.check(context, metadata)
    assert [(found.passed, found.reason) for found in verdicts] == [(False, "a flux is lower than allowed")]


def test_the_shell_example_calls_a_curve_without_samples_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "lc.txt").write_text("# nothing\n")
    given = {"lightcurve": InputFile(tmp_path / "lc.txt")}
    with pytest.raises(ProgramError, match="there is no sample without a flag") as caught:
        run(load_executable(EXAMPLES / "flux_range" / "task_type.toml"), tmp_path, inputs=given)
    assert caught.value.reason is FailureReason.INPUT


def test_the_example_in_c(tmp_path: Path, curve: FixedStepLightCurve) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path / "smooth"
    shutil.copytree(EXAMPLES / "smooth", folder)
    subprocess.run(["cc", "-Wall", "-Werror", "-O2", "-o", "smooth", "smooth.c"], cwd=folder, check=True)
    assert check_declaration(folder / "task_type.toml") == []
    write_light_curve(curve, tmp_path / "lc.txt")
    context, metadata = run(
        load_executable(folder / "task_type.toml"),
        tmp_path,
        {"window": 3},
        inputs={"lightcurve": InputFile(tmp_path / "lc.txt")},
        outputs={"lightcurve": "smooth.txt"},
    )
    assert metadata == {"samples": 5, "window": 3}
    smoothed = read_light_curve(context.outputs[0].path)
    assert smoothed.fluxes == pytest.approx([1.5, 3, 10 / 3, 3, 1.5])
    assert smoothed.times == pytest.approx(curve.times)
    assert context.outputs[0].metadata == {"smoothed": True}


def test_a_declared_example_is_made_of_files_beside_it(tmp_path: Path) -> None:
    example = load_executable(EXAMPLES / "flux_range" / "task_type.toml").example
    assert example is not None
    example.inputs["lightcurve"](tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == (EXAMPLES / "flux_range" / "example.txt").read_text()


def test_an_example_that_is_not_compiled_is_noticed() -> None:
    if (EXAMPLES / "smooth" / "smooth").exists():
        pytest.skip("it is compiled")
    assert "smooth: there is no such executable" in check_declaration(EXAMPLES / "smooth" / "task_type.toml")[0]


def test_a_declaration_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ExecutableError, match="No such file"):
        load_executable(tmp_path / "none.toml")
