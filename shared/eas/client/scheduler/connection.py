"""What all calls of the scheduler have in common."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel

from eas.client.base import Model, ServiceClient

#: How much longer than the scheduler may wait the client waits for its answer [s].
PATIENCE = 10.0
#: How long verbs on jobs of any size may take [s].
LONG = 300.0
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class SchedulerConnection(ServiceClient):
    """Sends what the calls below have to say."""

    async def _post(self, model: type[Model], path: str, body: BaseModel, *, wait: float = 20.0) -> Model:
        answer = await self._ask("POST", path, body=body, read_timeout=wait + PATIENCE)
        return self._read(model.model_validate_json, answer.content)

    async def _send_text(
        self, path: str, document: str | bytes, headers: Mapping[str, str] = _NO_HEADERS, *, method: str = "POST"
    ) -> bytes:
        """Send text as it was written, broken or not: the service's error then names the place in the user's text."""
        text = document.encode() if isinstance(document, str) else document
        typed = {"Content-Type": "application/json", **headers}
        return (await self._ask(method, path, content=text, headers=typed, read_timeout=LONG)).content
