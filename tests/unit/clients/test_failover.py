"""Several addresses of a service: one that does not answer is left, and nothing waits for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from eas.client.failover import Failover
from eas.contracts.errors import InvalidInputError, UnavailableError


@dataclass
class Address:
    """A service at an address: it answers, is away, stands still, or refuses."""

    name: str
    behaviour: str = "answers"
    calls: int = 0
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self) -> str:
        self.calls += 1
        self.called.set()
        match self.behaviour:
            case "away":
                raise UnavailableError(f"{self.name}: connection refused")
            case "still":
                await asyncio.Event().wait()
            case "refuses":
                raise InvalidInputError("no")
        return self.name


def make(*behaviours: str) -> tuple[Failover[Address], list[Address]]:
    addresses = [Address(f"http://{number}", behaviour) for number, behaviour in enumerate(behaviours)]
    return Failover(addresses, [address.name for address in addresses]), addresses


@pytest.mark.parametrize("fault", ["away", "still"])
async def test_the_next_address_is_used_while_one_does_not_answer(fault: str) -> None:
    failover, (first, second) = make(fault, "answers")
    for _ in range(2):
        assert await failover.call(Address.ask, patience=0.01) == "http://1"
    assert (first.calls, second.calls) == (1, 2)
    first.behaviour, second.behaviour = "answers", "away"
    assert await failover.call(Address.ask, patience=0.01) == "http://0"


async def test_what_an_address_answers_goes_to_the_caller_though_it_is_an_error() -> None:
    failover, (_, second) = make("refuses", "answers")
    with pytest.raises(InvalidInputError):
        await failover.call(Address.ask)
    assert second.calls == 0


async def test_a_caller_is_told_when_no_address_answers_and_the_next_call_tries_all_again() -> None:
    failover, addresses = make("away", "still", "away")
    for _ in range(2):
        with pytest.raises(UnavailableError):
            await failover.call(Address.ask, patience=0.01)
    assert [address.calls for address in addresses] == [2, 2, 2]


async def test_a_call_that_waits_for_long_leaves_with_the_others() -> None:
    failover, (first, second) = make("still", "answers")
    waiting = asyncio.create_task(failover.call(Address.ask, patience=600.0, wait=600.0))
    await first.called.wait()
    assert await failover.call(Address.ask, patience=0.01) == "http://1"
    async with asyncio.timeout(60):
        assert await waiting == "http://1"
    assert second.calls == 2


async def test_a_caller_that_gives_up_ends_its_call_and_nobody_changes_the_address() -> None:
    failover, (first, second) = make("still", "answers")
    waiting = asyncio.create_task(failover.call(Address.ask, patience=600.0))
    await first.called.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    first.behaviour = "answers"
    assert await failover.call(Address.ask, patience=600.0) == "http://0"
    assert second.calls == 0
