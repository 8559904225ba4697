"""Server-sent events, as the HTML standard defines them: written as they come, until one side has had enough."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from eas.contracts.errors import InvalidInputError
from eas.http.disconnects import unless_gone

F = TypeVar("F")

MEDIA_TYPE = "text/event-stream"
#: For the documentation of an operation that answers with a stream.
STREAM_RESPONSE: dict[int | str, dict[str, Any]] = {200: {"content": {MEDIA_TYPE: {}}}}

MAX_EVENT_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class SentEvent:
    """One event; a listener that comes back says after which id it goes on."""

    name: str
    data: BaseModel
    event_id: int | None = None

    def write(self) -> str:
        """Write it for the wire."""
        number = "" if self.event_id is None else f"id: {self.event_id}\n"
        return f"{number}event: {self.name}\ndata: {self.data.model_dump_json()}\n\n"


@dataclass(frozen=True, slots=True)
class Occurrences:
    """What came: none is a sign of life, and after the last the stream is closed."""

    events: Sequence[SentEvent]
    are_last: bool = False

    def write(self) -> bytes:
        """Write them for the wire; where there are none, a comment, which keeps proxies from closing the stream."""
        return "".join(event.write() for event in self.events).encode() or b": nothing new\n\n"


class EventStream(Response, Generic[F]):
    """Sends what a follower gets until the listener disconnects, the last event was sent, or the service stops.

    Parameters
    ----------
    following
        Gives the follower, and lets go of it at the end.
    wait
        Waits for what the follower gets next.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self, following: AbstractContextManager[F], wait: Callable[[F], Coroutine[Any, Any, Occurrences]]
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._following = following
        self._wait = wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": b"retry: 1000\n\n", "more_body": True})
        # Cancelled when the service stops: the stream ends in good order, and the listener goes on where it was.
        with self._following as follower, suppress(asyncio.CancelledError):
            await self._pass_on(follower, Request(scope, receive), send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pass_on(self, follower: F, request: Request, send: Send) -> None:
        while (found := await unless_gone(request, self._wait(follower))) is not None:
            await send({"type": "http.response.body", "body": found.write(), "more_body": True})
            if found.are_last:
                return


def read_last_event_id(text: str, what: str) -> int:
    """Read the header ``Last-Event-ID``.

    Parameters
    ----------
    text
        As it was sent.
    what
        What it is the id of, for the error.

    Raises
    ------
    InvalidInputError
        It is no id.
    """
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= MAX_EVENT_ID):
        raise InvalidInputError(f"expected the id of {what}", where="header.Last-Event-ID")
    return int(text)
