"""What the typed clients have in common: a transport, and errors that come back as their class."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from eas.client.proxies import describe_way
from eas.client.transports.choice import choose_transport
from eas.client.transports.protocol import ANSWER_TIMEOUT, Answer
from eas.contracts.errors import EasError, ErrorBody, InvalidInputError, UnavailableError, rebuild_error

Model = TypeVar("Model", bound=BaseModel)
Value = TypeVar("Value")
Self = TypeVar("Self", bound="ServiceClient")

_JSON = {"Content-Type": "application/json"}


class ServiceClient:
    """Base of the typed clients.

    Parameters
    ----------
    url
        Where the service is mounted, such as ``http://127.0.0.1:8321/scheduler``.
    token
        The bearer token; None for an open service.
    transport
        In place of the network, for calling an app in the same process.

    Raises
    ------
    UnavailableError
        From every call: the service cannot be reached, did not answer in time, or answers like something else. Trying
        again may help.
    EasError
        From every call: the class that the service raised.
    """

    def __init__(self, url: str, token: str | None, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = choose_transport(url, token, transport)
        #: How long the service may be silent unless a call says otherwise [s].
        self.answer_timeout = ANSWER_TIMEOUT

    @property
    def url(self) -> str:
        """Where the service is mounted; ends with a slash."""
        return self._transport.url

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | None = None,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        read_timeout: float | None = None,
    ) -> Answer:
        """Send one request and return its answer, if it is a good one.

        Parameters
        ----------
        body
            Sent as JSON, in place of `content` and `headers`.
        params
            The query. Parameters that are None are left out.
        read_timeout
            How long the service may be silent [s]; `answer_timeout` by default.
        """
        if body is not None:
            content, headers = body.model_dump_json().encode(), _JSON
        if params:
            params = {name: value for name, value in params.items() if value is not None}
        silence = self.answer_timeout if read_timeout is None else read_timeout
        answer = await self._transport.send(
            method, path, params=params, headers=headers, content=content, silence=silence
        )
        raise_for_error(answer)
        return answer

    async def _send(self, method: str, path: str, **options: Any) -> bytes:
        """Send one request and return the body of a good answer. See `_ask` for the options."""
        return (await self._ask(method, path, **options)).content

    @asynccontextmanager
    async def _stream(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        read_timeout: float | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """Open the body of a good answer to a GET request for reading as it arrives."""
        silence = self.answer_timeout if read_timeout is None else read_timeout
        async with self._transport.stream(path, params=params, headers=headers, silence=silence) as response:
            if not response.is_success:
                await response.aread()
                raise_for_error(Answer.from_response(response))
            yield response

    async def _call(self, model: type[Model], method: str, path: str, **options: Any) -> Model:
        """Send one request and read its answer as `model`. See `_ask` for the options."""
        return self._read(model.model_validate_json, (await self._ask(method, path, **options)).content)

    def _read(self, parse: Callable[[bytes], Value], content: bytes) -> Value:
        """Read an answer, or a part of it. Raises UnavailableError where it is not what was expected."""
        try:
            return parse(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = "".join(f".{part}" for part in first["loc"])
            message = f"{self.url} does not answer like a service of this version: {first['msg']} at ${place}"
            raise UnavailableError(message) from error


def raise_for_error(answer: Answer) -> None:
    """Raise what the service raised, if the answer is an error.

    A 5xx answer that is not one of ours (a proxy's, say) becomes `UnavailableError`.
    """
    if 200 <= answer.status < 300 or answer.status == httpx.codes.NOT_MODIFIED:
        return
    try:
        body = ErrorBody.model_validate_json(answer.content)
    except ValidationError:
        message = f"{answer.url}: HTTP {answer.status}{describe_way(answer.url)}"
        raise (UnavailableError if answer.status >= 500 else EasError)(message) from None
    raise rebuild_error(body)


def make_request(model: type[Model], **values: Any) -> Model:
    """Make the body of a request from what a user gave.

    Raises
    ------
    InvalidInputError
        It is not what the operation takes; the first fault is named with its place.
    """
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(f"{place}: {first['msg'].removeprefix('Value error, ')}", where=place) from None
