"""Who is at fault when a disk is full, and when a worker takes nothing more."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from eas.authoring.errors import OutputError
from eas.contracts.states import FailureReason
from eas_worker.domain.assignment import Answer, AnsweredState, Departure
from eas_worker.domain.limits import Cause
from eas_worker.domain.want_of_room import DiskLook, describe, excuse
from eas_worker.logic.room import Room
from eas_worker.storage.local_disk import LocalDisk

MB = 1_000_000
PROMISED = 100 * MB
ROOMY = DiskLook("/scratch", free=5000 * MB, own=0, promised=PROMISED)
SHORT = replace(ROOMY, free=50 * MB)
FULL = replace(ROOMY, free=0)


def ended(state: AnsweredState, reason: FailureReason | None = None) -> Answer:
    return Answer(attempt_id=1, state=state, started_at=0.0, ended_at=1.0, reason=reason, message="words")


def full_disk(number: int = errno.ENOSPC) -> OSError:
    return OSError(number, "no room")


def wrapped() -> OutputError:
    error = OutputError("the file cannot be written")
    error.__cause__ = full_disk()
    return error


@pytest.mark.parametrize(
    ("error", "look", "given_back"),
    [
        (full_disk(), FULL, True),
        (full_disk(), SHORT, True),
        (wrapped(), FULL, True),
        (full_disk(), ROOMY, False),  # it is another disk that is full
        (full_disk(), replace(FULL, own=60 * MB), True),
        (full_disk(), replace(FULL, own=150 * MB), False),  # it wrote more than was promised
        (full_disk(errno.EDQUOT), ROOMY, True),
        (full_disk(errno.EDQUOT), replace(ROOMY, own=150 * MB), False),
        (RuntimeError("the program ended with status 1"), FULL, True),
        (RuntimeError("the program ended with status 1"), SHORT, False),
        (RuntimeError("the program ended with status 1"), replace(FULL, own=150 * MB), False),
        (full_disk(), replace(FULL, promised=0), False),  # nobody looks
    ],
)
def test_a_failure_for_want_of_room_is_the_workers_where_less_is_free_than_it_promised(
    error: Exception, look: DiskLook, given_back: bool
) -> None:
    failed = ended("failed", FailureReason.INFRASTRUCTURE)
    found = excuse(failed, error, look)
    if given_back:
        assert (found.state, found.reason) == ("failed", FailureReason.EVICTED)
        assert "the worker's disk is full: /scratch has" in (found.message or "")
    else:
        assert found is failed


def test_what_quality_control_rejects_counts_only_where_anything_could_be_written() -> None:
    rejected = ended("rejected", FailureReason.QUALITY)
    assert excuse(rejected, None, FULL).reason is FailureReason.EVICTED
    assert excuse(rejected, None, SHORT) is rejected
    accepted = ended("accepted")
    assert excuse(accepted, None, FULL) is accepted


@pytest.mark.parametrize(
    ("departure", "possible"),
    [
        (Departure(signal=7, status=None), True),
        (Departure(signal=None, status=1), True),
        (Departure(signal=None, status=113), True),
        (Departure(signal=9, status=None), False),
        (Departure(signal=None, status=0), False),
        (Departure(signal=None, status=None), False),
        (Departure(signal=9, status=None, cause=Cause(1, FailureReason.OVER_LIMIT, "wrote too much")), False),
    ],
)
def test_a_process_may_end_for_want_of_room_unless_somebody_else_ended_it(departure: Departure, possible: bool) -> None:
    assert departure.may_be_for_want_of_room is possible


def test_what_is_said_of_a_folder_can_be_sent_whatever_its_name_is(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    look = LocalDisk(folder, PROMISED).look()
    describe(look).encode()
    assert look.folder.endswith("\\udcff")


@dataclass
class PretendedDisk:
    """A disk of which the test says how full it is."""

    found: DiskLook = ROOMY
    looks: int = 0
    looked: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self, *_folders: Path) -> DiskLook:
        self.looks += 1
        return self.found

    def set_aside(self) -> None:
        pass


@dataclass
class PretendedCache:
    """Kept files on that disk."""

    disk: PretendedDisk
    kept: int = 0

    def give_way(self) -> bool:
        if not self.kept:
            return False
        self.disk.found = replace(self.disk.found, free=self.disk.found.free + self.kept)
        self.kept = 0
        return True


class Place:
    def __init__(self, kept: int = 0) -> None:
        self.disk = PretendedDisk()
        self.events: list[str] = []
        self.room = Room(
            self.disk,
            PretendedCache(self.disk, kept),  # type: ignore[arg-type]
            on_pause=lambda: self.events.append("pause"),
            on_resume=lambda: self.events.append("resume"),
        )


async def test_a_worker_pauses_while_there_is_less_room_than_it_promises() -> None:
    place = Place()
    await place.room.look()
    assert place.room.paused is None
    place.disk.found = replace(ROOMY, free=12 * MB)
    for _ in range(2):
        await place.room.look()
    assert place.room.paused == (
        "its disk is full: 88 MB are missing, /scratch has 12 MB left and its tasks need 100 MB"
    )
    place.disk.found = ROOMY
    await place.room.look()
    assert place.room.paused is None
    assert place.events == ["pause", "resume"]


async def test_kept_files_go_before_a_worker_pauses() -> None:
    place = Place(kept=200 * MB)
    place.disk.found = replace(ROOMY, free=12 * MB)
    await place.room.look()
    assert place.room.paused is None
    assert place.events == []


async def test_what_found_the_disk_full_makes_the_worker_wait_although_there_seems_to_be_room() -> None:
    place = Place()
    place.room.note_full("the worker's disk is full")
    await place.room.look()
    assert place.room.paused == "the worker's disk is full"
    assert place.events == ["pause"]


async def test_a_disk_that_nobody_looks_at_never_pauses_a_worker() -> None:
    room = Room(None, None, on_pause=lambda: None, on_resume=lambda: None)
    await room.look()
    await room.run()
    assert room.paused is None
    assert room.explain(Path("/"), full=False) is None
