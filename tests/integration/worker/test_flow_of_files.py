"""Files between tasks: kept on the host, and moved while others compute."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shared.contracts.scheduler import OutputVersion
from shared.testing.product_store import FakeProductStore
from tests.integration.worker.trial import Trial, open_trial


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
