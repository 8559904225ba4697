"""Journals and the spool that reads them: rotation, torn lines, positions, and who may delete what."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from eas.journal.journal import Journal, SpoolBound, list_segments, spool_size
from eas.journal.spool import Spool, SpoolInUseError


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    found = Spool(tmp_path / "spool")
    yield found
    found.close()


def take(spool: Spool, most: int = 1000) -> list[bytes]:
    chunk = spool.collect(most)
    if chunk.positions:
        spool.settle(chunk)
    return chunk.lines


def test_lines_come_out_once_and_in_order(spool: Spool) -> None:
    journal = Journal(spool.folder, "writer")
    for number in range(5):
        journal.append(b"%d" % number)
    assert take(spool, most=2) == [b"0", b"1"]
    assert take(spool) == [b"2", b"3", b"4"]
    journal.append(b"5")
    assert take(spool) == [b"5"]
    assert take(spool) == []


def test_what_is_not_settled_comes_again(spool: Spool) -> None:
    Journal(spool.folder, "writer").append(b"line")
    assert spool.collect(10).lines == [b"line"]
    assert spool.collect(10).lines == [b"line"]


def test_a_new_reader_goes_on_where_the_last_one_stopped(spool: Spool) -> None:
    journal = Journal(spool.folder, "writer")
    journal.append(b"one")
    assert take(spool) == [b"one"]
    journal.append(b"two")
    spool.close()
    again = Spool(spool.folder)
    assert take(again) == [b"two"]
    again.close()
    spool._lock = os.open(os.devnull, os.O_RDONLY)


@pytest.mark.parametrize("damage", [b"", b"\0\0\0", b"[1]", b'{"a": "x"}'])
def test_damaged_positions_only_mean_a_repetition(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "positions.json").write_bytes(damage)
    journal = Journal(tmp_path, "writer")
    journal.append(b"line")
    spool = Spool(tmp_path)
    assert take(spool) == [b"line"]
    spool.close()


def test_finished_segments_vanish_once_they_are_stored_and_the_current_one_stays(spool: Spool) -> None:
    journal = Journal(spool.folder, "writer", SpoolBound(segment=100))
    for number in range(10):
        journal.append(b"%039d" % number)
    assert len(list_segments(spool.folder)) == 5
    assert [int(line) for line in take(spool)] == list(range(10))
    assert take(spool) == []
    assert len(list_segments(spool.folder)) == 1
    journal.append(b"more")
    assert take(spool) == [b"more"]
    journal.close()
    assert take(spool) == []
    assert list_segments(spool.folder) == []
    assert (spool.folder / "positions.json").read_bytes() == b"{}"


def test_a_busy_writer_does_not_starve_another(spool: Spool) -> None:
    busy, quiet = Journal(spool.folder, "a"), Journal(spool.folder, "b")
    for _ in range(100):
        busy.append(b"busy")
    quiet.append(b"quiet")
    assert b"quiet" in take(spool, most=10) + take(spool, most=10)


def test_a_torn_last_line_waits_while_its_writer_lives_and_is_set_aside_when_it_is_dead(spool: Spool) -> None:
    journal = Journal(spool.folder, "writer")
    journal.append(b"whole")
    os.write(journal._descriptor, b'{"torn')
    assert take(spool) == [b"whole"]
    assert take(spool) == []
    assert len(list_segments(spool.folder)) == 1
    journal.close()
    assert take(spool) == []
    assert list_segments(spool.folder) == []
    assert (spool.folder / "rejected").read_bytes() == b'{"torn\n'


def test_a_full_disk_does_not_stop_the_shipping_of_what_is_there(spool: Spool) -> None:
    (spool.folder / ".positions.json").symlink_to("/dev/full")
    journal = Journal(spool.folder, "writer")
    journal.append(b"one")
    assert take(spool) == [b"one"]
    journal.append(b"two")
    assert take(spool) == [b"two"]
    (spool.folder / ".positions.json").unlink()
    journal.append(b"three")
    assert take(spool) == [b"three"]
    assert (spool.folder / "positions.json").read_bytes() == b'{"writer.000000.ndjson":14}'


@pytest.mark.parametrize("gap", [False, True])
def test_nobody_says_how_many_records_a_dead_writer_had_when_a_full_disk_did_not_take_all(
    spool: Spool, gap: bool
) -> None:
    record = b'{"attempt_id":5,"stream":"w","sequence":2}'
    journal = Journal(spool.folder, "writer")
    journal.append(record)
    if gap:
        journal.mark_gap()
    journal.close()
    ending = [] if gap else [b'{"emitted":3,"attempt_id":5,"stream":"w"}']
    assert take(spool) + take(spool) == [record, *ending]


def test_a_line_longer_than_one_read_comes_out_whole(spool: Spool) -> None:
    journal = Journal(spool.folder, "writer")
    long = b"x" * 3_000_000
    journal.append(long)
    journal.append(b"short")
    assert take(spool) == [long]
    assert take(spool) == [b"short"]


def test_a_write_that_ends_half_way_raises_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The limit on the size of files stands in for a full disk: both end a write half-way."""
    script = f"""
import resource, signal
from pathlib import Path
from eas.journal.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal(Path({str(tmp_path)!r}), "writer")
journal.append(b"before")
resource.setrlimit(resource.RLIMIT_FSIZE, (12, {resource.RLIM_INFINITY}))
for _ in range(2):
    try:
        journal.append(b"cut short")
    except OSError as error:
        print("refused")
resource.setrlimit(resource.RLIMIT_FSIZE, ({resource.RLIM_INFINITY}, {resource.RLIM_INFINITY}))
journal.append(b"after")
"""
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert found.stdout.split() == ["refused", "refused"]
    spool = Spool(tmp_path)
    assert take(spool) == [b"before", b"after"]
    spool.close()


def test_the_pressure_is_the_size_of_all_writers_segments(tmp_path: Path) -> None:
    bound = SpoolBound(total=1000, measure_every=0)
    first, second = Journal(tmp_path, "a", bound), Journal(tmp_path, "b", bound)
    first.append(b"x" * 249)
    second.append(b"x" * 249)
    assert spool_size(tmp_path) == 500
    assert first.pressure() == pytest.approx(0.5)


def test_a_second_process_is_refused_the_same_spool(spool: Spool) -> None:
    script = f"from pathlib import Path; from eas.journal.spool import Spool; Spool(Path({str(spool.folder)!r}))"
    found = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert SpoolInUseError.__name__ in found.stderr
    assert found.returncode == 1
