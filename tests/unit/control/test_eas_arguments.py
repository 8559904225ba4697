"""Arguments that make no sense, and suites that are not there: words and a status, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eas_control.handlers.job_control import read_setting
from eas_control.main import run


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EAS_URL", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["products", "get", "--json"], "--job JOB --to FOLDER"),
        (["products", "get", "a/b", "--job", "1", "--json"], "--job JOB --to FOLDER"),
        (["products", "get", "a/b", "--to", "x", "--json"], "written with -o"),
        (["products", "get", "--job", "1", "--json"], "--job needs --to"),
        (["submit", "--json"], "file"),
        (["tree", "one", "--json"], "JOB"),
        (["nonsense", "--json"], "nonsense"),
        (["retry", "1", "--task", "x", "--json"], "task"),
        (["retry", "1", "--reason", "tiredness", "--json"], "tiredness"),
        (["retry", "1", "--set", "period", "--json"], "expected KEY=VALUE, not 'period'"),
        (["retry", "1", "--set", "=3", "--json"], "expected KEY=VALUE"),
        (["retry", "1", "--rule", "memory=8", "--json"], "memory: Extra inputs are not permitted"),
        (["retry", "1", "--rule", "memory_gb=much", "--json"], "memory_gb: Input should be a valid number"),
        (["cancel", "--json"], "--task"),
        (["cancel", "1", "--task", "2", "--json"], "--task"),
        (["excuse", "1", "--json"], "TEXT"),
        (["jobs", "--state", "asleep", "--json"], "asleep"),
        (["queues", "--json", "purge", "null"], "stand behind it"),
        (["containers", "--json", "load", "x.xml"], "stand behind it"),
        (["containers", "assign", "box", "--json"], "--memory-gb"),
        (["containers", "assign", "box", "--cpu", "-1", "--json"], "cpu"),
        (["containers", "load", "--json"], "file"),
        (["queues", "show", "null", "--csv", "--json"], "exclude"),
        (["queues", "purge", "--json"], "TYPE"),
        (["queues", "reschedule", "all", "--json"], "JOB"),
    ],
)
def test_wrong_usage_has_status_2(arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2

    out, err = capfd.readouterr()
    error = json.loads(out)["error"]
    assert (error["slug"], error["exit_status"]) == ("usage", 2)
    assert words in error["message"]
    assert err == ""


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("period=3.5", ("period", 3.5)),
        ("name=a=b", ("name", "a=b")),
        ("period=(metadata['p'])", ("period", "(metadata['p'])")),
        ('specs={"noise": 1}', ("specs", {"noise": 1})),
        ("period=null", ("period", None)),
        ("period=NaN", ("period", "NaN")),
        ("word=", ("word", "")),
    ],
)
def test_a_setting_is_json_or_text(text: str, setting: tuple[str, object]) -> None:
    assert read_setting(text, "--set") == setting


def test_without_a_suite_the_status_is_1(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["jobs"]) == 1

    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("eas: no suite found")


def test_a_suite_that_does_not_answer_is_named(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EAS_URL", "http://127.0.0.1:1")

    assert run(["jobs", "--json"]) == 1

    error = json.loads(capfd.readouterr().out)["error"]
    assert error["slug"] == "unavailable"
    assert "http://127.0.0.1:1/scheduler/jobs" in error["message"]


def test_a_document_that_cannot_be_read_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["submit", "missing.json"]) == 1
    assert capfd.readouterr().err == "eas: missing.json: No such file or directory\n"


@pytest.mark.parametrize("arguments", [["--light-curves", "missing"], ["--light-curves", "."], ["--examples", "."]])
def test_a_demonstration_without_light_curves_is_refused(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", *arguments]) != 0
    assert capfd.readouterr().err.startswith("eas: ")


def test_a_demonstration_does_not_empty_a_strange_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")

    assert run(["demo", "--out", str(tmp_path)]) == 1

    assert "'thesis.tex'" in capfd.readouterr().err
    assert (tmp_path / "thesis.tex").exists()
