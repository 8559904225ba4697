"""One task type that the broker does not take does not silence the doorbells of the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from eas.amqp.topology import Topology
from eas.contracts.errors import UnavailableError
from eas.testing.broker import FakeBroker
from eas_scheduler.logic.doorbell_relay import DoorbellRelay, DoorbellSweeper
from eas_scheduler.logic.wakeups import Wakeups
from eas_scheduler.storage.broker_queues import BrokerTaskQueues

TOPOLOGY = Topology("test")
BAD = "no\nname"


class PickyTaskQueues(BrokerTaskQueues):
    """Queues at a broker that fails wherever one type is named."""

    fails_at: Collection[str] = ("publish", "length")
    error: Exception = ValueError("a line break in a name")
    calls = 0

    async def length(self, task_type: str) -> int:
        if task_type == BAD and "length" in self.fails_at:
            raise self.error
        return await super().length(task_type)

    async def publish(self, attempts: Sequence[tuple[int, str]]) -> set[int]:
        self.calls += 1
        if any(name == BAD for _, name in attempts):
            if "publish" in self.fails_at:
                raise self.error
            if "confirm" in self.fails_at:
                return await super().publish([one for one in attempts if one[1] != BAD])
        return await super().publish(attempts)


class Outbox:
    """Doorbells that wait."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[int]] = {"a": [1, 2], BAD: [3, 4], "z": [5]}

    async def find_types(self) -> list[str]:
        return [name for name, ids in self.waiting.items() if ids]

    async def find_oldest(self, task_type: str, limit: int) -> list[int]:
        return self.waiting[task_type][:limit]

    async def mark_rung(self, attempt_ids: Collection[int], at: datetime) -> None:
        for name, ids in self.waiting.items():
            self.waiting[name] = [found for found in ids if found not in attempt_ids]

    async def find_unanswered(self, before: datetime, limit: int) -> dict[str, list[int]]:
        return {"a": [1], BAD: [3], "z": [5]}

    async def publish(self, attempts: Sequence[tuple[int, str]]) -> set[int]:
        self.waiting = {name: [] for name in self.waiting}
        for attempt_id, name in attempts:
            self.waiting[name].append(attempt_id)
        return {attempt_id for attempt_id, _ in attempts}


class Belfry:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 26, 12, tzinfo=UTC)
        self.fake = FakeBroker()
        self.broker = PickyTaskQueues(self.fake.publisher(TOPOLOGY), self.fake.queues(TOPOLOGY), TOPOLOGY)
        self.outbox = Outbox()
        self.ringer = DoorbellRelay(self.outbox, self.broker, Wakeups(), lambda: self.now)
        self.sweeper = DoorbellSweeper(self.outbox, self.broker, Wakeups(), lambda: self.now, patience=1, every=1)


@pytest.mark.parametrize("place", ["publish", "length", "confirm"])
async def test_the_other_types_are_rung_for(place: str) -> None:
    belfry = Belfry()
    belfry.broker.fails_at = (place,)
    assert await belfry.ringer.ring_some() == 3
    assert await belfry.broker.list_attempts("a", 9) == [1, 2]
    assert await belfry.broker.list_attempts("z", 9) == [5]
    assert belfry.outbox.waiting[BAD] == [3, 4]
    calls = belfry.broker.calls
    assert await belfry.ringer.ring_some() == 0
    assert belfry.broker.calls == calls, "it is left out for a while"
    belfry.now += timedelta(minutes=1)
    belfry.broker.fails_at = ()
    assert await belfry.ringer.ring_some() == 2
    assert belfry.outbox.waiting[BAD] == []


async def test_a_broker_that_takes_nothing_is_away_and_no_type_is_at_fault() -> None:
    belfry = Belfry()
    belfry.broker.fails_at = ()
    belfry.fake.stop()
    with pytest.raises(UnavailableError):
        await belfry.ringer.ring_some()
    belfry.fake.start()
    assert await belfry.ringer.ring_some() == 5


async def test_the_sweeper_rings_again_for_the_other_types() -> None:
    belfry = Belfry()
    assert await belfry.sweeper.sweep() == 2
    assert belfry.outbox.waiting == {"a": [1], BAD: [], "z": [5]}
