"""What the typed clients have in common: one httpx client, bearer token, and errors that come back as their class."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from shared.clients.proxies import describe_way, explain_failure, make_client
from shared.contracts.errors import EasError, ErrorBody, InvalidInputError, UnavailableError, rebuild_error

Model = TypeVar("Model", bound=BaseModel)
Answer = TypeVar("Answer")
Self = TypeVar("Self", bound="ServiceClient")

DEFAULT_TIMEOUT = httpx.Timeout(30.0, connect=5.0)


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
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = make_client(url, headers, DEFAULT_TIMEOUT, transport)

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | None = None,
        params: dict[str, Any] | None = None,
        read_timeout: float | None = None,
    ) -> bytes:
        """Send one request and return the body of a good answer."""
        extra: dict[str, Any] = {}
        if body is not None:
            extra["content"] = body.model_dump_json()
            extra["headers"] = {"Content-Type": "application/json"}
        if params:
            extra["params"] = {name: value for name, value in params.items() if value is not None}
        if read_timeout is not None:
            extra["timeout"] = httpx.Timeout(read_timeout, connect=5.0)
        try:
            response = await self._http.request(method, path.lstrip("/"), **extra)
        except httpx.HTTPError as error:
            raise explain_failure(f"{self._http.base_url}{path.lstrip('/')}", error) from error
        raise_for_error(response)
        return response.content

    async def _call(self, model: type[Model], method: str, path: str, **options: Any) -> Model:
        """Send one request and read its answer as `model`."""
        return self._read(model.model_validate_json, await self._send(method, path, **options))

    def _read(self, parse: Callable[[bytes], Answer], content: bytes) -> Answer:
        """Read an answer, or a part of it. Raises UnavailableError where it is not what was expected."""
        try:
            return parse(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = "".join(f".{part}" for part in first["loc"])
            message = (
                f"{self._http.base_url} does not answer like a service of this version: {first['msg']} at ${place}"
            )
            raise UnavailableError(message) from error


def raise_for_error(response: httpx.Response) -> None:
    """Raise what the service raised, if the (fully read) response is an error.

    A 5xx answer that is not one of ours (a proxy's, say) becomes `UnavailableError`.
    """
    if response.is_success or response.status_code == httpx.codes.NOT_MODIFIED:
        return
    try:
        body = ErrorBody.model_validate_json(response.content)
    except ValidationError:
        url = response.request.url
        message = f"{url}: HTTP {response.status_code}{describe_way(url)}"
        raise (UnavailableError if response.status_code >= 500 else EasError)(message) from None
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
