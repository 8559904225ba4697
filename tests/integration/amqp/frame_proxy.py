"""Something between a client and a broker that loses what it is told to lose."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_HEAD = 7  # type, channel, size
_BASIC_CANCEL = b"\x00\x3c\x00\x1e"


class FrameProxy:
    """Passes AMQP frames on, except the word that a consumer was cancelled, if it is to swallow that.

    Parameters
    ----------
    url
        Of the broker behind.
    """

    def __init__(self, url: str) -> None:
        self._behind = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.swallow_cancels = False
        self.swallowed = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return self._behind._replace(
            netloc=f"{self._behind.username}:{self._behind.password}@127.0.0.1:{port}"
        ).geturl()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            far_reader, far_writer = await asyncio.open_connection(self._behind.hostname, self._behind.port)
            await asyncio.gather(self._pass_on(reader, far_writer), self._pass_frames_on(far_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            await _close(writer)
            self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            await _close(writer)

    async def _pass_frames_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readexactly(_HEAD)
                rest = await reader.readexactly(int.from_bytes(head[3:], "big") + 1)
                if self.swallow_cancels and head[0] == 1 and rest.startswith(_BASIC_CANCEL):
                    self.swallowed += 1
                    continue
                writer.write(head + rest)
                await writer.drain()
        finally:
            await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and wait until its socket is closed: the event loop may end next."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
