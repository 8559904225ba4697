"""``eas up`` on a disk that is full says so.

A process is started because a mount belongs to a process: it has a small file system of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOUNT = ("unshare", "-Urm", "sh", "-c")


def test_a_suite_that_has_no_room_to_start_names_the_folder_whose_disk_is_full(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run([*MOUNT, f"mount -t tmpfs t {tmp_path}"]).returncode:
        pytest.skip("this system lets users mount no file system of their own")
    disk = tmp_path / "data"
    disk.mkdir()
    script = f'mount -t tmpfs -o size=512k,mode=700 t {disk} && exec "$0" "$@"'
    command = [sys.executable, "-m", "eas_control.main", "up", "--data", str(disk), "--port", "0"]
    found = subprocess.run([*MOUNT, script, *command], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.returncode == 1
    assert f"no space left on device: {disk}" in found.stderr
    assert "Traceback" not in found.stderr
