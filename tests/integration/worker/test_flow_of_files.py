"""Files between tasks: kept on the host, and moved while others compute."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from eas.contracts.products import VersionView
from eas.contracts.scheduler import ClaimRequest, ClaimResponse, OutputVersion
from eas.testing.product_store import FakeProductStore
from eas.testing.scheduler import FakeScheduler
from tests.integration.worker.trial import Trial, open_trial


@dataclass
class DistantStore(FakeProductStore):
    """Takes its time for every file, each way."""

    latency: float = 0.3

    async def download(self, version_id: int, target: Path, *, sha256: str | None = None) -> None:
        await asyncio.sleep(self.latency)
        await super().download(version_id, target, sha256=sha256)

    async def upload(self, path: Path, **details: Any) -> VersionView:
        await asyncio.sleep(self.latency)
        return await super().upload(path, **details)


@dataclass
class CountingStore(FakeProductStore):
    """Counts downloads."""

    asked: list[int] = field(default_factory=list)

    async def download(self, version_id: int, target: Path, *, sha256: str | None = None) -> None:
        self.asked.append(version_id)
        await super().download(version_id, target, sha256=sha256)


async def copy(trial: Trial, original: OutputVersion, name: str, content: str | None = None) -> OutputVersion:
    """Run a task that copies its input; `content` is written instead."""
    settings = {} if content is None else {"content": content}
    attempt = trial.scheduler.add("copy", settings, inputs={"original": original}, outputs={"copy": name})
    report = await trial.scheduler.report_of(attempt)
    assert report.state in ("accepted", "rejected"), report.message
    return report.outputs[0]


async def test_what_a_task_made_is_at_hand_for_the_next(tmp_path: Path) -> None:
    store = CountingStore()
    async with open_trial(tmp_path, store=store) as trial:
        version = store.put("lightcurve", "star.txt", b"1 2 3")
        for number in range(4):
            version = await copy(trial, version, f"{number}.txt", f"{number} words")
        assert store.contents[version.version_id] == b"3 words"
        last = await copy(trial, version, "last.txt")
        assert store.contents[last.version_id] == b"3 words"
    assert store.asked == [1]


async def test_a_rejected_output_is_not_kept(tmp_path: Path) -> None:
    store = CountingStore()
    async with open_trial(tmp_path, store=store) as trial:
        version = await copy(trial, store.put("lightcurve", "star.txt", b"1 2 3"), "a.txt", "bad")
        assert [path.read_bytes() for path in (tmp_path / "work" / "~cache").glob("*/bytes")] == [b"1 2 3"]
        assert version.passed_qc is False


async def test_the_log_says_where_inputs_came_from(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with open_trial(tmp_path) as trial:
        version = trial.store.put("lightcurve", "star.txt", b"1 2 3")
        await asyncio.gather(*(copy(trial, version, f"{number}.txt") for number in range(4)))
    assert "3 inputs (0.0 MB) were on this host, 1 (0.0 MB) came from the product store: 75% hits" in caplog.text


@dataclass
class WatchfulScheduler(FakeScheduler):
    """Remembers how many attempts the worker ever held at once."""

    most_held: int = 0

    def _hand_out(self, request: ClaimRequest) -> ClaimResponse:
        response = super()._hand_out(request)
        self.most_held = max(self.most_held, len(self.running))
        return response


async def run_all(folder: Path, count: int, seconds: float, latency: float) -> tuple[list[float], int]:
    """Run tasks of which each reads and writes a file of its own. Returns the gaps between them, in order."""
    store = DistantStore(latency=latency)
    scheduler = WatchfulScheduler()
    async with open_trial(folder, store=store, scheduler=scheduler) as trial:
        attempts = [
            scheduler.add(
                "copy",
                {"seconds": seconds},
                inputs={"original": store.put("curve", f"{number}.txt", b"%d" % number)},
                outputs={"copy": f"{number}.out"},
            )
            for number in range(count)
        ]
        reports = [await trial.scheduler.report_of(attempt) for attempt in attempts]
        await trial.stop()
    assert {report.state for report in reports} == {"accepted"}
    begun = sorted(report.started_at.timestamp() for report in reports if report.started_at)
    ended = sorted(report.ended_at.timestamp() for report in reports if report.ended_at)
    return [start - end for start, end in zip(begun[1:], ended, strict=False)], scheduler.most_held


async def test_short_tasks_never_wait_for_their_files(tmp_path: Path) -> None:
    gaps, _ = await run_all(tmp_path, count=16, seconds=0.1, latency=0.25)
    late = sorted(gaps[4:])  # by then it is known how long tasks and their files take
    assert late[-3] < 0.25, f"a slot waited for files, which takes as long as they do: {gaps}"


async def test_of_long_tasks_one_is_fetched_while_another_runs_and_no_more(tmp_path: Path) -> None:
    gaps, most_held = await run_all(tmp_path, count=6, seconds=0.9, latency=0.5)
    assert sorted(gaps[2:])[-2] < 0.5, f"a slot waited for files, which takes as long as they do: {gaps}"
    assert most_held <= 3, "one is stored, one runs, one is fetched"
