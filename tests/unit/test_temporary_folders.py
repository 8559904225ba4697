"""Temporary folders go with their makers, also with those that were killed, and with nobody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from eas.temporary_folders import LOCK_NAME, remove_left_behind, temporary_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    before, tempfile.tempdir = tempfile.tempdir, str(tmp_path)
    yield tmp_path
    tempfile.tempdir = before


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def test_a_folder_is_gone_after_its_block(place: Path) -> None:
    with temporary_folder("trial") as folder:
        (folder.path / "file").write_text("x")
        assert names(place) == [folder.path.name]
        assert folder.path.name.startswith("eas-trial-")
        assert folder.path.stat().st_mode & 0o777 == 0o700
        assert remove_left_behind() == 0
        assert (folder.path / "file").exists()
    assert names(place) == []


def test_what_is_not_ours_stays(place: Path) -> None:
    (place / "eas-worker-0").mkdir()
    (place / "eas-worker-0" / "file").touch()
    (place / "eas-new-abc").mkdir()  # perhaps its maker is about to lock it
    (place / "other").mkdir()
    (place / "other" / LOCK_NAME).touch()
    (place / "eas-link").symlink_to(place / "other")
    before = names(place)
    assert remove_left_behind() == 0
    assert names(place) == before
    os.utime(place / "eas-worker-0", (0, 0))
    os.utime(place / "eas-new-abc", (0, 0))
    assert remove_left_behind() == 1
    assert names(place) == ["eas-link", "eas-worker-0", "other"]


def test_the_folder_of_a_process_that_was_killed_goes_when_nobody_works_in_it_any_more(place: Path) -> None:
    """Only a process of its own can be killed."""
    script = """
import subprocess, sys, time
from eas.temporary_folders import TemporaryFolder
folder = TemporaryFolder("trial")
child = subprocess.Popen(["sleep", "600"], pass_fds=(folder.lock,))
print(child.pid, flush=True)
time.sleep(600)
"""
    environment = {**os.environ, "TMPDIR": str(place)}
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert remove_left_behind() == 0
        process.kill()
        process.wait()
        assert remove_left_behind() == 0
        os.kill(child, signal.SIGKILL)
    while Path(f"/proc/{child}").exists() and Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
        os.sched_yield()
    successor = "from eas.temporary_folders import TemporaryFolder; TemporaryFolder('next').remove()"
    subprocess.run([sys.executable, "-c", successor], cwd=ROOT, env=environment, check=True)
    assert names(place) == []
