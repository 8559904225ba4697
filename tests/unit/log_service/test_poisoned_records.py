"""One record that cannot be stored, indexed or shipped does not stop the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from eas.amqp.replay_buffer import MOST_FAILURES, ReplayBuffer
from eas.contracts.errors import EasError, UnavailableError
from eas.contracts.logs import LogBatch, LogRecord, StreamEnding
from eas.journal.journal import REJECTED_NAME, Journal, SpoolBound
from eas.journal.shipper import Shipper
from eas_logging.logic.arrivals import Arrivals
from eas_logging.logic.indexing import TextIndexing
from eas_logging.logic.ingestion import Ingestion

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Records:
    """Stores records, all of a call or none, and indexes them, except the bad ones."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error or UnicodeEncodeError("utf-8", "bad", 0, 1, "surrogates not allowed")
        self.stored: list[LogRecord] = []
        self.endings: list[StreamEnding] = []
        self.waiting: list[str] = []
        self.indexed: list[str] = []

    async def add(self, records: Sequence[LogRecord], endings: Sequence[StreamEnding] = ()) -> int:
        if any(record.message == "bad" for record in records) or any(one.emitted == 13 for one in endings):
            raise self.error
        self.stored += records
        self.endings += endings
        return len(records)

    async def index_some(self, most: int) -> int:
        some = self.waiting[:most]
        if "bad" in some:
            raise self.error
        self.indexed += some
        del self.waiting[:most]
        return len(some)

    async def pass_over(self) -> int:
        self.waiting.pop(0)
        return 1


def record(number: int, message: str) -> LogRecord:
    return LogRecord(
        attempt_id=7, task_id=3, job_id=1, stream="w", sequence=number, time=NOON, level=20, message=message
    )


def make_ingestion(records: Any) -> Ingestion:
    return Ingestion(records, Arrivals(), 1000)


async def test_a_record_that_cannot_be_stored_is_replaced_by_one_that_says_so() -> None:
    records = Records()
    batch = LogBatch(
        records=[record(number, "bad" if number == 2 else "good") for number in range(5)],
        endings=[StreamEnding(attempt_id=7, stream="w", emitted=emitted) for emitted in (5, 13, 6)],
    )
    response = await make_ingestion(records).ingest(batch)
    assert (response.stored, response.repeated, response.refused) == (5, 0, 1)
    found = {one.sequence: one for one in records.stored}
    assert [found[number].message for number in (0, 1, 3, 4)] == ["good"] * 4
    assert "cannot be stored: UnicodeEncodeError" in found[2].message
    assert (found[2].level, found[2].attempt_id, found[2].task_id) == (40, 7, 3)
    assert [ending.emitted for ending in records.endings] == [5, 6]


async def test_no_record_is_replaced_while_the_database_is_away() -> None:
    records = Records(UnavailableError("away"))
    with pytest.raises(UnavailableError):
        await make_ingestion(records).ingest(LogBatch(records=[record(0, "good"), record(1, "bad")]))
    assert records.stored == []


async def test_searches_find_what_comes_after_a_record_that_cannot_be_indexed() -> None:
    records = Records(ValueError("too many words"))
    records.waiting = [*(f"a{number}" for number in range(150)), "bad", *(f"b{number}" for number in range(20_000))]
    indexing: Any = TextIndexing(records, Arrivals())  # type: ignore[arg-type]
    await indexing.catch_up()
    assert records.waiting == []
    assert len(records.indexed) == 20_150


class Sink:
    """A log service that fails at bad lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.error: Exception = EasError("an unexpected error")
        self.requests = 0

    async def ingest_lines(self, lines: Sequence[bytes]) -> None:
        self.requests += 1
        if any(b"bad" in line for line in lines):
            raise self.error
        self.lines += lines


def write(folder: Path, *lines: bytes) -> None:
    journal = Journal(folder, "writer", SpoolBound())
    for line in lines:
        journal.append(line)
    journal.close()


async def ship(folder: Path, sink: Sink, seconds: float = 20) -> bool:
    shipper = Shipper(folder, sink, poll_seconds=0.01)
    try:
        return await shipper.drain(seconds)
    finally:
        await shipper.stop()


async def test_a_line_at_which_the_log_service_fails_is_set_aside_and_the_others_are_shipped(tmp_path: Path) -> None:
    sink = Sink()
    write(tmp_path, b'{"a":1}', b'{"bad":1}', b'{"b":1}')
    assert await ship(tmp_path, sink)
    assert [line for line in sink.lines if b"attempt" not in line][:2] == [b'{"a":1}', b'{"b":1}']
    assert b'{"bad":1}' in (tmp_path / REJECTED_NAME).read_bytes()


async def test_no_line_is_set_aside_while_the_log_service_fails_at_all(tmp_path: Path) -> None:
    sink = Sink()
    write(tmp_path, b'{"bad":1}', b'{"bad":2}')
    assert not await ship(tmp_path, sink, 0.5)
    assert not (tmp_path / REJECTED_NAME).exists()
    sink.error = UnavailableError("away")
    assert not await ship(tmp_path, sink, 0.2)
    assert not (tmp_path / REJECTED_NAME).exists()


async def test_what_was_published_lately_is_brought_again_whatever_one_message_raises() -> None:
    recent = ReplayBuffer(1000)
    brought: list[int] = []

    def bring(number: int) -> Any:
        async def act() -> None:
            if number == 1:
                raise TypeError("a defect")
            brought.append(number)

        return act

    for number in range(3):
        recent.add(1, bring(number))
    for _ in range(MOST_FAILURES - 1):
        with pytest.raises(TypeError):
            await asyncio.wait_for(recent.bring(), 60)
        assert brought == [0, 2]
    await recent.bring()
    await recent.bring()
    assert brought == [0, 2]
