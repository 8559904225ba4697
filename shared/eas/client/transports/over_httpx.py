"""The transport over httpx: for proxies, for an app in the same process, and for any transport of httpx."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, BinaryIO

import httpx

from eas.client.proxies import explain_failure
from eas.client.transports.protocol import ANSWER_TIMEOUT, CONNECT_TIMEOUT, TRANSFER_TIMEOUT, Answer
from eas.contracts.errors import DigestMismatchError

#: Files are read and written in blocks of this size [bytes].
BLOCK_SIZE = 1 << 20


class HttpxTransport:
    """Sends requests with a client of httpx. See `Transport`.

    Parameters
    ----------
    http
        The client; its base URL is where the service is mounted. `close` closes it.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    @property
    def url(self) -> str:
        """Where the service is mounted."""
        return str(self._http.base_url)

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] = b"",
        silence: float = ANSWER_TIMEOUT,
    ) -> Answer:
        """Send one request and read its answer."""
        try:
            response = await self._http.request(
                method,
                path,
                params=params or None,
                headers=headers,
                content=content or None,
                timeout=_limit_silence(silence),
            )
        except httpx.HTTPError as error:
            raise explain_failure(self.url + path, error) from error
        return Answer.from_response(response)

    async def send_file(
        self,
        method: str,
        path: str,
        file: BinaryIO,
        offset: int,
        size: int,
        headers: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Send a part of a file as the body of a request."""
        fields = {**(headers or {}), "Content-Type": "application/octet-stream", "Content-Length": str(size)}
        blocks = _read_blocks(file, offset, size)
        return await self.send(method, path, params=params, headers=fields, content=blocks, silence=TRANSFER_TIMEOUT)

    async def fetch(self, path: str, file: BinaryIO, *, params: Mapping[str, Any] | None = None) -> tuple[Answer, str]:
        """Write the body of a good answer to a file."""
        headers = {"Accept-Encoding": "identity"}
        async with self.stream(path, params=params, headers=headers, silence=TRANSFER_TIMEOUT) as response:
            if not response.is_success:
                await response.aread()
                return Answer.from_response(response), ""
            digest = await _write_blocks(response, file)
            return Answer(str(response.request.url), response.status_code, b"", response.headers), digest

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        silence: float = ANSWER_TIMEOUT,
    ) -> AsyncIterator[httpx.Response]:
        """Open the body of an answer for reading as it arrives."""
        try:
            async with self._http.stream(
                "GET", path, params=params or None, headers=headers, timeout=_limit_silence(silence)
            ) as response:
                yield response
        except httpx.HTTPError as error:
            raise explain_failure(self.url + path, error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _limit_silence(silence: float) -> httpx.Timeout:
    return httpx.Timeout(silence, connect=CONNECT_TIMEOUT)


async def _read_blocks(file: BinaryIO, offset: int, size: int) -> AsyncIterator[bytes]:
    """Read a part of a file. Raises DigestMismatchError if the file ends before it."""
    end = offset + size
    while offset < end:
        block = await asyncio.to_thread(os.pread, file.fileno(), min(BLOCK_SIZE, end - offset), offset)
        if not block:
            raise DigestMismatchError(f"{file.name} became shorter while it was read", where="body")
        offset += len(block)
        yield block


async def _write_blocks(response: httpx.Response, file: BinaryIO) -> str:
    """Write the body of a response to a file, and return its SHA-256."""
    digest = hashlib.sha256()

    def write(block: bytearray) -> None:
        digest.update(block)
        file.write(block)

    block = bytearray()
    async for chunk in response.aiter_raw():
        block += chunk
        if len(block) >= BLOCK_SIZE:
            await asyncio.to_thread(write, block)
            block = bytearray()
    await asyncio.to_thread(write, block)
    return digest.hexdigest()
