"""One item that cannot be handled does not stop the others."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from eas.contracts.errors import UnavailableError
from eas.isolation import describe_error, handle_each


class Handler:
    """Handles numbers, all of a call or none, except the bad ones."""

    def __init__(self, *bad: int, error: Exception | None = None) -> None:
        self.bad = bad
        self.error = error or TypeError("not this one")
        self.handled: list[int] = []
        self.given_up: dict[int, Exception] = {}
        self.calls = 0

    async def handle(self, numbers: Sequence[int]) -> None:
        self.calls += 1
        if any(number in self.bad for number in numbers):
            raise self.error
        self.handled += numbers

    async def give_up(self, number: int, error: Exception) -> None:
        self.given_up[number] = error
        if number == 13:
            raise ValueError("unlucky")


async def test_all_are_handled_in_one_call_while_nothing_is_wrong() -> None:
    handler = Handler()
    await handle_each(range(1000), handler.handle, handler.give_up)
    assert handler.calls == 1
    assert handler.handled == list(range(1000))


@pytest.mark.parametrize("bad", [(0,), (499,), (999,), (1, 2, 500)])
async def test_only_the_bad_ones_are_given_up_and_the_others_keep_their_order(bad: tuple[int, ...]) -> None:
    handler = Handler(*bad)
    await handle_each(range(1000), handler.handle, handler.give_up)
    assert handler.handled == [number for number in range(1000) if number not in bad]
    assert handler.given_up == dict.fromkeys(bad, handler.error)
    assert handler.calls < 25 * len(bad)


async def test_what_cannot_even_be_given_up_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    handler = Handler(13)
    await handle_each(range(20), handler.handle, handler.give_up)
    assert len(handler.handled) == 19
    assert "not this one" in caplog.text
    assert "unlucky" in caplog.text


@pytest.mark.parametrize("error", [UnavailableError("away"), ConnectionResetError(), MemoryError()])
async def test_nothing_is_given_up_because_something_else_is_away(error: Exception) -> None:
    handler = Handler(5, error=error)
    with pytest.raises(type(error)):
        await handle_each(range(10), handler.handle, handler.give_up)
    assert handler.given_up == {}
    assert handler.handled == []


def test_words_for_an_error_fit_into_any_text_column() -> None:
    assert describe_error(ValueError("a\0b\ud800")) == "ValueError: a\\x00b\\ud800"
    assert len(describe_error(ValueError("x" * 10_000))) < 1100
    assert describe_error(KeyError()) == "KeyError"
