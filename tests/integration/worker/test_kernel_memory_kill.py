"""The kernel itself kills what uses more memory than the worker's container has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eas.contracts.states import FailureReason
from eas_worker.storage.control_group import count_oom_kills
from tests.integration.worker.control_groups import small_group
from tests.integration.worker.http_services import HttpServices, open_services
from tests.integration.worker.processes import start_worker

#: Room for a worker, but not for the 2 GB that its tasks want [bytes].
MEMORY = 600_000_000

#: The rule of the attempts, far above, so that it is not the worker that ends them [GB].
GRANTED = 100.0


@pytest.fixture
async def services() -> AsyncIterator[HttpServices]:
    async with open_services() as found:
        yield found


@pytest.mark.parametrize("what", ["allocate", "allocate_at_once"])
async def test_a_task_that_the_kernel_kills_has_run_out_of_memory_and_the_worker_goes_on(
    services: HttpServices, tmp_path: Path, what: str
) -> None:
    scheduler = services.scheduler
    with (
        small_group(MEMORY) as group,
        start_worker(services, tmp_path, group=group, SLOTS="2", ONLY="harm,null") as process,
    ):
        for _ in range(2):  # the kernel's count goes on, so each rise has to be seen
            neighbour = scheduler.add("null", {"duration": 1.0})
            report = await scheduler.report_of(scheduler.add("harm", {"harm": what}, memory_gb=GRANTED))
            assert (report.state, report.reason) == ("failed", FailureReason.OUT_OF_MEMORY)
            assert report.message == "the kernel killed it because there was no memory left"
            assert (await scheduler.report_of(neighbour)).state == "accepted"
        assert max(count_oom_kills(group / name) for name in ("memory.oom_control", "memory.events")) >= 2
        assert (await scheduler.report_of(scheduler.add("harm", {"harm": "do_nothing"}))).state == "accepted"
        assert process.poll() is None
        assert str(process.pid) in (group / "cgroup.procs").read_text().split()


async def test_a_kill_from_outside_is_lost_also_where_the_kernel_has_killed_before(
    services: HttpServices, tmp_path: Path
) -> None:
    scheduler = services.scheduler
    with small_group(MEMORY) as group, start_worker(services, tmp_path, group=group, ONLY="harm,act"):
        killed = await scheduler.report_of(scheduler.add("harm", {"harm": "allocate"}, memory_gb=GRANTED))
        assert killed.reason is FailureReason.OUT_OF_MEMORY
        assert (await scheduler.report_of(scheduler.add("act", {"act": "die"}))).reason is FailureReason.LOST
