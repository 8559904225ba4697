"""A server in the test's own event loop that treats connections as a handler does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Serve connections until the block ends; then wait until clients have closed theirs.

    Yields the address as ``http://127.0.0.1:<port>``. A handler ends a connection when it returns; a connection that
    breaks is not an error.
    """
    served: list[asyncio.Task[None]] = []
    accepted_all = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await handler(reader, writer)
        finally:
            await _close(writer)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if writer.get_extra_info("peername") == last.getsockname():
            accepted_all.set()
            served.append(asyncio.create_task(_close(writer)))
        else:
            served.append(asyncio.create_task(serve(reader, writer)))

    with socket.socket() as last:
        last.setblocking(False)
        last.bind(("127.0.0.1", 0))
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        async with server:
            yield f"http://127.0.0.1:{address[1]}"
            # A client may have connected and gone before the server accepted. Connections are accepted in their order,
            # so that none is left to accept when this one is.
            await asyncio.get_running_loop().sock_connect(last, address)
            await accepted_all.wait()
            await asyncio.gather(*served)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and wait until its socket is closed: the event loop may end next."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
