"""The wheel, installed into an empty environment without the repository.

Processes, because packages of the repository would be found in this one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.acceptance.conftest import ENVIRONMENT, READY
from tests.acceptance.test_demonstration import make_examples
from tests.acceptance.test_eas_commands import SEARCH

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[2]
PACKAGES = ["eas", "eas_control", "eas_logging", "eas_product_store", "eas_scheduler", "eas_worker"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the repository's tracked files."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    archive = subprocess.run(["git", "stash", "create"], cwd=ROOT, capture_output=True, text=True, check=True)
    tree = archive.stdout.strip() or "HEAD"
    tar = subprocess.run(["git", "archive", tree], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", source], input=tar.stdout, check=True)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(target)]
    subprocess.run([*build, str(source)], check=True)
    (found,) = target.glob("plato_eas-*.whl")
    return found


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`eas` in an environment that has the wheel, and of this one the dependencies only."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    python = str(place / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*install, str(wheel)], check=True)
    (packages,) = place.glob("lib/*/site-packages")
    # A plain path: the editable installation of the repository would need its .pth file to be read.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place / "bin" / "eas"


def test_the_wheel_has_six_packages_and_their_files(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert sorted({name.split("/")[0] for name in names if ".dist-info" not in name}) == PACKAGES
    for needed in (
        "eas/py.typed",
        "eas_control/examples/injection_recovery.json",
        "eas_scheduler/storage/shipped_task_types.json",
        "eas_scheduler/storage/migrations/env.py",
        "eas_scheduler/storage/migrations/versions/0001_jobs_tasks_attempts.py",
    ):
        assert needed in names


def test_nothing_is_imported_from_the_repository(command: Path, tmp_path: Path) -> None:
    program = f"import {', '.join(PACKAGES)}; print(*({'.__file__, '.join(PACKAGES)}.__file__,))"
    found = subprocess.run(
        [command.with_name("python"), "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert all(path.startswith(str(command.parents[1])) for path in found.stdout.split()), found.stdout


def test_the_demonstration_runs_from_any_folder(command: Path, tmp_path: Path) -> None:
    examples = make_examples(tmp_path / "examples", json.loads(json.dumps(SEARCH).replace("star_", "report_")))
    arguments = [str(command), "demo", "--out", "here", "--examples", str(examples)]
    done = subprocess.run(arguments, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "job 1 search: done (8 done)" in done.stdout


def test_a_suite_starts_in_any_folder(command: Path, tmp_path: Path) -> None:
    arguments = [str(command), "up", "--data", "data", "--port", "0"]
    with subprocess.Popen(arguments, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert READY.fullmatch(process.stdout.readline())
            listed = subprocess.run(
                [command, "submit", "-", "--wait", "--data", tmp_path / "data", "--json"],
                input=json.dumps({"task_list": [{"task": "null"}]}),
                env=ENVIRONMENT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert listed.returncode == 0, listed.stderr
        finally:
            process.terminate()
            process.wait(60)
