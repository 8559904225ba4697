"""Inputs kept on the host: what comes out is what its digest says, in a file of its own, and never too much is kept."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eas_worker.storage.input_cache import LocalInputCache
from eas_worker.storage.workspace import LocalWorkspace

ROOT = Path(__file__).parents[3]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def open_cache(folder: Path, limit: int = 10_000, worker: str = "w") -> LocalInputCache:
    (folder / worker).mkdir(exist_ok=True)
    return LocalInputCache(folder / "~cache", limit, folder / worker / "incoming")


def admit(cache: LocalInputCache, content: bytes) -> str:
    place = cache.make_place()
    place.write_bytes(content)
    cache.admit(place, digest(content))
    return digest(content)


def kept(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in (folder / "~cache").glob("*/bytes")}


def test_what_was_admitted_is_copied(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    sha256 = admit(cache, b"a star")
    assert cache.copy_to(sha256, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"a star"
    assert not cache.copy_to(digest(b"another"), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_task_that_writes_to_its_input_spoils_nothing(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    sha256 = admit(cache, b"a star")
    cache.copy_to(sha256, tmp_path / "copy")
    (tmp_path / "copy").write_bytes(b"nonsense")
    assert cache.copy_to(sha256, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == b"a star"


@pytest.mark.parametrize("known", [True, False])
def test_a_kept_file_that_was_changed_is_not_given_out_and_goes(tmp_path: Path, known: bool) -> None:
    cache = open_cache(tmp_path)
    sha256 = admit(cache, b"a star")
    content = tmp_path / "~cache" / sha256 / "bytes"
    times = content.stat()
    content.chmod(0o600)
    content.write_bytes(b"A STAR")
    os.utime(content, ns=(times.st_atime_ns, times.st_mtime_ns))
    reader = cache if known else open_cache(tmp_path, worker="v")
    assert not reader.copy_to(sha256, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert kept(tmp_path) == set()


def test_another_worker_uses_the_same_files(tmp_path: Path) -> None:
    sha256 = admit(open_cache(tmp_path), b"a star")
    assert open_cache(tmp_path, worker="v").copy_to(sha256, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"a star"


def test_an_output_is_taken_over_and_verified_when_it_is_used(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    for name, content in (("good", b"a star"), ("bad", b"not what was stored")):
        (tmp_path / name).write_bytes(content)
        cache.keep(tmp_path / name, digest(name.encode()) if name == "bad" else digest(content))
        assert not (tmp_path / name).exists()
    assert cache.copy_to(digest(b"a star"), tmp_path / "copy")
    assert not cache.copy_to(digest(b"bad"), tmp_path / "other")


def test_one_file_for_two_outputs_is_kept_once(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    (tmp_path / "out").write_bytes(b"a star")
    cache.keep(tmp_path / "out", digest(b"a star"))
    cache.keep(tmp_path / "out", digest(b"a star"))
    assert kept(tmp_path) == {b"a star"}


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    cache = open_cache(tmp_path, limit=1000)
    contents = [bytes([number]) * 200 for number in range(5)]
    digests = [admit(cache, content) for content in contents]
    for number, sha256 in enumerate(digests):
        os.utime(tmp_path / "~cache" / sha256, ns=(number, number))
    assert cache.copy_to(digests[0], tmp_path / "copy")
    admit(cache, b"x" * 200)
    assert kept(tmp_path) == {contents[0], contents[3], contents[4], b"x" * 200}


def test_the_limit_holds_for_all_workers_together(tmp_path: Path) -> None:
    caches = [open_cache(tmp_path, limit=1000, worker=name) for name in ("v", "w")]
    for number in range(40):
        admit(caches[number % 2], bytes([number]) * 90)
        assert sum(map(len, kept(tmp_path))) <= 1000


def test_a_smaller_limit_is_kept_from_the_start(tmp_path: Path) -> None:
    first = open_cache(tmp_path, limit=1000)
    for number in range(5):
        admit(first, bytes([number]) * 150)
    open_cache(tmp_path, limit=400, worker="v")
    assert sum(map(len, kept(tmp_path))) <= 400


def test_a_file_that_would_push_out_most_others_is_not_kept(tmp_path: Path) -> None:
    cache = open_cache(tmp_path, limit=1000)
    assert cache.takes(250)
    assert not cache.takes(251)
    admit(cache, b"x" * 251)
    assert kept(tmp_path) == set()


def test_a_copy_is_whole_though_the_file_goes_meanwhile(tmp_path: Path) -> None:
    caches = [open_cache(tmp_path, limit=4000, worker=name) for name in ("v", "w")]
    content = b"s" * 900
    sha256 = admit(caches[0], content)

    def press(number: int) -> None:
        admit(caches[1], number.to_bytes(2, "big") * 450)

    def read(number: int) -> bytes | None:
        target = tmp_path / f"copy{number}"
        found = caches[0].copy_to(sha256, target)
        if not found:
            admit(caches[0], content)
        return target.read_bytes() if found else None

    with ThreadPoolExecutor(2) as pool:
        pressing = pool.map(press, range(150))
        reads = list(pool.map(read, range(150)))
        list(pressing)
    assert set(reads) <= {content, None}
    assert content in reads


KILLED = """
import os, signal, sys
from pathlib import Path
from eas_worker.storage.input_cache import LocalInputCache
from eas_worker.storage.workspace import LocalWorkspace
workspace = LocalWorkspace(Path(sys.argv[1]), "killed")
cache = LocalInputCache(workspace.cache, 10000, workspace.incoming)
cache.make_place().write_bytes(b"half a st")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_worker_left_unfinished_is_nowhere(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    workspace = LocalWorkspace(tmp_path, "next")
    try:
        assert workspace.adopt_orphans() == 1
        cache = LocalInputCache(workspace.cache, 10_000, workspace.incoming)
        assert not cache.copy_to(digest(b"a star"), tmp_path / "copy")
        assert not list(tmp_path.rglob("bytes"))
    finally:
        workspace.close()


def test_a_copy_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    cache = open_cache(tmp_path, limit=1_000_000)
    sha256 = admit(cache, b"x" * 100_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            cache.copy_to(sha256, tmp_path / "copy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert caught.value.errno == errno.EFBIG
    assert not (tmp_path / "copy").exists()
    assert cache.copy_to(sha256, tmp_path / "copy")


def test_half_gives_way_where_the_disk_is_full(tmp_path: Path) -> None:
    cache = open_cache(tmp_path, limit=10_000)
    for number in range(4):
        admit(cache, bytes([number]) * 1000)
    cache.give_way()
    assert sum(map(len, kept(tmp_path))) == 2000


def test_what_was_verified_is_remembered_of_so_many_files_only(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    cache = LocalInputCache(tmp_path / "~cache", 10_000, tmp_path / "w" / "incoming", most_seals=2)
    digests = [admit(cache, b"star %d" % number) for number in range(5)]
    for number, sha256 in enumerate(digests):
        assert cache.copy_to(sha256, tmp_path / str(number))
        assert (tmp_path / str(number)).read_bytes() == b"star %d" % number
        assert len(cache._seals) == 2
