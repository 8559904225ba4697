"""Kept HTTP/1.1 connections for small requests: a request costs a tenth of the time that httpx takes.

They do what the clients need and no more: a body, one answer, plain or TLS; no redirects, cookies, proxies or
compression.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping
from functools import lru_cache
from urllib.parse import quote

import httpx

from eas.client.transports.protocol import CONNECT_TIMEOUT, Answer
from eas.client.transports.sockets import EndWatch
from eas.contracts.errors import UnavailableError

#: The longest head of a response [bytes].
HEAD_LIMIT = 64 * 1024

#: How many idle connections are kept.
MOST_IDLE = 8
#: Longer bodies are read piece by piece, and each piece may take the whole timeout [bytes].
PIECE_SIZE = 1 << 20
#: Requests with these methods have no body, and say nothing of its length.
_BODILESS = frozenset({"GET", "DELETE"})
#: What stays as it is in the target of a request.
_TARGET_SAFE = "/:?#[]@!$&'()*+,;=%~"


class KeptConnections:
    """Connections to one service.

    Parameters
    ----------
    url
        Where it is mounted.
    headers
        Sent with every request.
    tls
        The TLS settings; None for plain HTTP.
    """

    def __init__(self, url: str, headers: Mapping[str, str], tls: ssl.SSLContext | None = None) -> None:
        self._url = httpx.URL(url.rstrip("/") + "/")
        self.url = str(self._url)
        self._root = self._url.raw_path
        self._tls = tls
        self._port = self._url.port or (443 if self._tls else 80)
        fixed = {"Host": self._url.netloc.decode("ascii"), **headers}
        self._head = b"".join(_write_header(name, value) for name, value in fixed.items())
        self._idle: list[_Connection] = []

    async def send(
        self, method: str, path: str, body: bytes, timeout_seconds: float, headers: Mapping[str, str]
    ) -> Answer:
        """Send one request and read its answer.

        Parameters
        ----------
        path
            Relative to the service's, with its query.
        body
            All of it.
        timeout_seconds
            How long the service may be silent [s].
        headers
            Besides those of every request.

        Raises
        ------
        UnavailableError
            The service cannot be reached, or no whole answer came in time. It may have acted all the same.
        """
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(timeout_seconds) as limit:

                def extend() -> None:
                    limit.reschedule(asyncio.get_running_loop().time() + timeout_seconds)

                connection = self._take() or await self._connect()
                status, fields, content = await connection.exchange(self._write(method, path, body, headers), extend)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            self._drop(connection)
            where = self.url + path.partition("?")[0]
            raise UnavailableError(f"{where}: {str(error) or type(error).__name__}") from error
        except BaseException:
            self._drop(connection)
            raise
        self._give_back(connection)
        return Answer(self.url + path, status, content, fields)

    async def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            await self._idle.pop().closed()

    def _write(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        target = self._root + _write_path(path)
        own = b"".join(_write_header(name, value) for name, value in headers.items())
        length = b"" if not body and method in _BODILESS else b"Content-Length: %d\r\n" % len(body)
        return b"%b %b HTTP/1.1\r\n%b%b%b\r\n%b" % (method.encode("ascii"), target, self._head, own, length, body)

    def _take(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable and not connection.watch.has_ended():
                return connection
            connection.close()
        return None

    async def _connect(self) -> _Connection:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            reader, writer = await asyncio.open_connection(self._url.host, self._port, ssl=self._tls, limit=HEAD_LIMIT)
        return _Connection(reader, writer)

    def _give_back(self, connection: _Connection) -> None:
        if connection.is_usable and len(self._idle) < MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    @staticmethod
    def _drop(connection: _Connection | None) -> None:
        if connection is not None:
            connection.close()


class _Connection:
    """One connection, with one request at a time on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ends = False
        self.watch = EndWatch(writer.get_extra_info("socket").fileno())

    @property
    def is_usable(self) -> bool:
        """Whether another request can be sent."""
        return not (self._ends or self._reader.at_eof() or self._writer.is_closing())

    async def exchange(self, request: bytes, extend: Callable[[], None]) -> tuple[int, dict[bytes, bytes], bytes]:
        """Send a request and read status, headers and body of its answer; `extend` is called when something moved."""
        self._writer.write(request)
        if len(request) > HEAD_LIMIT:
            with contextlib.suppress(ConnectionError):  # the service may have answered before it had read everything
                await self._writer.drain()
            extend()
        while True:
            status, headers = _parse_head(await self._reader.readuntil(b"\r\n\r\n"))
            if status >= 200:
                break
        self._ends = headers.get(b"connection", b"").lower() == b"close"
        if status in (204, 304):
            return status, headers, b""
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            return status, headers, await self._read_chunks(extend)
        if b"content-length" in headers:
            return status, headers, await self._read_exactly(int(headers[b"content-length"]), extend)
        self._ends = True
        return status, headers, await self._read_to_end(extend)

    def close(self) -> None:
        """Close at once; what is not sent yet is dropped."""
        self._writer.transport.abort()

    async def closed(self) -> None:
        """Close and wait until it is closed."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _read_exactly(self, size: int, extend: Callable[[], None]) -> bytes:
        if size <= HEAD_LIMIT:
            return await self._reader.readexactly(size)
        content = bytearray()
        while len(content) < size:
            part = await self._reader.readexactly(min(PIECE_SIZE, size - len(content)))
            content += part
            extend()
        return bytes(content)

    async def _read_chunks(self, extend: Callable[[], None]) -> bytes:
        parts = []
        while size := int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append(await self._read_exactly(size, extend))
            await self._reader.readexactly(2)
            extend()
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            pass  # trailers
        return b"".join(parts)

    async def _read_to_end(self, extend: Callable[[], None]) -> bytes:
        content = bytearray()
        while part := await self._reader.read(PIECE_SIZE):
            content += part
            extend()
        return bytes(content)


@lru_cache
def _write_path(path: str) -> bytes:
    return quote(path, safe=_TARGET_SAFE).encode("ascii")


@lru_cache
def _write_header(name: str, value: str) -> bytes:
    """Write a header. Raises `ValueError` where it would break out of its line."""
    line = f"{name}: {value}"
    if "\r" in line or "\n" in line:
        raise ValueError(f"a header cannot have a line break: {line!r}")
    return line.encode("latin-1") + b"\r\n"


def _parse_head(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    """Read status and headers.

    Raises
    ------
    ValueError
        It is not HTTP/1.
    """
    first, *lines = head[:-4].split(b"\r\n")
    if not first.startswith(b"HTTP/1."):
        raise ValueError(f"not an HTTP/1 answer: {first[:64]!r}")
    headers = {}
    for line in lines:
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    return int(first[9:12]), headers
