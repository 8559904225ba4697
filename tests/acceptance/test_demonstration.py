"""`eas demo`: one command from nothing to a table and files, on a small campaign."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import eas, processes_of
from tests.acceptance.test_eas_commands import SEARCH

pytestmark = pytest.mark.acceptance


def make_examples(folder: Path, document: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "injection_recovery.json").write_text(json.dumps(document))
    return folder


def test_a_demonstration_shows_what_was_found_and_leaves_nothing_running(tmp_path: Path) -> None:
    document = json.loads(json.dumps(SEARCH).replace("star_", "report_"))
    examples = make_examples(tmp_path / "examples", document)
    arguments = ("demo", "--out", tmp_path / "out", "--examples", examples)

    first = eas(*arguments)
    again = eas(*arguments)

    for done in (first, again):
        assert done.returncode == 0, done.stdout + done.stderr
        lines = [line.split() for line in done.stdout.splitlines()]
        assert [line[:2] + line[5:6] for line in lines if line[:1] in (["0.1"], ["1"])] == [
            ["0.1", "2", "FAIL"],
            ["1", "2", "PASS"],
        ]
        assert "job 1 search: done (8 done)" in done.stdout
    assert sorted(path.name for path in (tmp_path / "out" / "reports").iterdir()) == ["report_0.npz", "report_1.npz"]
    assert processes_of(tmp_path / "out") == {}


def test_a_demonstration_whose_job_fails_says_where(tmp_path: Path) -> None:
    body = [{"task": "error", "message": "on purpose", "reason": "input"}]
    loop = {"task": "execution_for_loop", "parameter": "n", "values": [1], "task_list": body}
    examples = make_examples(tmp_path / "examples", {"task_list": [loop]})

    done = eas("demo", "--out", tmp_path / "out", "--examples", examples)

    assert done.returncode == 1
    assert "input: on purpose" in done.stdout
    assert processes_of(tmp_path / "out") == {}
