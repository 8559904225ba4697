"""Those who wait at one scheduler are woken for what another did, and not for what their own did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from eas.background import cancel_and_wait
from eas_scheduler.logic.peers import Peers
from eas_scheduler.logic.wakeups import Wakeups


class Lookout:
    """Peers whose looks at the history find what the test says, one after the other."""

    def __init__(self) -> None:
        self.wakeups = Wakeups()
        self._found: asyncio.Queue[int] = asyncio.Queue()
        self._asked = asyncio.Event()

    async def find_last(self) -> int:
        self._asked.set()
        return await self._found.get()

    async def look(self, last: int) -> bool:
        """Let the next look find this end of the history. Returns whether it rang."""
        await self._asked.wait()
        self._asked.clear()
        self.wakeups.expansion.clear()
        self._found.put_nowait(last)
        await self._asked.wait()  # a look is over when the next one begins
        return self.wakeups.expansion.is_set()


@pytest.fixture
async def lookout() -> AsyncIterator[Lookout]:
    found = Lookout()
    running = asyncio.create_task(Peers(found, found.wakeups, 0).run())
    while await found.look(50):
        pass
    yield found
    await cancel_and_wait([running])


async def test_what_this_scheduler_rang_for_itself_wakes_nobody_again(lookout: Lookout) -> None:
    lookout.wakeups.changes += 3
    assert not await lookout.look(53)


async def test_what_another_did_wakes_those_who_wait_here(lookout: Lookout) -> None:
    lookout.wakeups.changes += 3
    assert await lookout.look(54)


async def test_a_change_that_is_hidden_by_one_of_ours_that_was_not_rung_for_yet_wakes_all_the_same(
    lookout: Lookout,
) -> None:
    assert await lookout.look(55)  # our five are committed, and rung for just after this look
    lookout.wakeups.changes += 5
    assert await lookout.look(60)  # five of another: the sum is as before
