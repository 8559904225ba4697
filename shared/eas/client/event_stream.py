"""Server-sent events, as the HTML standard defines them, read from lines."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ServerSentEvent:
    """One event; `event_id` is the last that the stream named."""

    name: str
    data: str
    event_id: str | None


async def read_events(lines: AsyncIterable[str]) -> AsyncIterator[ServerSentEvent | None]:
    """Go through the events of a stream. A comment, which only says that the stream lives, gives None."""
    name, data, event_id = "message", list[str](), None
    async for line in lines:
        if line.startswith(":"):
            yield None
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "" if data:
                yield ServerSentEvent(name, "\n".join(data), event_id)
                name, data = "message", []
            case "event":
                name = value
            case "data":
                data.append(value)
            case "id":
                event_id = value
