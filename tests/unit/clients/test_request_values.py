"""What a user gives and no request can carry is refused in words by the client."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from eas.client.scheduler import SchedulerClient
from eas.contracts.errors import InvalidInputError


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [(float("inf"), "finite"), (10**22, "64 bits"), (deep(200), "64 levels")],
    ids=["infinite", "10^22", "200 levels"],
)
async def test_changed_settings_that_cannot_be_sent_are_refused_with_their_place(value: Any, words: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"it was sent: {request.url}")

    async with SchedulerClient("http://scheduler", None, transport=httpx.MockTransport(answer)) as client:
        with pytest.raises(InvalidInputError, match=words) as caught:
            await client.retry_job(1, settings={"duration": value})
    assert "settings" in str(caught.value.where)
