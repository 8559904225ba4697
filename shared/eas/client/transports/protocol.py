"""What a client needs of the way to its service. Callers never ask which implementation they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, BinaryIO, NamedTuple, Protocol

import httpx

#: How long a connection may take to be made [s].
CONNECT_TIMEOUT = 5.0
#: How long a service may be silent unless a call says otherwise [s].
ANSWER_TIMEOUT = 30.0
#: How long a service may be silent while a file goes to or from it. The store hashes and flushes gigabytes after the
#: last byte has been sent [s].
TRANSFER_TIMEOUT = 600.0

RawHeaders = Mapping[str, str] | Mapping[bytes, bytes] | Sequence[tuple[str, str]]


class Answer(NamedTuple):
    """A response that was read completely.

    Parameters
    ----------
    url
        The URL that was asked.
    status
        The status code.
    content
        The body.
    raw_headers
        The headers, as the implementation has them.
    """

    url: str
    status: int
    content: bytes
    raw_headers: RawHeaders = ()

    @property
    def headers(self) -> httpx.Headers:
        """The headers; their names are found in any case."""
        return httpx.Headers(self.raw_headers)

    @classmethod
    def from_response(cls, response: httpx.Response) -> Answer:
        """Make an answer of a response of httpx whose body was read."""
        return cls(str(response.request.url), response.status_code, response.content, response.headers)


class Transport(Protocol):
    """Sends the requests of a client to one service.

    Every method returns error answers as well; only the absence of an answer is an exception. Paths are relative to the
    place where the service is mounted, and may have a query. `silence` limits how long
    the service may send nothing, not the whole request.

    Raises
    ------
    UnavailableError
        From every method: the service cannot be reached, or no whole answer came in time. The service may have acted
        all the same.
    """

    @property
    def url(self) -> str:
        """Where the service is mounted; ends with a slash."""

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        silence: float = ANSWER_TIMEOUT,
    ) -> Answer:
        """Send one request and read its answer.

        Parameters
        ----------
        params
            The query. The path must not have one then.
        headers
            Besides those of every request.
        content
            The whole body.
        silence
            How long the service may be silent [s].
        """

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
        """Send `size` bytes of a file, from `offset` on, as the body of a request.

        Raises
        ------
        DigestMismatchError
            The file has fewer bytes.
        """

    async def fetch(self, path: str, file: BinaryIO, *, params: Mapping[str, Any] | None = None) -> tuple[Answer, str]:
        """Write the body of a good answer to a file.

        Returns
        -------
        tuple of Answer and str
            The answer, which has a body only if it is an error, and the SHA-256 of what was written.

        Raises
        ------
        OSError
            The file cannot be written.
        """

    def stream(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        silence: float = ANSWER_TIMEOUT,
    ) -> AbstractAsyncContextManager[httpx.Response]:
        """Open the body of an answer to a GET request for reading as it arrives."""

    async def close(self) -> None:
        """Close the connections."""


def add_query(path: str, params: Mapping[str, Any] | None) -> str:
    """Append a query to a path. Lists become repeated parameters, and true and false are in lower case."""
    return f"{path}?{httpx.QueryParams(dict(params))}" if params else path
