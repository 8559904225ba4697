"""The pool: as many workers as there are places, whatever happens to them."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from eas.contracts.errors import NotFoundError
from eas.contracts.scheduler import WorkerView
from eas_control.domain.errors import SuiteStartError
from eas_control.logic.predecessors import dismiss_predecessors
from eas_control.logic.stop_requests import StopRequests
from eas_control.logic.worker_pool import WorkerPool


async def wait_until(condition: Callable[[], bool], changed: asyncio.Event) -> None:
    async with asyncio.timeout(120):
        while not condition():
            changed.clear()
            await changed.wait()


@dataclass(eq=False)
class Puppet:
    """A worker's process that does what it is told."""

    worker_id: str
    obedience: int = 1
    asked: int = 0
    killed: bool = False
    _end: asyncio.Future[int] = field(default_factory=asyncio.Future)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> int:
        return await self._end

    def die(self, status: int) -> None:
        self._end.set_result(status)

    def ask_to_stop(self) -> None:
        self.asked += 1
        self._changed.set()
        if self.asked == self.obedience:
            self.die(0)

    def kill(self) -> None:
        self.killed = True
        self.die(-9)

    def read_last_words(self) -> str:
        return "no module named science"

    async def until(self, condition: Callable[[], bool]) -> None:
        await wait_until(condition, self._changed)


@dataclass
class Stage:
    """Where the puppets announce themselves and are dismissed."""

    announcing: bool = True
    disk_is_full: bool = False
    obedience: int = 1
    puppets: list[Puppet] = field(default_factory=list)
    dismissed: list[str] = field(default_factory=list)
    host: str = "here"
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def start_worker(self, worker_id: str) -> Puppet:
        if self.disk_is_full:
            raise OSError(errno.ENOSPC, "No space left on device", f"/data/worker-logs/{worker_id}.log")
        puppet = Puppet(worker_id, self.obedience)
        self.puppets.append(puppet)
        self._changed.set()
        if not self.announcing:
            puppet.die(1)
        return puppet

    async def list_workers(self) -> list[WorkerView]:
        now = datetime.now(UTC)
        return [
            WorkerView(
                worker_id=puppet.worker_id,
                host=self.host,
                process_id=2**22 + 1,
                slots=1,
                announced_at=now,
                last_heard_at=now,
                running=0,
                gone=puppet.worker_id in self.dismissed,
            )
            for puppet in self.puppets
        ]

    async def dismiss(self, worker_id: str) -> None:
        self.dismissed.append(worker_id)
        self._changed.set()
        if not self.announcing:
            raise NotFoundError(f"no worker {worker_id}")

    async def until(self, condition: Callable[[], bool]) -> None:
        await wait_until(condition, self._changed)


async def never() -> None:
    await asyncio.Event().wait()


async def test_workers_are_started_and_stopped() -> None:
    stage = Stage()
    pool = WorkerPool(stage.start_worker, stage, size=3, patience=10)

    await pool.start()
    await pool.stop(never)

    assert len({puppet.worker_id for puppet in stage.puppets}) == 3
    assert sorted(stage.dismissed) == sorted(puppet.worker_id for puppet in stage.puppets)
    assert not any(puppet.killed for puppet in stage.puppets)


async def test_a_worker_that_dies_is_dismissed_and_replaced(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    pool = WorkerPool(stage.start_worker, stage, size=2, patience=10)
    await pool.start()

    victim = stage.puppets[0]
    victim.die(-9)
    await stage.until(lambda: len(stage.puppets) == 3)

    assert stage.dismissed == [victim.worker_id]
    assert stage.puppets[2].worker_id != victim.worker_id
    assert f"worker {victim.worker_id} was killed by signal 9" in caplog.text
    assert "no module named science" in caplog.text
    await pool.stop(never)


async def test_workers_that_cannot_start_end_the_suite() -> None:
    stage = Stage(announcing=False)
    pool = WorkerPool(stage.start_worker, stage, size=3, patience=10)

    with pytest.raises(SuiteStartError, match=r"the workers do not start: .* status 1 .*no module named science"):
        await pool.start()
    await pool.stop(never)


async def test_a_full_disk_that_keeps_workers_from_starting_is_named() -> None:
    stage = Stage(disk_is_full=True)
    pool = WorkerPool(stage.start_worker, stage, size=3, patience=10)
    with pytest.raises(SuiteStartError, match=r"do not start: .*No space left on device: '/data/worker-logs/"):
        await pool.start()
    await pool.stop(never)


@pytest.mark.parametrize("error", [TypeError("a defect"), OSError(errno.EMFILE, "too many open files")])
async def test_a_place_is_filled_again_whatever_keeps_a_worker_from_starting_once(error: Exception) -> None:
    stage = Stage()
    failures = [error]

    async def start_worker(worker_id: str) -> Puppet:
        if len(stage.puppets) == 2 and failures:
            raise failures.pop()
        return await stage.start_worker(worker_id)

    pool = WorkerPool(start_worker, stage, size=2, patience=10)
    await pool.start()
    stage.puppets[0].die(1)
    await stage.until(lambda: len(stage.puppets) == 3)
    await pool.stop(never)


async def test_impatience_first_hurries_workers_and_then_kills_them() -> None:
    stage = Stage(obedience=99)
    wishes: asyncio.Queue[str] = asyncio.Queue()

    async def hurry() -> None:
        await wishes.get()

    pool = WorkerPool(stage.start_worker, stage, size=1, patience=100)
    await pool.start()
    (puppet,) = stage.puppets
    stopping = asyncio.create_task(pool.stop(hurry))

    wishes.put_nowait("faster")
    await puppet.until(lambda: puppet.asked == 2)
    assert not puppet.killed
    wishes.put_nowait("now")
    await stopping

    assert puppet.killed


async def test_a_repeated_request_wakes_only_those_who_wait_for_another() -> None:
    stop = StopRequests()
    stop.make()
    await stop.wait()
    another = asyncio.create_task(stop.wait_for_another())
    done, _ = await asyncio.wait({another}, timeout=0.01)
    assert not done
    stop.make()
    await another


async def test_workers_that_do_not_stop_in_time_are_killed() -> None:
    stage = Stage(obedience=99)
    pool = WorkerPool(stage.start_worker, stage, size=2, patience=0.01)
    await pool.start()

    await pool.stop(never)

    assert all(puppet.killed for puppet in stage.puppets)


async def test_the_dead_of_an_earlier_run_are_dismissed_and_the_living_of_another_host_left_alone() -> None:
    stage = Stage(host="elsewhere")
    for name in ("embedded-1-dead", "embedded-2-alive", "somebody-elses", "embedded-3-gone"):
        await stage.start_worker(name)
    stage.dismissed.append("embedded-3-gone")

    count = await dismiss_predecessors(stage, lambda worker_id: worker_id == "embedded-2-alive")

    assert count == 1
    assert stage.dismissed == ["embedded-3-gone", "embedded-1-dead"]
