"""The transport for a service that is reached without a proxy: the fastest way for each kind of request.

Small requests go over kept connections, whole files over blocking connections in threads, and streams over httpx.
"""

from __future__ import annotations

import ssl
from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, BinaryIO

import httpx

from eas.client.proxies import make_client
from eas.client.transports.bulk import BulkConnections
from eas.client.transports.kept_connections import KeptConnections
from eas.client.transports.over_httpx import HttpxTransport
from eas.client.transports.protocol import ANSWER_TIMEOUT, Answer, add_query

_NO_HEADERS: Mapping[str, str] = {}


class DirectTransport:
    """Sends requests over connections of its own. See `Transport`.

    Parameters
    ----------
    url
        Where the service is mounted: HTTP or HTTPS, and no proxy leads to it.
    headers
        Sent with every request.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)
        self._tls = make_tls_context() if httpx.URL(url).scheme == "https" else None
        self._kept = KeptConnections(url, headers, self._tls)
        self._bulk = BulkConnections(url, headers, self._tls)
        self._streams: HttpxTransport | None = None

    @property
    def url(self) -> str:
        """Where the service is mounted."""
        return self._kept.url

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        silence: float = ANSWER_TIMEOUT,
    ) -> Coroutine[Any, Any, Answer]:
        """Send one request and read its answer."""
        target = add_query(path, params) if params else path
        return self._kept.send(method, target, content, silence, headers or _NO_HEADERS)

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
        return await self._bulk.send_file(method, add_query(path, params), file, offset, size, headers or {})

    async def fetch(self, path: str, file: BinaryIO, *, params: Mapping[str, Any] | None = None) -> tuple[Answer, str]:
        """Write the body of a good answer to a file."""
        return await self._bulk.fetch(add_query(path, params), file)

    def stream(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        silence: float = ANSWER_TIMEOUT,
    ) -> AbstractAsyncContextManager[httpx.Response]:
        """Open the body of an answer for reading as it arrives."""
        if self._streams is None:  # most clients open none, and making a client of httpx takes a while
            self._streams = HttpxTransport(make_client(self.url, self._headers, tls=self._tls))
        return self._streams.stream(path, params=params, headers=headers, silence=silence)

    async def close(self) -> None:
        """Close the connections."""
        self._bulk.close()
        await self._kept.close()
        if self._streams is not None:
            await self._streams.close()


def make_tls_context() -> ssl.SSLContext:
    """Make the TLS settings of all connections: they trust what httpx trusts, and what the system trusts."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context
