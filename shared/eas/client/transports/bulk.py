"""Files to and from a service at the speed of the disk: blocking connections of the standard library, in threads.

httpx spends most of the time of a transfer on passing pieces of 64 kB on. Here the kernel sends files by itself, and
the bytes that arrive go straight into large buffers.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import socket
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, TypeVar

import httpx

from eas.client.transports.protocol import CONNECT_TIMEOUT, TRANSFER_TIMEOUT, Answer
from eas.client.transports.sockets import EndWatch
from eas.contracts.errors import DigestMismatchError, UnavailableError

Result = TypeVar("Result")

BLOCK_SIZE = 1 << 21
#: Longer files are hashed in a thread of its own while they arrive [bytes].
SMALL_FILE = 1 << 20
#: Transfers at once; the others wait.
MOST_TRANSFERS = 16
MOST_IDLE = 8


class BulkConnections:
    """Connections to one service for whole files.

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
        self._headers = {"User-Agent": "eas", "Accept-Encoding": "identity", **headers}
        self._tls = tls
        self._threads = ThreadPoolExecutor(MOST_TRANSFERS, thread_name_prefix="transfer")
        self._idle: list[http.client.HTTPConnection] = []

    async def send_file(
        self, method: str, path: str, file: BinaryIO, offset: int, size: int, headers: Mapping[str, str]
    ) -> Answer:
        """Send a part of a file as the body of a request.

        Raises
        ------
        UnavailableError
            The service cannot be reached, or the connection broke off.
        DigestMismatchError
            The file became shorter.
        """
        fields = {**headers, "Content-Type": "application/octet-stream", "Content-Length": str(size)}

        def send(connection: http.client.HTTPConnection) -> Answer:
            self._request(connection, method, path, fields)
            is_sent = False
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # there may be an answer all the same
                if size and connection.sock.sendfile(file, offset, size) != size:
                    raise DigestMismatchError(f"{file.name} became shorter while it was read", where="body")
                is_sent = True
            response = connection.getresponse()
            answer = self._make_answer(path, response, response.read())
            if not is_sent:
                connection.close()
            return answer

        return await self._run(path, send, again=False)

    async def fetch(self, path: str, file: BinaryIO) -> tuple[Answer, str]:
        """Write the body of a good answer to a file.

        Returns
        -------
        The answer, which has a body only where it is an error, and the SHA-256 of what was written.

        Raises
        ------
        UnavailableError
            The service cannot be reached, or the connection broke off.
        OSError
            The file cannot be written.
        """

        def receive(connection: http.client.HTTPConnection) -> tuple[Answer, str]:
            self._request(connection, "GET", path, {})
            response = connection.getresponse()
            if response.status != http.client.OK:
                return self._make_answer(path, response, response.read()), ""
            announced = response.length
            digest, size = _write_body(response, file)
            if announced not in {None, size}:
                raise http.client.IncompleteRead(b"", (announced or 0) - size)
            return self._make_answer(path, response, b""), digest

        try:
            return await self._run(path, receive, again=True)
        except _FileError as error:
            raise error.cause from error

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()
        self._threads.shutdown(wait=False)

    def _request(
        self, connection: http.client.HTTPConnection, method: str, path: str, headers: Mapping[str, str]
    ) -> None:
        connection.putrequest(method, self._url.raw_path.decode("ascii") + path, skip_accept_encoding=True)
        for name, value in {**self._headers, **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()

    def _make_answer(self, path: str, response: http.client.HTTPResponse, content: bytes) -> Answer:
        return Answer(f"{self._url}{path}", response.status, content, response.getheaders())

    def _take(self) -> http.client.HTTPConnection | None:
        """Take an idle connection that the service has not closed."""
        while self._idle:
            connection = self._idle.pop()
            if not EndWatch(connection.sock.fileno()).has_ended():
                return connection
            connection.close()
        return None

    async def _run(self, path: str, call: Callable[[http.client.HTTPConnection], Result], *, again: bool) -> Result:
        """Make a call in a thread; once more on a fresh connection, where a kept one turns out to be closed."""
        while True:
            idle = self._take()
            connection = idle or self._make_connection()
            try:
                result = await self._in_thread(connection, call)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if idle is not None and again and isinstance(error, ConnectionError | http.client.BadStatusLine):
                    continue
                where = f"{self._url}{path.partition('?')[0]}"
                raise UnavailableError(f"{where}: {str(error) or type(error).__name__}") from error
            except BaseException:
                connection.close()
                raise
            if connection.sock is not None and len(self._idle) < MOST_IDLE:
                self._idle.append(connection)
            else:
                connection.close()
            return result

    async def _in_thread(
        self, connection: http.client.HTTPConnection, call: Callable[[http.client.HTTPConnection], Result]
    ) -> Result:
        """Make a call in a thread, and break it off where the caller is cancelled."""

        def run() -> Result:
            if connection.sock is None:
                connection.connect()
                assert connection.sock is not None  # noqa: S101 - it is connected
                connection.sock.settimeout(TRANSFER_TIMEOUT)
            return call(connection)

        running = asyncio.get_running_loop().run_in_executor(self._threads, run)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            while not running.done():
                if connection.sock is not None:
                    with contextlib.suppress(OSError):
                        connection.sock.shutdown(socket.SHUT_RDWR)
                await asyncio.wait([running], timeout=CONNECT_TIMEOUT)
            running.cancelled() or running.exception()
            raise

    def _make_connection(self) -> http.client.HTTPConnection:
        host, port = self._url.host, self._url.port or (80 if self._tls is None else 443)
        if self._tls is not None:
            return http.client.HTTPSConnection(host, port, timeout=CONNECT_TIMEOUT, context=self._tls)
        return http.client.HTTPConnection(host, port, timeout=CONNECT_TIMEOUT)


class _FileError(Exception):
    """The file, not the connection, is at fault."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _write_body(answer: http.client.HTTPResponse, file: BinaryIO) -> tuple[str, int]:
    """Write a body to a file, and tell its SHA-256 and its size."""
    digest, size = hashlib.sha256(), 0
    if answer.length is not None and answer.length <= SMALL_FILE:
        block = answer.read()
        digest.update(block)
        _write(file, block)
        return digest.hexdigest(), len(block)
    hashing: Future[None] | None = None
    buffers = [memoryview(bytearray(BLOCK_SIZE)) for _ in range(2)]
    with ThreadPoolExecutor(1, thread_name_prefix="hashing") as thread:
        while count := answer.readinto(buffers[0]):
            block_view = buffers[0][:count]
            if hashing is not None:
                hashing.result()
            hashing = thread.submit(digest.update, block_view)
            _write(file, block_view)
            size += count
            buffers.reverse()
    return digest.hexdigest(), size


def _write(file: BinaryIO, block: bytes | memoryview) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise _FileError(error) from error
