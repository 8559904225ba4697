"""A log service that is killed at random moments under load: ``EAS_TEST_KILLS=300`` for a long run."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from eas.client.log_service import LogClient
from eas.contracts.errors import UnavailableError
from eas.contracts.log_retention import RetentionPolicy, RetentionRule
from eas.contracts.logs import (
    MAX_MESSAGE_LENGTH,
    Completeness,
    LogBatch,
    LogQuery,
    LogRecord,
    LogScope,
    StoredRecord,
    StreamEnding,
    cut_log_text,
)
from tests.integration.log_service.conftest import MakeDatabase
from tests.integration.log_service.service_process import LogServiceProcess
from tests.support.databases import Inspector

ROUNDS = int(os.environ.get("EAS_TEST_KILLS", "3"))
SEED = int(os.environ.get("EAS_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
WRITERS = 4
#: Records below INFO go at once: retention never rests.
POLICY = RetentionPolicy(rules=[RetentionRule(max_level=10, older_than_days=0)])


class Key(NamedTuple):
    """What names a record, and says all that is in it."""

    attempt: int
    stream: str
    sequence: int

    @property
    def passes(self) -> bool:
        """Whether retention removes it."""
        return self.sequence % 4 == 3

    @property
    def message(self) -> str:
        """Its message as it is sent; a few are too long."""
        length = MAX_MESSAGE_LENGTH if self.sequence % 1000 == 500 else self.sequence * 7919 % 300
        return f"line {self.sequence} of {self.attempt} by {self.stream} {'x' * length}"


def make_record(key: Key) -> LogRecord:
    return LogRecord(
        attempt_id=key.attempt,
        task_id=key.attempt,
        job_id=1,
        stream=key.stream,
        sequence=key.sequence,
        time=datetime.now(UTC) - timedelta(seconds=1),
        level=10 if key.passes else 20,
        message=key.message,
        fields={"sequence": key.sequence},
    )


@dataclass
class Writer:
    """Sends one batch after the other, each until it is accepted, as a shipper does; now and then one again."""

    stream: str
    chance: random.Random
    emitted: Counter[int] = field(default_factory=Counter)
    accepted: set[Key] = field(default_factory=set)
    unsure: list[Key] = field(default_factory=list)
    last: list[Key] = field(default_factory=list)

    async def send(self, client: LogClient, attempts: range) -> None:
        """Send the batch whose fate is not known, or the next."""
        is_new = not self.unsure
        if is_new and self.last and self.chance.random() < 0.1:
            answer = await client.ingest(LogBatch(records=[make_record(key) for key in self.last]))
            assert answer.stored <= sum(key.passes for key in self.last), "stored twice"
            return
        if is_new:
            for attempt in self.chance.sample(attempts, 2):
                count = self.chance.randint(1, 300)
                first = self.emitted[attempt]
                self.emitted[attempt] += count
                self.unsure += [Key(attempt, self.stream, number) for number in range(first, first + count)]
        answer = await client.ingest(LogBatch(records=[make_record(key) for key in self.unsure]))
        assert answer.stored + answer.repeated == len(self.unsure)
        self.accepted.update(self.unsure)
        self.last, self.unsure = self.unsure, []


class Load:
    """Writers and readers that never rest."""

    def __init__(self, service: LogServiceProcess, chance: random.Random) -> None:
        self.service = service
        self.writers = [Writer(f"w{number}", chance) for number in range(WRITERS)]
        self.attempts = range(1, 6)
        self.seen: set[Key] = set()
        self.looked_at = 0

    async def run(self) -> None:
        """Write, search and count until the service is gone."""
        self.attempts = range(self.attempts.start + 1, self.attempts.stop + 1)
        async with LogClient(self.service.url, None) as client:

            async def read() -> None:
                await client.list_records(LogQuery(text="line", limit=20))
                await client.counts(LogScope(job_id=1))

            def write(writer: Writer) -> Callable[[], Awaitable[None]]:
                return lambda: writer.send(client, self.attempts)

            await asyncio.gather(*(_repeat(one) for one in [read, *map(write, self.writers)]))

    def check(self) -> None:
        """Look at the records that have arrived since the last look, and compare with what was sent and accepted."""
        with closing(Inspector(self.service.database)) as database:
            rows = database.fetch(
                "SELECT record_id, attempt_id, name, sequence, message "
                "FROM log_record JOIN log_stream USING (stream_id) WHERE record_id > :after ORDER BY record_id",
                after=self.looked_at,
            )
        emitted = {writer.stream: writer.emitted for writer in self.writers}
        for record_id, attempt, stream, sequence, message in rows:
            key = Key(attempt, stream, sequence)
            assert message == cut_log_text(key.message)
            assert sequence < emitted[stream][attempt], f"{key} was never sent"
            assert key not in self.seen or key.passes, f"{key} is there twice"
            self.seen.add(key)
            self.looked_at = record_id
        lost = [key for writer in self.writers for key in writer.accepted - self.seen if not key.passes]
        assert lost == [], f"{len(lost)} records were accepted and are lost, such as {lost[:3]}"

    async def settle(self, client: LogClient) -> None:
        """Send what is not known to be stored, and how much there was."""
        for writer in self.writers:
            if writer.unsure:
                await writer.send(client, self.attempts)
            for attempt, emitted in writer.emitted.items():
                ending = StreamEnding(attempt_id=attempt, stream=writer.stream, emitted=emitted)
                await client.ingest(LogBatch(records=[], endings=[ending]))


async def _repeat(work: Callable[[], Awaitable[None]]) -> None:
    with suppress(UnavailableError):
        while True:
            await work()


async def check_sequences(client: LogClient, load: Load) -> None:
    """See that the service itself finds all attempts complete, and by words as many records as there are."""
    for attempt in range(2, load.attempts.stop):
        emitted = sum(writer.emitted[attempt] for writer in load.writers)
        if emitted:
            found = await client.completeness(attempt)
            assert (found.state, found.emitted, found.missing) == (Completeness.COMPLETE, emitted, 0)
    while (await client.run_retention()).expired:
        pass
    stays = sum(not key.passes for writer in load.writers for key in writer.accepted)
    total = (await client.counts(LogScope(job_id=1))).total
    assert stays <= total <= stays + 1  # the newest record of all always stays
    assert len([record async for record in _search(client)]) == total


async def _search(client: LogClient) -> AsyncIterator[StoredRecord]:
    after: int | None = 0
    while after is not None:
        page = await client.list_records(LogQuery(text="line", job_id=1, after=after, limit=5000))
        for record in page.items:
            yield record
        after = page.next_after


def check_database(url: str) -> None:
    """Look for records that are there twice; let SQLite look for damage, in the index of words, too."""
    with closing(Inspector(url)) as database:
        twice = "SELECT attempt_id FROM log_record GROUP BY attempt_id, stream_id, sequence HAVING count(*) > 1"
        assert database.fetch(twice) == []
        if url.startswith("sqlite"):
            assert database.fetch("PRAGMA integrity_check") == [("ok",)]
            database.execute("INSERT INTO log_text (log_text, rank) VALUES ('integrity-check', 1)")


@pytest.mark.timeout(300 + 60 * ROUNDS)
async def test_killed_under_load_it_loses_no_accepted_record_and_keeps_none_twice(
    tmp_path: Path, make_database: MakeDatabase
) -> None:
    print(f"EAS_TEST_SEED={SEED}")
    chance = random.Random(SEED)
    service = LogServiceProcess(tmp_path, make_database("logging"), retention_every_seconds="0.05")
    load = Load(service, chance)
    try:
        service.start()
        await service.ready()
        async with LogClient(service.url, None) as client:
            await client.set_retention(POLICY)
        begin = time.monotonic()
        for number in range(1, ROUNDS + 1):
            running = asyncio.create_task(load.run())
            await asyncio.wait([running], timeout=chance.uniform(0.02, 1.5))
            await asyncio.to_thread(service.kill)
            await running
            service.start()
            await service.ready()
            await asyncio.to_thread(load.check)
            print(f"kill {number}: {len(load.seen)} records, {time.monotonic() - begin:.0f} s", flush=True)
        async with LogClient(service.url, None) as client:
            assert await client.get_retention() == POLICY
            await load.settle(client)
            load.check()
            await check_sequences(client, load)
        assert "Traceback" not in service.log()
    finally:
        service.kill()
    check_database(service.database)
