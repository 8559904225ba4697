"""A worker whose disk is full takes nothing, charges nobody, says so, loses no log record, and goes on by itself.

The worker is a process because a mount belongs to one: it has a small file system of its own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from eas.contracts.states import FailureReason
from tests.integration.worker.http_services import HttpServices, open_services
from tests.integration.worker.observation import appearance
from tests.integration.worker.processes import end_of, start_worker

MOUNT = ("unshare", "-Urm", "sh", "-c")


@dataclass
class SmallDisk:
    """A worker on a disk of 64 MB, of which 20 MB have to be free."""

    services: HttpServices
    process: subprocess.Popen[bytes]
    disk: Path
    log: Path

    def fill(self, left: int = 0) -> None:
        """Take all room but so many bytes."""
        found = os.statvfs(self.disk)
        with (self.disk / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - left)

    def empty(self) -> None:
        (self.disk / "filler").unlink()

    async def until_paused(self, paused: bool = True) -> str:
        beats = self.services.scheduler.beats
        await self.services.scheduler.until(
            lambda: "w" in beats and (beats["w"].paused is not None) is paused,
        )
        return beats["w"].paused or ""


def can_mount(folder: Path) -> bool:
    command = [*MOUNT, f"mount -t tmpfs t {folder}"]
    return shutil.which("unshare") is not None and not subprocess.run(command, stderr=subprocess.DEVNULL).returncode


@asynccontextmanager
async def open_small_disk(
    tmp_path: Path, *, options: str = "size=64m", fill_first: bool = False, is_heard: bool = True
) -> AsyncIterator[SmallDisk]:
    if not await asyncio.to_thread(can_mount, tmp_path):
        pytest.skip("this system lets users mount no file system of their own")
    disk = tmp_path / "work"
    disk.mkdir()
    filling = f"cat /dev/zero > {disk}/filler 2> /dev/null;" if fill_first else ""
    launcher = [*MOUNT, f'mount -t tmpfs -o {options},mode=700 t {disk} && {{ {filling} exec "$0" "$@"; }}']
    async with open_services() as services:
        with start_worker(
            services, tmp_path, launcher=launcher, MIN_FREE_GB="0.02", LOG_RESERVE_MB="2", WORKER_ID="w"
        ) as process:
            if is_heard:
                await services.scheduler.until(lambda: bool(services.scheduler.beats))
            yield SmallDisk(services, process, Path(f"/proc/{process.pid}/root{disk}"), tmp_path / "worker.log")


async def test_a_worker_whose_disk_is_full_pauses_until_there_is_room(tmp_path: Path) -> None:
    async with open_small_disk(tmp_path) as place:
        scheduler = place.services.scheduler
        running = scheduler.add("act", {"act": "wait", "note": str(tmp_path / "pid")})
        await appearance(tmp_path / "pid")
        place.fill(left=5_000_000)
        why = await place.until_paused()
        assert why.startswith("its disk is full: 1")
        assert " MB are missing, " in why
        assert f"{tmp_path / 'work'}/w/attempts has " in why
        late = [scheduler.add("act", {"act": "talk"}) for _ in range(5)]
        before = scheduler.requests
        await scheduler.until(lambda: scheduler.requests > before + 5)
        assert scheduler.reports == {}, "what runs goes on, and nothing is taken"
        place.empty()
        scheduler.cancel(running)
        for attempt in late:
            assert (await scheduler.report_of(attempt)).state == "accepted"
        await place.until_paused(False)
        place.process.terminate()
        assert await end_of(place.process) == 0
    messages = [record["message"] for record in place.services.records]
    assert any("takes nothing more until there is room" in message for message in messages)
    assert messages.count("printed words") == 5


@pytest.mark.parametrize(
    "settings", [{"act": "fill"}, {"act": "fill by program"}, {"act": "long"}], ids=lambda settings: settings["act"]
)
async def test_an_attempt_that_finds_the_disk_full_is_handed_back_and_not_charged(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    """Answers beyond 32 kB, as of "long", go through a file."""
    gate = tmp_path / "gate"
    async with open_small_disk(tmp_path) as place:
        victim = place.services.scheduler.add("act", {**settings, "count": 10_000_000, "gate": str(gate)})
        await appearance(gate)
        place.fill()
        gate.unlink()
        report = await place.services.scheduler.report_of(victim)
        assert (report.state, report.reason) == ("lost", FailureReason.EVICTED)
        assert "the worker's disk is full: " in (report.message or "")
        await place.until_paused()


async def test_an_attempt_that_fills_the_disk_itself_has_failed(tmp_path: Path) -> None:
    async with open_small_disk(tmp_path) as place:
        scheduler = place.services.scheduler
        greedy = scheduler.add("act", {"act": "fill", "count": 200_000_000})
        report = await scheduler.report_of(greedy)
        assert (report.state, report.reason) == ("failed", FailureReason.INFRASTRUCTURE)
        assert "disk is full" in (report.message or "")


async def test_a_worker_that_starts_on_a_full_disk_pauses(tmp_path: Path) -> None:
    async with open_small_disk(tmp_path, fill_first=True) as place:
        late = place.services.scheduler.add("null")
        await place.until_paused()
        assert place.services.scheduler.claims == []
        place.empty()
        await place.until_paused(False)
        await place.services.scheduler.report_of(late)


async def test_a_worker_that_cannot_even_make_its_folder_says_what_is_full(tmp_path: Path) -> None:
    async with open_small_disk(tmp_path, options="nr_inodes=2", is_heard=False) as place:
        assert await end_of(place.process) == 1
    assert f"worker w: no space left on device: {tmp_path / 'work'}" in place.log.read_text()
