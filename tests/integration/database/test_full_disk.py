"""A SQLite database on a disk that is full: an error, never a signal that ends the process.

Processes are started because a mount belongs to a process, and because what is tested would end the process of the
test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from eas.database.engines import open_engine
from eas.database.index_room import INDEX_BYTES

REPOSITORY = Path(__file__).parents[3]

#: Opens a database with every small amount of room, each time in a process of its own, and prints how each ended.
OPEN_WITH_LITTLE_ROOM = """
import os, sys
from pathlib import Path
from sqlalchemy import text
from eas.contracts.errors import InsufficientStorageError
from eas.database.engines import open_engine

folder = Path(sys.argv[1])
url = f"sqlite:///{folder}/service.db"

def attempt(action):
    pid = os.fork()
    if pid == 0:
        try:
            action()
            status = 0
        except InsufficientStorageError as error:
            status = 1 if "no space left on device" in str(error) else 2
        except BaseException:
            sys.excepthook(*sys.exc_info())
            status = 3
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def fill(left):
    disk = os.statvfs(folder)
    file = os.open(folder / "filler", os.O_WRONLY | os.O_CREAT)
    try:
        os.posix_fallocate(file, 0, max(disk.f_bfree * disk.f_frsize - left, 1))
    except OSError:
        pass
    os.close(file)

def make():
    engine = open_engine(url, writer=True)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE star (name TEXT)"))
    engine.dispose()

def count():
    engine = open_engine(url, writer=False)
    with engine.connect() as connection:
        connection.execute(text("SELECT COUNT(*) FROM star")).all()
    engine.dispose()

def write_until_full():
    engine = open_engine(url, writer=True, connections=2)
    with engine.connect() as kept:
        fill(0)
        try:
            for _ in range(50):
                with engine.begin() as connection:
                    connection.execute(text("INSERT INTO star VALUES (:name)"), {"name": "x" * 20000})
        except Exception as error:
            assert "full" in str(error) or "I/O" in str(error), error
        else:
            raise AssertionError("the disk did not become full")

assert attempt(make) == 0
ends = []
for left in range(0, 64 * 1024, 1024):
    fill(left)
    ends.append(attempt(count))
    for name in ("filler", "service.db-wal", "service.db-shm"):
        (folder / name).unlink(missing_ok=True)
print(sorted(set(ends)), attempt(count), attempt(write_until_full))
"""


def test_a_full_disk_with_short_blocks_is_an_error_and_not_a_signal(tmp_path: Path) -> None:
    disk, image = tmp_path / "disk", tmp_path / "image"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    mkfs = shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    mount = f"mount -o loop {image} {disk}"
    if (
        os.geteuid() != 0
        or mkfs is None
        or subprocess.run([mkfs, "-q", "-b", "1024", "-m", "0", str(image)]).returncode
        or subprocess.run(["unshare", "-m", "sh", "-c", mount], stderr=subprocess.DEVNULL).returncode
    ):
        pytest.skip("this system lets nobody mount a file system with blocks of 1 KiB")
    script = f'{mount} && exec {sys.executable} -c "$0" {disk}'
    found = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, OPEN_WITH_LITTLE_ROOM],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    assert found.stdout == "[1] 0 0\n"


def test_the_index_of_the_log_has_all_its_blocks_as_soon_as_a_database_is_open(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/service.db", writer=True, connections=2)
    index = tmp_path / "service.db-shm"
    with engine.begin() as first, engine.connect():
        first.execute(text("CREATE TABLE star (name TEXT)"))
        if not Path("/proc/self/fd").exists():
            pytest.skip("only Linux tells which files a process has open")
        assert index.stat().st_blocks * 512 >= INDEX_BYTES
        assert index.stat().st_size < INDEX_BYTES
    engine.dispose()
