"""The connection to a scheduler: kept connections for what is said often, one HTTP client for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import httpx
from pydantic import BaseModel

from shared.clients.base import Model, ServiceClient, raise_for_error
from shared.clients.kept_connections import KeptConnections
from shared.clients.proxies import explain_failure

#: How much longer than the scheduler may wait the client waits for its answer [s].
PATIENCE = 10.0
#: How long verbs on jobs of any size may take [s].
LONG = 300.0
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class SchedulerConnection(ServiceClient):
    """Sends what the calls below have to say."""

    def __init__(self, url: str, token: str | None, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__(url, token, transport=transport)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        kept = transport is None and KeptConnections.suits(url)
        self._kept = KeptConnections(url, headers) if kept else None

    async def close(self) -> None:
        """Close the connections."""
        if self._kept is not None:
            await self._kept.close()
        await super().close()

    async def _post(self, model: type[Model], path: str, body: BaseModel, *, wait: float = 20.0) -> Model:
        if self._kept is None:
            return await self._call(model, "POST", path, body=body, read_timeout=wait + PATIENCE)
        answer = await self._kept.post(path, body.model_dump_json().encode(), wait + PATIENCE)
        if answer.status >= 300:
            raise_for_error(answer.to_response())
        return self._read(model.model_validate_json, answer.content)

    async def _send_text(
        self, path: str, document: str | bytes, headers: Mapping[str, str] = _NO_HEADERS, *, method: str = "POST"
    ) -> bytes:
        """Send text as it was written, broken or not: the service's error then names the place in the user's text."""
        text = document.encode() if isinstance(document, str) else document
        if self._kept is not None and method == "POST":
            answer = await self._kept.post(path, text, LONG, headers)
            if answer.status >= 300:
                raise_for_error(answer.to_response())
            return answer.content
        typed = {"Content-Type": "application/json", **headers}
        try:
            response = await self._http.request(
                method, path, content=text, headers=typed, timeout=httpx.Timeout(LONG, connect=5.0)
            )
        except httpx.HTTPError as error:
            raise explain_failure(f"{self._http.base_url}{path}", error) from error
        raise_for_error(response)
        return response.content
