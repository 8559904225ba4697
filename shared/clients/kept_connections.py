"""Kept HTTP/1.1 connections for the calls that are made thousands of times: a request costs a tenth of httpx's time.

It does what these calls need and no more: a body, one answer, plain or TLS, no redirects, cookies, proxies or
compression. Everything else goes through httpx.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import httpx

from shared.clients.proxies import find_proxy
from shared.contracts.errors import UnavailableError

CONNECT_TIMEOUT = 5.0

#: The longest head of a response [bytes].
HEAD_LIMIT = 64 * 1024

#: How many idle connections are kept.
MOST_IDLE = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Parameters
    ----------
    where
        The URL that was asked.
    """

    where: str
    status: int
    content: bytes

    def to_response(self) -> httpx.Response:
        """Make it an answer as httpx would have it; only errors are worth the time."""
        return httpx.Response(self.status, content=self.content, request=httpx.Request("POST", self.where))


class KeptConnections:
    """Connections to one service.

    Parameters
    ----------
    url
        Where it is mounted.
    headers
        Sent with every request.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = httpx.URL(url.rstrip("/") + "/")
        self._where = str(self._url)
        self._tls = ssl.create_default_context() if self._url.scheme == "https" else None
        self._port = self._url.port or (443 if self._tls else 80)
        fixed = {"Host": self._url.netloc.decode("ascii"), **headers}
        self._head = b"".join(_write_header(name, value) for name, value in fixed.items())
        self._idle: list[_Connection] = []

    @staticmethod
    def suits(url: str) -> bool:
        """Tell whether a service can be reached this way: over HTTP, and not through a proxy."""
        return httpx.URL(url).scheme in ("http", "https") and find_proxy(url) is None

    async def post(
        self, path: str, body: bytes, timeout_seconds: float, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Answer:
        """Send JSON and read the answer. See `send`."""
        return await self.send("POST", path, body, timeout_seconds, {"Content-Type": "application/json", **headers})

    async def send(
        self, method: str, path: str, body: bytes, timeout_seconds: float, headers: Mapping[str, str]
    ) -> Answer:
        """Send one request and read its answer.

        Parameters
        ----------
        path
            Below the service's, with its query.
        body
            All of it.
        timeout_seconds
            For all of it [s].
        headers
            Besides those of every request.

        Raises
        ------
        UnavailableError
            The service cannot be reached, or there was no whole answer in time. It may have acted all the same.
        """
        where = self._where + path
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(timeout_seconds):
                connection = self._take() or await self._connect()
                target = self._url.raw_path + path.encode("ascii")
                own = b"".join(_write_header(name, value) for name, value in headers.items())
                head = b"%b %b HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n"
                head %= (method.encode("ascii"), target, self._head, own, len(body))
                status, content = await connection.exchange(head + body)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            self._drop(connection)
            raise UnavailableError(f"{where}: {str(error) or type(error).__name__}") from error
        except BaseException:
            self._drop(connection)
            raise
        self._give_back(connection)
        return Answer(where, status, content)

    async def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            await self._idle.pop().closed()

    def _take(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
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

    @property
    def is_usable(self) -> bool:
        """Whether another request can be sent."""
        return not (self._ends or self._reader.at_eof() or self._writer.is_closing())

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and read status and body of its answer."""
        self._writer.write(request)
        if len(request) > HEAD_LIMIT:
            await self._writer.drain()
        while True:
            status, headers = _parse_head(await self._reader.readuntil(b"\r\n\r\n"))
            if status >= 200:
                break
        self._ends = headers.get(b"connection", b"").lower() == b"close"
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            return status, await self._read_chunks()
        if b"content-length" in headers:
            return status, await self._reader.readexactly(int(headers[b"content-length"]))
        if status in (204, 304):
            return status, b""
        self._ends = True
        return status, await self._reader.read()

    def close(self) -> None:
        """Close at once; what is not sent yet is dropped."""
        self._writer.transport.abort()

    async def closed(self) -> None:
        """Close and wait until it is closed."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _read_chunks(self) -> bytes:
        parts = []
        while size := int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            pass  # trailers
        return b"".join(parts)


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
        headers[name.strip().lower()] = value.strip()
    return int(first[9:12]), headers
