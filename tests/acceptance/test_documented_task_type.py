"""What the guide to writing task types shows works, in its order, as somebody would type it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from eas import make_example_light_curve
from eas.lightcurve import read_light_curve
from tests.acceptance.conftest import ENVIRONMENT, RunningSuite

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "writing_a_task_type.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
(JOB,) = [text for language, text in BLOCKS if language == "json"]
FILES = {
    "job.json": JOB,
    **{text.partition("\n")[0].removeprefix("# "): text for language, text in BLOCKS if language in ("python", "toml")},
}
COMMANDS = [text.strip() for language, text in BLOCKS if language == "sh"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with all files of the guide, and a light curve."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    make_example_light_curve(tmp_path / "star.npz")
    return tmp_path


def run(place: Path, command: str, **environment: str) -> str:
    """Run a command as it is written, with `eas` on the path."""
    (place / "bin").mkdir(exist_ok=True)
    (place / "bin" / "eas").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m eas_control.main "$@"\n')
    (place / "bin" / "eas").chmod(0o755)
    paths = f"{place / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", command],
        cwd=place,
        env={**ENVIRONMENT, "PATH": paths, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_has_about_twenty_lines() -> None:
    lines = [line for line in FILES["my_tasks/smooth.py"].splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 20


def test_the_guide_works_from_the_file_to_the_job(place: Path) -> None:
    check, alone, up, submit = COMMANDS

    checked = run(place, check)
    assert re.search(r"ok  my_tasks/smooth\.py: task type 'smooth' 1, example accepted", checked)
    assert "ok  my_tasks/quality.py: quality check 'scatter_is_small' of smooth" in checked
    assert "advice" not in checked

    ran = run(place, alone)
    assert "smooth 1: accepted" in ran
    assert len(read_light_curve(place / "smooth.npz")) == len(read_light_curve(place / "star.npz"))

    options = up.split()
    assert options[:2] == ["eas", "up"]
    options = [str(place / word) if word == "my_tasks" else word for word in options[2:]]
    suite = RunningSuite(place / "eas-data", *options, EAS_WORKER_ONLY="synthesis_batman,smooth")
    try:
        submitted = run(place, submit, EAS_URL=suite.url, EAS_TOKEN=suite.token)
        assert "done (3 done)" in submitted
        (found,) = [result for result in suite.ask("results", "1") if result["task_type"] == "smooth"]
        assert found["metadata"]["smooth_scatter"] > 0
    finally:
        suite.stop()


def test_a_check_of_the_guide_rejects(place: Path) -> None:
    strict = FILES["my_tasks/quality.py"].replace("> 0.1", "> 0")
    (place / "my_tasks" / "quality.py").write_text(strict)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "eas_control.main",
            "run-task",
            "smooth.toml",
            "--task-types",
            "my_tasks",
            "--json",
        ],
        cwd=place,
        env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert answer["message"].startswith("lightcurve: scatter_is_small: scatter 0.")
    assert (place / "smooth.npz.rejected").exists()


def test_the_test_of_the_guide_passes(place: Path) -> None:
    run(place, f'"{sys.executable}" -m pytest -q tests', PYTHONPATH=f"{ROOT}:{place / 'my_tasks'}")


def test_the_package_of_the_guide_announces_its_task_type_and_check(place: Path) -> None:
    install = "-m pip install --quiet --no-deps --no-build-isolation --no-index --target site ."
    run(place, f'"{sys.executable}" {install}')
    packaged = f"{ROOT}:{place / 'site'}"

    assert "task type 'smooth' 1, example accepted" in run(place, "eas task-types check smooth", PYTHONPATH=packaged)
    alone = json.loads(run(place, "eas run-task smooth.toml --json", PYTHONPATH=packaged))
    assert alone["state"] == "accepted"
    (check,) = (place / "site").glob("my_tasks-*/entry_points.txt")
    assert "scatter_is_small = my_tasks.quality:scatter_is_small" in check.read_text()
