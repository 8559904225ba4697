"""A worker whose clock is an hour ahead of the scheduler's: what it reports and logs has the scheduler's times.

The worker has real children, for it is they, and the process that forks them, that write the log records.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from eas.journal.journal import list_segments
from eas.testing.scheduler import FakeScheduler
from tests.integration.worker.trial import open_trial

HOUR = timedelta(hours=1)


def now() -> datetime:
    """The scheduler's time."""
    return datetime.now(UTC) - HOUR


async def test_times_of_attempts_and_of_log_records_are_the_schedulers(tmp_path: Path) -> None:
    scheduler = FakeScheduler(clock=now)
    async with open_trial(tmp_path, scheduler=scheduler) as trial:
        before = now()
        attempt = scheduler.add("act", {"act": "talk"})
        compiled = scheduler.add("harm", {"harm": "print_binary"})
        report = await scheduler.report_of(attempt)
        await scheduler.report_of(compiled)
        await scheduler.until(
            lambda: bool(scheduler.beats) and scheduler.beats["trial-worker"].clock_offset is not None
        )
        after = now()
        offset = scheduler.beats["trial-worker"].clock_offset
        await trial.stop()
        lines = [line for path in list_segments(trial.workspace.journal) for line in path.read_bytes().splitlines()]
    assert offset is not None
    assert abs(offset - 3600.0) < 30.0
    assert report.started_at is not None
    assert report.ended_at is not None
    assert before - timedelta(seconds=30) < report.started_at <= report.ended_at < after + timedelta(seconds=30)
    records = [json.loads(line) for line in lines]
    times = {
        record["attempt_id"]: datetime.fromisoformat(record["time"])
        for record in records
        if record.get("attempt_id") in (attempt, compiled) and "time" in record
    }
    assert set(times) == {attempt, compiled}
    for found in times.values():
        assert before - timedelta(seconds=30) < found < after + timedelta(seconds=30)
