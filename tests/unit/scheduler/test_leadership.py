"""Who leads: one at a time, and nobody for longer than its word counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from eas.contracts.errors import UnavailableError
from eas_scheduler.domain.leadership import Leadership, claim_leadership
from eas_scheduler.logic.leadership import Election

T = TypeVar("T")

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
LEASE = timedelta(seconds=6)
LED_BY_A = Leadership("a", 4, NOON + LEASE)


def test_the_first_leads() -> None:
    assert claim_leadership(None, "a", None, NOON, LEASE) == Leadership("a", 1, NOON + LEASE)


def test_the_leader_goes_on_under_its_fence() -> None:
    later = NOON + timedelta(seconds=2)
    assert claim_leadership(LED_BY_A, "a", 4, later, LEASE) == Leadership("a", 4, later + LEASE)


def test_a_leader_that_is_late_goes_on_if_nobody_took_its_place() -> None:
    late = NOON + 2 * LEASE
    assert claim_leadership(LED_BY_A, "a", 4, late, LEASE) == Leadership("a", 4, late + LEASE)


@pytest.mark.parametrize("my_fence", [None, 0, 3])
def test_another_waits_until_the_lease_ends(my_fence: int | None) -> None:
    assert claim_leadership(LED_BY_A, "b", my_fence, NOON + LEASE - timedelta(microseconds=1), LEASE) is None
    assert claim_leadership(LED_BY_A, "b", my_fence, NOON + LEASE, LEASE) == Leadership("b", 5, NOON + 2 * LEASE)


def test_one_that_was_started_again_need_not_wait_for_itself() -> None:
    assert claim_leadership(LED_BY_A, "a", None, NOON, LEASE) == Leadership("a", 5, NOON + LEASE)


def test_of_two_by_the_same_name_the_older_one_waits() -> None:
    successor = claim_leadership(LED_BY_A, "a", None, NOON, LEASE)
    assert claim_leadership(successor, "a", 4, NOON, LEASE) is None


def test_a_lease_that_ended_while_both_waited_to_write_is_its_holders_still() -> None:
    asked, late = NOON + LEASE / 2, NOON + 3 * LEASE
    assert claim_leadership(LED_BY_A, "b", 0, late, LEASE, asked_at=asked) is None
    assert claim_leadership(LED_BY_A, "b", 0, late, LEASE, asked_at=NOON + LEASE) == Leadership("b", 5, late + LEASE)


class BusyDatabase:
    """A transactor and a reader of the row that says who leads; transactions wait while another one holds the turn."""

    def __init__(self) -> None:
        self.row: Leadership | None = None
        self.turn = asyncio.Event()
        self.turn.set()
        self.is_away = False
        self.asked: asyncio.Queue[None] = asyncio.Queue()
        self.loop_ended = asyncio.Event()

    def find(self) -> Leadership | None:
        return self.row

    def save(self, leadership: Leadership) -> None:
        self.row = leadership

    @property
    def leadership(self) -> BusyDatabase:
        return self

    async def run(self, command: Callable[[Any], T]) -> T:
        self.asked.put_nowait(None)
        await self.turn.wait()
        return command(self)

    async def loop(self) -> None:
        """What only the leader may do."""
        try:
            await asyncio.Event().wait()
        finally:
            self.loop_ended.set()

    async def read(self) -> Leadership | None:
        if self.is_away:
            raise UnavailableError("the database is not available")
        return self.row


@pytest.fixture
async def database() -> BusyDatabase:
    return BusyDatabase()


@asynccontextmanager
async def leading(database: BusyDatabase) -> AsyncIterator[Election]:
    election = Election(database, lambda: datetime.now(UTC), "a", timedelta(seconds=0.03), database.read)
    await election.start({"loop": database.loop})
    assert election.leads
    standing = asyncio.create_task(election.run())
    yield election
    standing.cancel()
    database.turn.set()
    await election.stop()


async def test_a_leader_goes_on_while_a_large_transaction_holds_the_turn(
    database: BusyDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    async with leading(database) as election:
        database.turn.clear()
        for _ in range(6):
            await asyncio.wait_for(database.asked.get(), 60)
        assert election.leads
    assert "cannot say who leads" not in caplog.text


@pytest.mark.parametrize("fault", ["away", "deposed"])
async def test_it_stops_where_the_database_does_not_answer_or_names_another(database: BusyDatabase, fault: str) -> None:
    async with leading(database) as election:
        database.turn.clear()
        database.is_away = fault == "away"
        if fault == "deposed":
            database.row = Leadership("b", 99, datetime.now(UTC))
        await asyncio.wait_for(database.loop_ended.wait(), 60)
        assert not election.leads
